"""Files of tensors beside an ONNX model: found wherever the format may name them, and part of the head's identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_onnx import field, segmenter, tensor_beside

from downstream.api import SegmentationMap
from downstream.heads.onnx import Onnx
from downstream.weights.onnx_files import external_files, sha256_of_model
from hsc.errors import DataError, UnavailableError

MODEL, GRAPH, TRAINING, FUNCTION = 7, 7, 20, 25
"""Field numbers of ModelProto."""

TENSOR = tensor_beside("w", (2, 3), "w.data")
NODE = field(1, "x") + field(4, "Constant")


def in_node(attribute: bytes) -> bytes:
    """A graph of one node with one attribute."""
    return field(1, NODE + field(5, field(1, "value") + attribute))


PLACES = {
    "an initializer": field(GRAPH, field(5, TENSOR)),
    "a sparse initializer": field(GRAPH, field(15, field(1, TENSOR))),
    "a constant": field(GRAPH, in_node(field(5, TENSOR))),
    "a list of constants": field(GRAPH, in_node(field(10, TENSOR))),
    "a sparse constant": field(GRAPH, in_node(field(22, field(2, TENSOR)))),
    "a branch": field(GRAPH, in_node(field(6, field(5, TENSOR)))),
    "a branch of a branch": field(GRAPH, in_node(field(11, in_node(field(6, field(5, TENSOR)))))),
    "a function": field(FUNCTION, field(7, NODE + field(5, field(5, TENSOR)))),
    "a function's default": field(FUNCTION, field(11, field(5, TENSOR))),
    "training": field(TRAINING, field(1, field(5, TENSOR))),
}


@pytest.mark.parametrize("place", PLACES)
def test_locations_are_found_wherever_tensors_are(place: str, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(b"\x08\x08" + field(2, "exporter") + PLACES[place])
    assert external_files(str(model), place) == ("w.data",)
    (tmp_path / "w.data").write_bytes(b"weights")
    assert list(sha256_of_model(str(model))) == ["weights_sha256", "weights:w.data_sha256"]


def test_several_files_and_one_of_many_tensors(tmp_path: Path) -> None:
    tensors = [
        tensor_beside(f"w{n}", (1,), location)
        for n, location in enumerate(("b.data", "below/a.data", "b.data", "./b.data"))
    ]
    model = tmp_path / "several.onnx"
    model.write_bytes(field(GRAPH, b"".join(field(5, tensor) for tensor in tensors)))
    assert external_files(str(model), "several") == ("b.data", "below/a.data")


def test_a_model_of_one_file_names_none(tmp_path: Path) -> None:
    model = tmp_path / "whole.onnx"
    model.write_bytes(segmenter(np.eye(3, dtype=np.float32), 4, 4))
    assert list(sha256_of_model(str(model))) == ["weights_sha256"]


@pytest.mark.parametrize("location", ["/etc/passwd", "../w.data", "a/../../w.data", "..\\w.data", "a\0b"])
def test_a_file_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(field(GRAPH, field(5, tensor_beside("w", (1,), location))))
    with pytest.raises(DataError, match="outside its folder"):
        sha256_of_model(str(model))
    assert "outside its folder" in str(Onnx(str(model), format="logits", classes="camvid11").available())


@pytest.mark.parametrize("cut", [3, 20, 40])
def test_a_damaged_model_is_said_to_be(cut: int, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(PLACES["a branch of a branch"][:cut])
    with pytest.raises(DataError, match="may be damaged"):
        external_files(str(model), f"cut at {cut}")


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    graph = field(5, TENSOR)
    for _ in range(100):
        graph = in_node(field(6, graph))
    model = tmp_path / "deep.onnx"
    model.write_bytes(field(GRAPH, graph))
    with pytest.raises(DataError, match="nested over"):
        external_files(str(model), "deep")


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(field(GRAPH, field(5, TENSOR)))
    with pytest.raises(UnavailableError, match=r"m\.onnx keeps tensors in w\.data.*copy both"):
        sha256_of_model(str(model))


def test_weights_beside_a_model_are_what_the_head_is(tmp_path: Path) -> None:
    """One model file with other weights beside it gives other answers in the same process, and is another head."""
    pytest.importorskip("onnxruntime")
    (tmp_path / "names.txt").write_text("\n".join("abc"))
    head = Onnx(
        str(tmp_path / "m.onnx"), format="logits", classes=str(tmp_path / "names.txt"), mean=(0.0,) * 3, std=(1.0,) * 3
    )
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 255
    (tmp_path / "m.onnx").write_bytes(segmenter(np.eye(3, dtype=np.float32), 4, 4, beside="m.onnx.data"))
    answers, identities = [], []
    for weights in (np.eye(3), np.eye(3)[[1, 0, 2]]):
        (tmp_path / "m.onnx.data").write_bytes(weights.astype("<f4").tobytes())
        assert head.available() is None
        (answer,) = head.predict([image])
        assert isinstance(answer, SegmentationMap)
        answers.append(set(answer.labels.ravel().tolist()))
        identities.append(dict(head.provenance()))
    assert answers == [{0}, {1}]
    assert identities[0]["weights_sha256"] == identities[1]["weights_sha256"]
    assert identities[0]["weights:m.onnx.data_sha256"] != identities[1]["weights:m.onnx.data_sha256"]


def test_other_class_names_are_read_in_the_same_process(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    head = Onnx(str(tmp_path / "m.onnx"), classes=str(names))
    assert head.label_space.classes == ("cat", "dog")
    names.write_text("dog\ncat\n")
    assert head.label_space.classes == ("dog", "cat")

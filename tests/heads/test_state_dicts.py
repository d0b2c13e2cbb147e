"""State dicts of unknown origin: of another network, of other classes, not finite, or with a false description."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from downstream.heads.latent import LatentDetector, LatentSegmenter
from downstream.heads.segmenter import Segmenter
from downstream.heads.small import Small
from downstream.heads.torchvision import Torchvision
from downstream.label_spaces import space_of
from downstream.weights.state_dicts import fill, fitted, read_state
from downstream.weights.weights_file import classes_of, packaged, read_weights
from hsc.errors import DataError, HscError, UnavailableError
from hsc.files.tensor_files import outline
from hsc.weights import files

NUMBERS = [float("nan"), float("inf")]
HEADS: dict[str, Callable[[Path], Any]] = {
    "small_pyramid": lambda path: Small(weights=str(path)),
    "small_hourglass": lambda path: Small(arch="hourglass", weights=str(path)),
    "segmenter_context_camvid": lambda path: Segmenter(arch="context", weights=str(path)),
    "latent_detector_both": lambda path: LatentDetector(use="both", weights=str(path)),
    "latent_segmenter_y_roadscenes": lambda path: LatentSegmenter(use="y", weights=str(path)),
}


def about_of(name: str) -> dict[str, Any]:
    with safe_open(packaged(name), "pt") as file:
        content: dict[str, Any] = json.loads(file.metadata()["about"])
        return content


def written(path: Path, name: str, tensors: dict[str, torch.Tensor] | None = None, **about: Any) -> Path:
    save_file(load_file(packaged(name)) | (tensors or {}), path, {"about": json.dumps(about_of(name) | about)})
    return path


def why_not(head: Any) -> str:
    reason = head.available()
    assert isinstance(reason, str), "it says it is available"
    assert "\n" not in reason
    assert len(reason) < 600
    return reason


@pytest.mark.parametrize("name", HEADS)
def test_every_head_refuses_weights_that_are_no_numbers(name: str, tmp_path: Path) -> None:
    assert HEADS[name](written(tmp_path / "same.safetensors", name)).available() is None
    tensors = load_file(packaged(name))
    for key in (
        sorted(k for k in tensors if k.endswith("weight"))[0],
        sorted(k for k in tensors if k.endswith("running_var"))[-1],
    ):
        for number in NUMBERS:
            changed = tensors[key].clone()
            changed.view(-1)[0] = number
            path = written(tmp_path / "w.safetensors", name, {key: changed})
            assert f"not finite in '{key}'" in why_not(HEADS[name](path))
            with pytest.raises(DataError, match="get it again"):
                read_weights(path)


ABOUTS: list[dict[str, Any]] = [
    {"classes": 5},
    {"classes": "car"},
    {"classes": [1, 2]},
    {"classes": ["x"] * 5000},
    {"classes": [f"class {i}" for i in range(4000)]},
    {"classes": None},
    {"arch": ["pyramid"]},
    {"arch": 10**15},
    {"arch": "x" * 100_000},
    {"task": "x" * 100_000, "arch": "y"},
]


@pytest.mark.parametrize("about", ABOUTS, ids=lambda about: str(about)[:30])
@pytest.mark.parametrize("name", HEADS)
def test_every_head_refuses_weights_that_tell_nonsense_of_themselves(
    name: str, about: dict[str, Any], tmp_path: Path
) -> None:
    why_not(HEADS[name](written(tmp_path / "w.safetensors", name, **about)))


@pytest.mark.parametrize(
    "about",
    [
        {"stride": 10**12},
        {"stride": "16"},
        {"stride": 16.5},
        {"needs": []},
        {"needs": 5},
        {"needs": [{"name": "y_hat", "shape": [10**18, None, None], "stride": 16, "space": "5"}]},
        {"needs": [{"name": "y_hat", "shape": [60_000, None, None], "stride": 16, "space": "5"}]},
        {"needs": [{"name": "y_hat", "shape": ["a", None, None], "stride": 16, "space": "5"}]},
        {"needs": [{"name": "y_hat", "shape": [144, None, None], "stride": True, "space": "5"}]},
    ],
    ids=lambda about: str(about)[:60],
)
def test_latent_heads_refuse_readings_that_no_codec_gives(about: dict[str, Any], tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    why_not(
        LatentSegmenter(
            use="y", weights=str(written(tmp_path / "w.safetensors", "latent_segmenter_y_roadscenes", **about))
        )
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 << 10  # KiB


def test_weights_of_another_network_are_told_in_one_sentence(tmp_path: Path) -> None:
    name, key = "small_pyramid", sorted(k for k in load_file(packaged("small_pyramid")) if k.endswith("weight"))[0]
    more = written(tmp_path / "more.safetensors", name, {"one.more": torch.zeros(1)})
    assert "it lacks 0 tensors and has 1 others (one.more)" in why_not(Small(weights=str(more)))
    wide = written(tmp_path / "wide.safetensors", name, {key: torch.zeros(3, 3, 3, 3)})
    assert f"{key} has the shape (3, 3, 3, 3), expected " in why_not(Small(weights=str(wide)))


class Toy(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.leave = nn.Linear(4, classes)


def test_a_head_of_other_classes_is_one_sentence_and_not_a_dump() -> None:
    network = Toy()
    fill(
        network, {k: v for k, v in Toy().state_dict().items() if not k.endswith("num_batches_tracked")}, "a.pth", "toy"
    )
    with pytest.raises(DataError) as caught:
        fill(network, Toy(9).state_dict(), "some/a.pth", "toy")
    assert str(caught.value) == (
        "a.pth is not of toy: it was trained for other classes, leave.bias gives 9 numbers where 3 are expected (2 "
        "tensors of other shapes); "
        "give weights of this very network"
    )
    for state, words in (
        ({"a": torch.zeros(1)}, "it lacks 8 tensors and has 1 others"),
        ([], "holds a list"),
        (5, "holds a int"),
        ({**Toy().state_dict(), "leave.weight": "text"}, "of other shapes|is of shape"),
        (
            {**Toy().state_dict(), "leave.weight": torch.full((3, 4), torch.nan)},
            "12 of 12 values that are not finite in 'leave.weight'",
        ),
        ({**Toy().state_dict(), "leave.bias": torch.zeros(1).expand(3)}, "does not hold all of 'leave.bias'"),
        ({str(i): torch.zeros(1) for i in range(10_000)}, "has 10000 others"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            fill(network, state, "a.pth", "toy")  # type: ignore[arg-type]
        assert len(str(caught.value)) < 400


def test_a_network_is_made_only_once_its_shapes_are_known_to_be_there() -> None:
    made = []

    def build() -> Toy:
        made.append(torch.empty(0).device.type)
        return Toy(1 << 22)

    with pytest.raises(DataError, match="other shapes"):
        fitted(build, Toy(3).state_dict(), "a.pth", "toy")
    assert made == ["meta"]
    assert fitted(Toy, Toy(3).state_dict(), "a.pth", "toy").leave.out_features == 3
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with pytest.raises(DataError):
        fitted(lambda: Toy(7), {"a": torch.zeros(1)}, "a.pth", "toy")
    assert torch.equal(torch.rand(2), expected)  # an outline draws no random numbers
    with pytest.raises(DataError, match="cannot be made"):
        fitted(lambda: Toy(-1), Toy(3).state_dict(), "a.pth", "toy")


@pytest.mark.parametrize("form", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("number", NUMBERS)
def test_torchvision_refuses_weights_that_are_no_numbers(form: str, number: float, tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    model = "ssdlite320_mobilenet_v3_large"
    state = torchvision.models.get_model(model, weights=None, weights_backbone=None).state_dict()
    key = next(k for k in state if k.endswith("weight"))
    state[key].view(-1)[0] = number
    path = tmp_path / form
    save_file(state, path) if form.endswith("safetensors") else torch.save(state, path)
    with pytest.raises(HscError, match=rf"not finite in '{key}'"):
        Torchvision(model=model, weights=str(path)).predict([np.zeros((8, 8, 3), np.uint8)])


def test_classes_are_names() -> None:
    assert classes_of("a", {"classes": ["car", "van"]}) == ("car", "van")
    assert classes_of("a", {}) == ()
    with pytest.raises(DataError, match="expected up to 4096 names"):
        classes_of("a", {"classes": {"car": 1}})


def test_class_names_in_another_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes("Straße".encode("latin-1"))
    with pytest.raises(UnavailableError, match="cannot be read"):
        space_of(str(tmp_path / "names.txt"))


def test_plain_state_dicts_are_read(tmp_path: Path) -> None:
    torch.save(Toy().state_dict(), tmp_path / "a.pth")
    save_file(Toy().state_dict(), tmp_path / "a.safetensors")
    assert (
        read_state(str(tmp_path / "a.pth")).keys()
        == read_state(str(tmp_path / "a.safetensors")).keys()
        == Toy().state_dict().keys()
    )


def test_networks_are_loaded_without_torchs_compiler() -> None:
    if not packaged("small_pyramid").is_file():
        pytest.skip("the weights small_pyramid are not here")
    code = (
        "import sys; from downstream.heads.small import Small; Small()._network(); "
        "print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "True False\n"


def test_weights_of_hsc_are_loaded_without_torchs_compiler() -> None:
    if "roadscenes" not in files.here():
        pytest.skip("the weights roadscenes are not here")
    code = "import sys; from hsc.weights import files; files.load('roadscenes'); print('torch._dynamo' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "False\n"


def test_an_outline_has_the_shapes_of_the_network_whatever_fills_it() -> None:
    class Filled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 5)
            self.table = nn.Embedding(4, 2)
            self.own = nn.Parameter(torch.empty(2, 7))
            nn.init.trunc_normal_(self.own)
            nn.init.xavier_uniform_(tensor=self.layer.weight)
            nn.init.constant_(self.layer.bias, 2.0)
            self.own.data.normal_(std=2)
            self.drawn = nn.Parameter(torch.randn(3, 4) * 0.5)
            self.counts = torch.arange(3) - 1

    shapes = {name: tuple(tensor.shape) for name, tensor in Filled().state_dict().items()}
    assert outline(Filled, "a") == shapes
    assert float(Filled().layer.bias.detach()[0]) == 2  # outside of an outline all is filled

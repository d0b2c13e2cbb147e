"""Streams made elsewhere, recognised by pixels and by bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmarks.api import CODECS
from benchmarks.harness.operating_points import curves
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, SpecError

POINTS = ("4", "32")


def save(file: Path, image: Image) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(file)


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Path, dict[str, Image]]:
    """Two images, coded at two points by a codec that rounds and writes text."""
    random = np.random.default_rng(3)
    images = {name: random.integers(0, 256, (5, 4, 3), np.uint8) for name in ("a", "street/b")}
    for name, image in images.items():
        save(tmp_path / "originals" / f"{name}.png", image)
        for point in POINTS:
            stream = tmp_path / f"out-{point}" / f"{name}.bin"
            stream.parent.mkdir(parents=True, exist_ok=True)
            stream.write_bytes(f"{name} at {point}".encode())
            save(tmp_path / f"dec-{point}" / f"{name}.png", np.uint8(int(point)) * (image // np.uint8(int(point))))
    return tmp_path, images


def spec(root: Path, point: str) -> str:
    return (
        f'precomputed(originals="{root}/originals", bitstreams="{root}/out-{{point}}", '
        f'images="{root}/dec-{{point}}", point={point})'
    )


def test_look_up(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    root, images = elsewhere
    fine, coarse = (CODECS.build(spec(root, point)) for point in POINTS)
    assert fine.available() is None
    assert fine.provenance() == coarse.provenance() or fine.provenance()["images"] != coarse.provenance()["images"]
    data = coarse.encode(images["street/b"])
    assert data == b"street/b at 32"
    assert np.array_equal(fine.decode(data), images["street/b"] // 32 * 32)
    assert CODECS.build(str(CODECS.spec(fine))) == fine


def test_points_make_one_curve(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    (curve,) = curves([spec(elsewhere[0], "[32, 4]")])
    assert [point.label for point in curve.points] == ['point="32"', 'point="4"']


def test_without_points(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    root, images = elsewhere
    codec = CODECS.build(f'precomputed(originals="{root}/originals", bitstreams="{root}/out-4", images="{root}/dec-4")')
    assert np.array_equal(codec.decode(codec.encode(images["a"])), images["a"] // 4 * 4)
    with pytest.raises(BitstreamError, match="none of the files"):
        codec.decode(b"a at 32")


def test_what_is_missing_is_named(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    root, _ = elsewhere
    codec = CODECS.build(spec(root, "4"))
    with pytest.raises(CodecError, match=r"no file in .* has this image's 2x3 pixels"):
        codec.encode(np.zeros((3, 2, 3), np.uint8))
    assert "no folder" in (CODECS.build(spec(root, "5")).available() or "")


def test_a_missing_decoded_image_is_named(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    root, images = elsewhere
    (root / "dec-4" / "a.png").unlink()
    with pytest.raises(CodecError, match="no decoded image for 'a'"):
        CODECS.build(spec(root, "4")).encode(images["a"])


def test_another_size_is_refused(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    root, images = elsewhere
    save(root / "dec-4" / "a.png", np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(CodecError, match="is 5x5, the original 4x5"):
        CODECS.build(spec(root, "4")).encode(images["a"])


def test_one_stream_for_two_images_is_refused(elsewhere: tuple[Path, dict[str, Image]]) -> None:
    root, _ = elsewhere
    (root / "out-4" / "street" / "b.bin").write_bytes(b"a at 4")
    with pytest.raises(CodecError, match="stands for different decoded images"):
        CODECS.build(spec(root, "4")).decode(b"a at 4")


@pytest.mark.parametrize(
    "arguments",
    ["bitstreams=b, images=i, point=4", 'bitstreams="b{point}", images="i{point}"', 'bitstreams="b{point}", images=i'],
)
def test_points_and_paths_must_agree(arguments: str) -> None:
    with pytest.raises(SpecError, match="point"):
        CODECS.build(f"precomputed(originals=o, {arguments})")

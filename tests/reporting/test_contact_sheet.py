"""Matched bytes, and the contact sheet that is drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import Scene, Tile
from benchmarks.cli.contact_sheet import main
from benchmarks.codecs.jpeg import Jpeg
from benchmarks.harness.match_bytes import match_bytes, rate_range
from benchmarks.reporting.images import contact_sheet
from benchmarks.reporting.images.boxes import _listed
from benchmarks.reporting.images.contact_sheet import columns_alike, tiles
from downstream.api import Detections
from hsc.api import Image
from hsc.errors import UsageError


@dataclass(frozen=True)
class Counted:
    """A stream of 3 bytes a unit of gain and 5 more; the axis falls, as a QP does."""

    gain: float = 1.0

    rate_field: ClassVar[str] = "gain"
    ladder: ClassVar[tuple[float, ...]] = (1.0, 2.0)
    rate_range: ClassVar[tuple[float, float]] = (0.0, 100.0)

    def encode(self, image: Image) -> bytes:
        return bytes(5 + int(3 * self.gain))


def test_a_whole_number_axis_is_matched_by_its_cheapest_point(photo: Callable[[int, int], Image]) -> None:
    image = photo(64, 96)
    least = len(Jpeg(quality=33).encode(image))
    found, data = match_bytes(Jpeg(), image, least)
    assert isinstance(found, Jpeg)
    assert data == found.encode(image)
    assert len(data) >= least
    assert len(Jpeg(quality=found.quality - 1).encode(image)) < least


def test_a_real_axis_is_matched_to_a_64th(photo: Callable[[int, int], Image]) -> None:
    codec: Any = Counted()
    found: Any = match_bytes(codec, photo(4, 4), 105)[0]
    assert len(found.encode(photo(4, 4))) == 105
    assert 33.33 < found.gain < 33.36


@pytest.mark.parametrize(("least", "gain"), [(0, 0.0), (5, 0.0), (1000, 100.0)])
def test_beyond_its_ends_a_codec_stays_at_them(least: int, gain: float, photo: Callable[[int, int], Image]) -> None:
    codec: Any = Counted()
    found: Any = match_bytes(codec, photo(4, 4), least)[0]
    assert found.gain == gain


def test_without_a_range_the_ladder_is_the_range() -> None:
    assert rate_range(Blocks()) == (16, 2)


def test_rivals_get_at_least_as_many_bytes(photo: Callable[[int, int], Image]) -> None:
    image = photo(64, 96)
    row = tiles(image, Blocks(size=8), [Jpeg(), Blocks()], {"blocks": "Blocks", "jpeg": "JPEG"})
    assert [one.column for one in row] == ["original", "Blocks", "JPEG", "Blocks"]
    assert row[2].size_bytes >= row[1].size_bytes > 0
    assert row[3].point == "size=8"
    assert all(one.image.shape == image.shape for one in row)


def test_a_column_of_equal_pictures_is_left_out() -> None:
    rng = np.random.default_rng(0)
    answer = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def scene(number: int, level: int) -> Scene:
        image = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
        grey = np.full_like(image, level)
        shown = (("original", image), ("first layer", grey), ("codec", image // 2))
        return Scene(number, str(number), tuple(Tile(name, picture, "", 1, answer) for name, picture in shown))

    assert columns_alike([scene(0, 120), scene(1, 121), scene(2, 119)]) == [1]
    assert columns_alike([scene(0, 20), scene(1, 240), scene(2, 128)]) == []
    assert columns_alike([scene(0, 120)]) == []


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".pdf"])
def test_a_sheet_is_drawn_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"sheet{suffix}"
    contact_sheet.sheet(Squares(), FindSquares(), Blocks(size=8), [Jpeg()], [0, 2], path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if suffix != ".pdf":
        with PIL.Image.open(path) as picture:
            assert picture.width > 3 * 300


@pytest.mark.parametrize(
    ("images", "name", "words"),
    [
        ([9999], "a.png", "has 0 to"),
        ([], "a.png", "none"),
        ([0], "none/a.png", "make it first"),
        ([0], "a.txt", "end its name"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_coded(
    images: list[int], name: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        contact_sheet.sheet(Squares(), FindSquares(), Blocks(), [], images, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_command_line_answers_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "a.png")
    assert (
        main(
            ["--codec", "blocks(size=8)", "--against", "jpg", "--dataset", "squares", "--head", "squares", "--out", out]
        )
        == 2
    )
    assert "jpeg" in capsys.readouterr().err
    assert (
        main(["--codec", "blocks(size=8)", "--dataset", "squares", "--head", "squares", "--images", "1", "--out", out])
        == 0
    )
    assert Path(out).stat().st_size > 0


def test_of_many_classes_the_legend_lists_those_that_are_predicted() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    found = Detections(
        np.zeros((3, 4), np.float32), np.array([0.9, 0.8, 0.1], np.float32), np.array([70, 3, 5], np.int64)
    )
    assert _listed([[Tile("original", image, "", 0, found)]], 80, 0.3) == [3, 70]
    assert _listed([[Tile("original", image, "", 0, found)]], 5, 0.3) == [0, 1, 2, 3, 4]

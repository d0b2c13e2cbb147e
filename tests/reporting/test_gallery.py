"""The gallery of a run: its images, their bytes, predictions on them, and codecs that fail."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares

from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.imaging.psnr import psnr
from benchmarks.reporting.images.embedding import (
    LARGEST_HW,
    MIN_DB,
    Window,
    boxes_of,
    coloured_map,
    map_of,
    outline,
    packed_picture,
    window,
)
from benchmarks.reporting.images.gallery import collect, keep, places
from benchmarks.reporting.images.gallery_file import FILE
from benchmarks.reporting.images.gallery_rates import target_bpp
from downstream.api import VOID, Detections, SegmentationMap
from downstream.ops.masks import pack
from hsc.errors import CodecError, UsageError


@dataclass(frozen=True)
class Fussy(Blocks):
    """Codes its ladder and nothing between."""

    spec_name: ClassVar[str] = "fussy"

    def encode(self, image: np.ndarray) -> bytes:
        if self.size not in self.ladder:
            raise CodecError(f"no such size as {self.size}")
        return super().encode(image)


def outcome(tmp_path: Path, codecs: list[Any], heads: list[Any], **options: Any) -> Outcome:
    dataset = options.pop("dataset", Squares())
    config = configure("detection", dataset, codecs, heads, resamples=0, anchors=[], **options)
    return run(config, cache=tmp_path, executor=Inline())


def pixels(picture: dict[str, Any]) -> np.ndarray:
    with PIL.Image.open(io.BytesIO(base64.b64decode(picture["data"]))) as found:
        return np.asarray(found.convert("RGB"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    cache = tmp_path_factory.mktemp("cache")
    codecs = [*(Grid(s) for s in (48, 16, 4)), *(Blocks(s) for s in (16, 8, 2)), *(Fussy(s) for s in (16, 8, 2))]
    found = outcome(cache, codecs, [FindSquares(), GridSquares()])
    with Store(cache / "store.sqlite") as store:
        made = collect(found.plan, store, 2)
        made["truth of target"] = target_bpp(found.plan, store)
    return json.loads(json.dumps(made, allow_nan=False))


def test_images_are_chosen_by_their_place_alone() -> None:
    assert places(64, 3) == [10, 32, 53]
    assert places(2, 5) == [0, 1]
    assert places(1, 1) == [0]


def test_every_codec_spends_about_the_same_bytes(made: dict[str, Any]) -> None:
    assert made["target_bpp"] == made["truth of target"] > 0
    assert [image["image"] for image in made["images"]] == ["squares-1", "squares-4"]
    for image in made["images"]:
        assert image["target_bytes"] == pytest.approx(made["target_bpp"] * 56 * 144 / 8, abs=1)
        at_target = made["rates"].index(made["target_bpp"])
        tiles = [tile for tile in image["tiles"] if tile.get("rate", at_target) == at_target]
        sizes = {tile["codec"]: tile["bytes"] for tile in tiles}
        assert set(sizes) == {"original", "grid", "blocks"}
        for codec in ("grid", "blocks"):
            assert sizes[codec] == pytest.approx(image["target_bytes"], rel=0.25)
        for tile in tiles:
            assert (
                tile["note"]
                or tile["codec"] == "original"
                or tile["bytes"] == pytest.approx(image["target_bytes"], rel=0.1)
            )


def test_other_rates_show_the_points_of_the_run(made: dict[str, Any]) -> None:
    assert made["rates"] == sorted(made["rates"])
    assert len(made["rates"]) == 3
    at_target = made["rates"].index(made["target_bpp"])
    for image in made["images"]:
        pixels_of_image = image["image_hw"][0] * image["image_hw"][1]
        others = [tile for tile in image["tiles"] if tile.get("rate", at_target) != at_target]
        assert {tile["codec"] for tile in others} == {"grid", "blocks", "fussy"}
        ladders = {"grid": ("48", "16", "4"), "blocks": ("16", "8", "2"), "fussy": ("16", "8", "2")}
        original = Squares().load(int(image["image"].removeprefix("squares-"))).image
        for tile in others:
            value = tile["point"].partition("=")[2]
            assert value in ladders[tile["codec"]]
            codec: Any = {"grid": Grid, "blocks": Blocks, "fussy": Fussy}[tile["codec"]]
            sizes = [len(codec(int(v)).encode(original)) for v in ladders[tile["codec"]]]
            rate = made["rates"][tile["rate"]]
            away = [abs(np.log(8 * size / pixels_of_image / rate)) for size in sizes]
            assert tile["bytes"] == sizes[int(np.argmin(away))]
    assert not [tile for tile in made["images"][0]["tiles"] if tile["codec"] == "original" and "rate" in tile]


def test_a_tile_shows_what_its_codec_decodes_at_its_point(made: dict[str, Any]) -> None:
    original = Squares().load(1).image
    tile = next(tile for tile in made["images"][0]["tiles"] if tile["codec"] == "blocks")
    codec = Blocks(int(tile["point"].removeprefix("size=")))
    data = codec.encode(original)
    assert tile["bytes"] == len(data)
    assert tile["psnr"] == psnr(codec.decode(data), original)
    assert psnr(pixels(tile["picture"]), codec.decode(data)) == tile["picture"]["psnr"] >= MIN_DB


def test_what_heads_find_and_what_is_there_are_kept(made: dict[str, Any]) -> None:
    assert made["classes"] == ["square", "unseen"]
    assert [(head["head"], head["route"]) for head in made["heads"]] == [
        ("squares", "image"),
        ("grid_squares", "latent"),
    ]
    image = made["images"][0]
    assert [box[:4] for box in image["labels"]["boxes"]] == [[x, y, x + w, y + h] for x, y, w, h in Squares()._boxes(1)]
    found = {tile["codec"]: tile["found"] for tile in image["tiles"]}
    assert len(found["original"][0]["boxes"]) == 3
    assert found["original"][1] is None
    assert found["blocks"][1] is None
    assert found["grid"][1]["boxes"]


def test_a_codec_that_fails_is_named_and_the_others_are_shown(made: dict[str, Any]) -> None:
    assert {(one["codec"], one["image"]) for one in made["failed"]} == {("fussy", "squares-1"), ("fussy", "squares-4")}
    assert all(one["reason"].startswith("no such size as") for one in made["failed"])


def test_the_file_is_made_once_and_again_where_something_changed(tmp_path: Path) -> None:
    found = outcome(tmp_path, [Blocks(8), Blocks(2)], [FindSquares()])
    path = tmp_path / FILE
    keep(found.plan, tmp_path, tmp_path, 1)
    first = json.loads(path.read_text("utf-8"))
    assert len(first["images"]) == 1
    path.write_text(json.dumps({**first, "mark": 1}))
    keep(found.plan, tmp_path, tmp_path, 1)
    assert "mark" in json.loads(path.read_text("utf-8"))
    keep(found.plan, tmp_path, tmp_path, 2)
    assert len(json.loads(path.read_text("utf-8"))["images"]) == 2
    path.write_text("{")
    keep(found.plan, tmp_path, tmp_path, 2)
    assert json.loads(path.read_text("utf-8"))["key"] != first["key"]
    keep(found.plan, tmp_path, tmp_path, 0)
    assert not path.exists()
    with pytest.raises(UsageError, match="expected 0"):
        collect(found.plan, None, -1)  # type: ignore[arg-type]


def test_nothing_is_coded_where_nothing_may_be(tmp_path: Path) -> None:
    codecs = [Blocks(s) for s in (16, 8, 2)]
    outcome(tmp_path, codecs, [FindSquares()])
    never = outcome(tmp_path, codecs, [FindSquares()], overwrite="never")
    with Store(tmp_path / "store.sqlite") as store:
        made = collect(never.plan, store, 1)
    assert not made["failed"]
    assert made["images"][0]["tiles"][1]["point"] in {"size=16", "size=8", "size=2"}


def test_an_image_that_no_longer_loads_is_named(tmp_path: Path) -> None:
    found = outcome(tmp_path, [Blocks(8), Blocks(2)], [FindSquares()])
    broken = dataclasses.replace(found.plan.config, dataset=Squares(broken=1))
    with Store(tmp_path / "store.sqlite") as store:
        made = collect(dataclasses.replace(found.plan, config=broken), store, 2)
    assert [image["image"] for image in made["images"]] == ["squares-4"]
    assert made["failed"][0]["reason"].startswith("ValueError: this one is broken on purpose")


def test_without_labels_and_with_one_point_there_still_is_a_gallery(tmp_path: Path) -> None:
    found = outcome(tmp_path, [Blocks(4)], [FindSquares()], dataset=Squares(labels=False))
    with Store(tmp_path / "store.sqlite") as store:
        made = collect(found.plan, store, 1)
    assert made["target_bpp"] is None
    assert made["images"][0]["labels"] is None
    assert [(tile["codec"], tile["point"], tile["note"]) for tile in made["images"][0]["tiles"]] == [
        ("original", "", ""),
        ("blocks", "size=4", ""),
    ]


def test_of_a_large_image_the_middle_is_shown_as_it_is() -> None:
    assert window((100, 200)) == (0, 0, 100, 200)
    assert window((1024, 2048)) == ((1024 - LARGEST_HW[0]) // 2, (2048 - LARGEST_HW[1]) // 2, *LARGEST_HW)
    assert window((2048, 1024))[2:] == LARGEST_HW[::-1]


def test_boxes_are_moved_into_the_window_and_those_outside_left_out() -> None:
    found = Detections(
        np.array([[0, 0, 30, 30], [12, 22, 18, 28], [0, 0, 9, 9], [12, 22, 18, 28]], np.float32),
        np.array([0.5, 0.9, 0.8, 0.01], np.float32),
        np.array([0, 1, 0, 1], np.int64),
    )
    assert boxes_of(found, np.array([4, 7]), Window(20, 10, 8, 10)) == {
        "boxes": [[2, 2, 8, 8, 0.9, 7], [0, 0, 10, 8, 0.5, 4]]
    }


def test_a_label_map_keeps_its_classes_and_its_void() -> None:
    labels = np.array([[0, 1, VOID], [1, 0, 0]], np.uint8)
    packed = map_of(SegmentationMap(labels), np.array([3, 1]), Window(0, 0, 2, 3))["map"]
    colours = np.zeros((256, 4), np.uint8)
    colours[1], colours[3] = (10, 20, 30, 255), (200, 0, 0, 255)
    with PIL.Image.open(io.BytesIO(base64.b64decode(coloured_map(packed, colours)))) as painted:
        shown = np.asarray(painted.convert("RGBA"))
    assert shown[0, 0].tolist() == shown[1, 1].tolist() == [200, 0, 0, 255]
    assert shown[0, 1].tolist() == [10, 20, 30, 255]
    assert shown[0, 2, 3] == 0


def test_a_picture_loses_little_whatever_it_shows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3)).astype(np.uint8)
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert packed_picture(flat)["psnr"] is None or packed_picture(flat)["psnr"] >= MIN_DB
    assert packed_picture(noise)["quality"] > packed_picture(flat)["quality"]
    assert pixels(packed_picture(noise)).shape == noise.shape


def test_an_outline_gives_its_mask_again() -> None:
    from matplotlib.path import Path as Outline

    rows, columns = np.mgrid[:40, :60]
    disc = (rows - 20) ** 2 + (columns - 30) ** 2 < 15**2
    ring = disc & ((rows - 20) ** 2 + (columns - 30) ** 2 > 6**2)
    corner = (rows < 9) & (columns < 12)
    middles = np.stack([columns + 0.5, rows + 0.5], -1).reshape(-1, 2)
    for mask in (disc, ring, corner, ring | corner, np.ones_like(disc)):
        found = np.zeros(mask.size, bool)
        for part in outline(mask).strip("Z").split("Z"):
            corners = np.array([[float(v) for v in pair.split()] for pair in part.removeprefix("M").split("L")])
            found ^= Outline(corners).contains_points(middles)
        assert (found.reshape(mask.shape) != mask).mean() < 0.01
    assert outline(np.zeros_like(disc)) == ""


def test_masks_are_outlined_with_the_boxes_they_belong_to() -> None:
    drawn = np.zeros((2, 30, 40), bool)
    drawn[0, 5:10, 5:10], drawn[1, 20:28, 10:30] = True, True
    boxes = np.array([[5, 5, 10, 10], [10, 20, 30, 28]], np.float32)
    found = boxes_of(
        Detections(boxes, np.array([0.4, 0.9], np.float32), np.array([0, 1]), pack(drawn)),
        np.array([4, 7]),
        Window(2, 4, 28, 36),
    )
    assert [box[5] for box in found["boxes"]] == [7, 4]
    edges = [
        np.array([[float(v) for v in pair.split()] for pair in path[1:-1].split("L")]) for path in found["outlines"]
    ]
    for box, corners in zip(found["boxes"], edges, strict=True):
        assert np.abs(np.array([*corners.min(0), *corners.max(0)]) - box[:4]).max() <= 0.5

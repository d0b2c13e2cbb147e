"""The rendered streets: the same pixels everywhere, labels that fit them, and as hard to code as photographs."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.api import DATASETS, HasBoxes, HasLabelMaps
from benchmarks.datasets.roadscenes import OBJECTS, SEMANTIC, Roadscenes, pixel_hashes, render, renderer, scene_seed
from benchmarks.datasets.roadscenes.annotations import annotate
from benchmarks.datasets.roadscenes.frame import Frame
from benchmarks.datasets.roadscenes.labels import MIN_AREA, MIN_SIDE, MIN_VISIBLE
from benchmarks.datasets.roadscenes.scene import draw_scene, relit
from benchmarks.datasets.roadscenes.sheet import save, statistics, write_sheet
from downstream.api import VOID, Detections, SegmentationMap
from hsc.errors import DataError, SpecError

SEMANTIC_OF_OBJECT = {"car": "car", "bus": "car", "pedestrian": "pedestrian", "bicyclist": "bicyclist", "sign": "sign"}
SIZES = ((384, 256), (97, 61), (640, 480))

CAMVID_BPP = {"jpeg": 0.9255, "vvc": 0.2629}
"""Mean bits a pixel of 16 val and 16 train images (every 6th and every 22nd) at 384x256, Lanczos: JPEG by Pillow
(quality=50, subsampling="4:2:0", optimize=True); VVC by ffmpeg -pix_fmt yuv420p10 -c:v libvvenc -preset fast -qp 37
-qpa 0
-vvenc-params intraperiod=1:intraqpoffset=0 -frames:v 1."""


@cache
def frame(index: int, size: tuple[int, int] = (384, 256)) -> Frame:
    return render(scene_seed("val", None), index, size)


def frames() -> list[Frame]:
    return [frame(i) for i in range(6)] + [frame(7, size) for size in SIZES]


def test_another_light_moves_pixels_and_nothing_else() -> None:
    data = Roadscenes(images=8, size=(96, 64))
    for index, light_of in ((0, 3), (2, 5)):
        own = data.frame(index)
        other = renderer.render(scene_seed("val", None), index, (96, 64), light_of=light_of)
        np.testing.assert_array_equal(other.semantic, own.semantic)
        np.testing.assert_array_equal(other.boxes_xyxy, own.boxes_xyxy)
        assert np.abs(other.image.astype(int) - own.image).mean() > 5
        np.testing.assert_array_equal(data.relit(index, light_of), other.image)
        np.testing.assert_array_equal(data.relit(index, index), own.image)
    lit = relit(draw_scene(2, 0), draw_scene(2, 3))
    assert (lit.weather, lit.conditions) == (draw_scene(2, 3).weather, draw_scene(2, 3).conditions)
    with pytest.raises(IndexError, match="in the light of 9"):
        data.relit(0, 9)


def test_small_pins_hold() -> None:
    for key, want in pixel_hashes.pinned().items():
        if key.endswith(("96x64", "97x61")):
            pixel_hashes.compare(key, want)


def test_other_pixels_are_refused_with_a_cure() -> None:
    with pytest.raises(DataError, match="clear numba's cache"):
        pixel_hashes.compare(pixel_hashes.PROBE, "0" * 64)


def test_a_fresh_process_renders_the_same_pixels() -> None:
    code = "from benchmarks.datasets.roadscenes import pixel_hashes as pins; print(pins.measured('6/1/120x80'))"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert fresh == pixel_hashes.measured("6/1/120x80")


def test_scenes_differ_by_index_and_seed() -> None:
    assert len({pixel_hashes.measured(key) for key in ("2/0/48x32", "2/1/48x32", "6/0/48x32")}) == 3


@pytest.mark.parametrize("size", SIZES)
def test_shapes_and_types(size: tuple[int, int]) -> None:
    width, height = size
    drawn = frame(7, size)
    assert (drawn.image.shape, drawn.image.dtype) == ((height, width, 3), np.uint8)
    assert (drawn.semantic.shape, drawn.semantic.dtype) == ((height, width), np.uint8)
    assert (drawn.instances.shape, drawn.instances.dtype) == ((height, width), np.int32)
    n = len(drawn.classes)
    assert drawn.boxes_xyxy.shape == (n, 4)
    assert drawn.iscrowd.shape == drawn.objects.visible.shape == drawn.objects.areas.shape == (n,)


def test_boxes_are_tight_around_masks() -> None:
    for drawn in frames():
        assert set(np.unique(drawn.instances)) <= set(range(len(drawn.classes) + 1))
        for i, box in enumerate(drawn.boxes_xyxy):
            rows, columns = np.nonzero(drawn.instances == i + 1)
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == box.tolist()
            assert len(rows) == drawn.objects.areas[i]


def test_label_map_and_instances_agree() -> None:
    for drawn in frames():
        assert set(np.unique(drawn.semantic)) <= {*range(len(SEMANTIC)), VOID}
        for i, kind in enumerate(drawn.classes):
            assert set(drawn.semantic[drawn.instances == i + 1]) == {SEMANTIC.index(SEMANTIC_OF_OBJECT[OBJECTS[kind]])}
        for name in ("car", "pedestrian", "bicyclist"):
            assert (drawn.instances[drawn.semantic == SEMANTIC.index(name)] > 0).all()


def test_small_and_hidden_objects_are_ignored() -> None:
    ignored = 0
    for drawn in frames():
        height, width = drawn.semantic.shape
        scale = (width * height / (384 * 256)) ** 0.5
        sides = (drawn.boxes_xyxy[:, 2:] - drawn.boxes_xyxy[:, :2]).min(axis=1)
        small = (
            (drawn.objects.areas < MIN_AREA * scale**2)
            | (sides < MIN_SIDE * scale)
            | (drawn.objects.visible < MIN_VISIBLE)
        )
        assert (drawn.iscrowd == small).all()
        ignored += int(small.sum())
    assert ignored > 0


def test_every_scene_is_a_street() -> None:
    for drawn in frames():
        shares = np.bincount(drawn.semantic.ravel(), minlength=256) / drawn.semantic.size
        assert shares[SEMANTIC.index("road")] > 0.1
        assert shares[VOID] < 0.1
        assert drawn.image.std() > 20


def test_coco_loads_and_its_masks_are_the_instances() -> None:
    from pycocotools.coco import COCO

    some = [frame(i) for i in range(4)]
    labels = annotate(some, [f"val-{i:05d}" for i in range(4)])
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO()
        loaded.dataset = labels
        loaded.createIndex()
    assert [c["name"] for c in loaded.loadCats(loaded.getCatIds())] == list(OBJECTS)
    for number, drawn in enumerate(some, start=1):
        annotations = loaded.loadAnns(loaded.getAnnIds(imgIds=[number]))
        masks = [loaded.annToMask(a).astype(bool) for a in annotations]
        assert (np.sum(masks, axis=0) == (drawn.instances > 0)).all()
        assert sum(1 - a["iscrowd"] for a in annotations) == (~drawn.iscrowd).sum()
        for a, mask in zip(annotations, masks, strict=True):
            x, y, w, h = (int(v) for v in a["bbox"])
            assert mask.sum() == a["area"] == mask[y : y + h, x : x + w].sum()
            assert set(drawn.classes[np.unique(drawn.instances[mask]) - 1]) == {a["category_id"] - 1}


def test_splits_share_no_scene() -> None:
    seeds: list[int | None] = [None, *range(100)]
    found = [scene_seed(split, seed) for split in ("train", "val", "test") for seed in seeds]
    assert len(set(found)) == len(found)


def test_dataset_says_what_it_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HSC_CACHE", str(tmp_path))
    data: Any = DATASETS.build("roadscenes(images=3, size=(96, 64), seed=11)")
    assert isinstance(data, HasBoxes)
    assert isinstance(data, HasLabelMaps)
    assert len(data) == 3
    assert data.image_ids() == ["val-00000", "val-00001", "val-00002"]
    sample = data.load(2)
    assert (sample.image_id, sample.image.shape, sample.source_bytes) == ("val-00002", (64, 96, 3), None)
    assert data.label_map(2).labels.shape == (64, 96)
    assert data.label_space(Detections).classes == OBJECTS
    assert data.label_space(SegmentationMap).classes == SEMANTIC
    assert [i["id"] for i in data.coco()["images"]] == [1, 2, 3]
    assert len(pickle.dumps(data)) < 1000
    with pytest.raises(IndexError, match="has 3"):
        data.load(3)


def test_defaults_and_revisions() -> None:
    assert [len(Roadscenes(split=s)) for s in ("val", "train", "test")] == [64, 4000, 256]  # type: ignore[arg-type]
    others = (
        Roadscenes(),
        Roadscenes(split="train"),
        Roadscenes(images=8),
        Roadscenes(size=(96, 64)),
        Roadscenes(seed=1),
    )
    assert len({d.revision for d in others}) == len(others)
    assert Roadscenes().available() is None


@pytest.mark.parametrize("wrong", ["split=dev", "size=(384,)", "size=(8, 8)", "images=0", "seed=-1", 'size="384x256"'])
def test_wrong_arguments_are_refused(wrong: str) -> None:
    with pytest.raises(SpecError):
        DATASETS.build(f"roadscenes({wrong})")


def test_kept_frames_come_back_and_damaged_ones_are_rendered_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from benchmarks.datasets.roadscenes.cache import cached_frame

    monkeypatch.setenv("HSC_CACHE", str(tmp_path))
    first = cached_frame(2, 900, (96, 64), on_disk=True)
    (file,) = (tmp_path / "roadscenes").rglob("*.npz")
    cached_frame.cache_clear()
    kept = cached_frame(2, 900, (96, 64), on_disk=True)
    file.write_bytes(b"not a frame")
    cached_frame.cache_clear()
    again = cached_frame(2, 900, (96, 64), on_disk=True)
    assert pixel_hashes.fingerprint(first) == pixel_hashes.fingerprint(kept) == pixel_hashes.fingerprint(again)
    assert (kept.iscrowd == first.iscrowd).all()
    with pytest.raises(ValueError, match="read-only"):
        kept.image[0, 0] = 0
    cached_frame.cache_clear()


def test_sheet_and_figures(tmp_path: Path) -> None:
    some = [frame(i) for i in range(3)]
    for labels in (False, True):
        write_sheet(some, tmp_path / "sheet.png", columns=2, labels=labels)
        with Image.open(tmp_path / "sheet.png") as picture:
            assert picture.size == (768, 512)
    figures = statistics(some, 8.0)
    assert sum(figures.pixels) == pytest.approx(1.0)
    assert "3 images, 8.0 a second" in str(figures)


def test_pictures_are_saved_with_their_scenes_conditions(tmp_path: Path) -> None:
    seed = scene_seed("val", None)
    save([frame(i) for i in range(3)], seed, 0, tmp_path / "out")
    with Image.open(tmp_path / "out" / "000002.png") as picture:
        assert np.array_equal(np.asarray(picture), frame(2).image)
    for name in ("dusk", "haze", "exposure"):
        lines = [line.split(",") for line in (tmp_path / "out" / f"{name}.csv").read_text().splitlines()]
        assert [float(value) for _, value in lines] == pytest.approx(
            [draw_scene(seed, i).conditions[name] for i in range(3)], rel=1e-5
        )
        assert [index for index, _ in lines] == ["000000", "000001", "000002"]


@pytest.mark.slow
def test_all_pins_hold() -> None:
    for key, want in pixel_hashes.pinned().items():
        pixel_hashes.compare(key, want)


@pytest.mark.slow
def test_plainer_instructions_render_the_same_pixels(tmp_path: Path) -> None:
    """Compiled for a processor without AVX and FMA, and NumPy held to the same."""
    plain = {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    }
    keys = ("2/0/96x64", "1/0/384x256")
    code = (
        f"from benchmarks.datasets.roadscenes import pixel_hashes as pins; [pins.compare(key, pins.pinned()[key]) "
        f"for key in {keys}]"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **plain}, capture_output=True, check=True)


@pytest.mark.slow
def test_eight_images_a_second_of_a_core() -> None:
    render(1, 0)
    start = time.process_time()
    for i in range(24):
        render(1, i)
    # Processor time, and a margin, since others may be using the machine's caches.
    assert 24 / (time.process_time() - start) > 5.0


@pytest.mark.slow
def test_statistics_suit_a_detector() -> None:
    figures = statistics([frame(i) for i in range(64)], 0.0)
    assert 8 < sum(figures.objects) < 15
    assert min(figures.objects) > 0.5
    assert figures.areas[0] < 0.85


def jpeg_bpp(image: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=50, subsampling="4:2:0", optimize=True)
    return 8 * buffer.tell() / (image.shape[0] * image.shape[1])


def vvc_bpp(image: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    import imageio_ffmpeg

    height, width = image.shape[:2]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "-"]
    coder = ["-pix_fmt", "yuv420p10", "-c:v", "libvvenc", "-preset", "fast", "-qp", "37", "-qpa", "0"]
    coder += ["-vvenc-params", "intraperiod=1:intraqpoffset=0", "-frames:v", "1", "-f", "vvc"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "one.vvc"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, *coder, str(target)]
        subprocess.run(command, input=image.tobytes(), capture_output=True, check=True)
        return 8 * target.stat().st_size / (height * width)


@pytest.mark.slow
def test_as_hard_to_code_as_camvid() -> None:
    images = [frame(i).image for i in range(32)]
    assert np.mean([jpeg_bpp(i) for i in images]) == pytest.approx(CAMVID_BPP["jpeg"], rel=0.1)
    assert np.mean([vvc_bpp(i) for i in images]) == pytest.approx(CAMVID_BPP["vvc"], rel=0.1)


@pytest.mark.slow
def test_stored_camvid_figures_are_camvids(shared: Path) -> None:
    root = shared / "data" / "camvid"
    if not root.is_dir():
        pytest.skip("no CamVid in the development data")
    files = []
    for split in ("val", "train"):
        names = sorted((root / split).glob("*.png"))
        files += names[:: len(names) // 16][:16]
    images = [np.asarray(Image.open(f).convert("RGB").resize((384, 256), Image.Resampling.LANCZOS)) for f in files]
    assert np.mean([jpeg_bpp(i) for i in images]) == pytest.approx(CAMVID_BPP["jpeg"], rel=0.01)
    assert np.mean([vvc_bpp(i) for i in images]) == pytest.approx(CAMVID_BPP["vvc"], rel=0.01)

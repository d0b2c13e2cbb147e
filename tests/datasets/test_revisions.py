"""A data set's revision follows what its pictures and labels hold, and so do the numbers of a second run on the same
cache.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest
from map_testkit import ReadGrey

import benchmarks
from benchmarks.api import CODECS, DATASETS
from benchmarks.harness.executors import Inline
from hsc.files import file_digests
from hsc.files.file_digests import SETTLED_NS

SIDE = 6


def picture(file: Path, value: int) -> Path:
    """A picture in one colour: uncompressed, so that files of all colours are of one size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((SIDE, SIDE, 3), value, np.uint8)).save(file, format="PNG", compress_level=0)
    return file


def label_map(file: Path, value: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((SIDE, SIDE), value, np.uint8)).save(file, format="PNG", compress_level=0)
    return file


class Layout(NamedTuple):
    """A made data set. images: its picture files. labels: a label file, and what to write into it in place of what it
    holds.
    """

    spec: str
    images: tuple[Path, ...]
    labels: Path | None = None
    relabel: Callable[[Path], Any] = lambda file: label_map(file, 2)


def make_images(root: Path) -> Layout:
    return Layout(f'images(path="{root}")', (picture(root / "a.png", 20), picture(root / "b" / "b.png", 40)))


def make_one_image(root: Path) -> Layout:
    file = picture(root / "a.png", 20)
    return Layout(f'images(path="{file}")', (file,))


def make_coco(root: Path) -> Layout:
    files = tuple(picture(root / "pictures" / f"{name}.png", 20) for name in "ab")
    label = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
    labels = root / "labels.json"
    content = {
        "images": [{"id": number, "file_name": file.name} for number, file in enumerate(files, 1)],
        "annotations": [label],
        "categories": [{"id": 1, "name": "car"}],
    }
    labels.write_text(json.dumps(content))

    def relabel(file: Path) -> None:
        file.write_text(file.read_text().replace("[0, 0, 2, 2]", "[1, 1, 2, 2]"))

    return Layout(f'coco(images="{root}/pictures", annotations="{labels}")', files, labels, relabel)


def make_camvid(root: Path) -> Layout:
    files = tuple(picture(root / "val" / f"{name}.png", 20) for name in "ab")
    labels = [label_map(root / "valannot" / file.name, 1) for file in files]
    return Layout(f'camvid(root="{root}")', files, labels[1])


def make_voc(root: Path) -> Layout:
    files = tuple(picture(root / "JPEGImages" / f"{name}.jpg", 20) for name in "ab")
    labels = [label_map(root / "SegmentationClass" / f"{file.stem}.png", 1) for file in files]
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\n")
    return Layout(f'voc(root="{root}")', files, labels[1])


def make_cityscapes(root: Path) -> Layout:
    files = tuple(picture(root / "leftImg8bit" / "val" / name / f"{name}_leftImg8bit.png", 20) for name in "ab")
    labels = [label_map(root / "gtFine" / "val" / name / f"{name}_gtFine_labelIds.png", 7) for name in "ab"]
    return Layout(f'cityscapes(root="{root}")', files, labels[1])


def make_ade20k(root: Path) -> Layout:
    files = tuple(picture(root / "images" / "validation" / f"{name}.jpg", 20) for name in "ab")
    labels = [label_map(root / "annotations" / "validation" / f"{name}.png", 1) for name in "ab"]
    return Layout(f'ade20k(root="{root}")', files, labels[1])


def make_mismatched(root: Path) -> Layout:
    layout = make_camvid(root)
    return layout._replace(spec=f"mismatched(of='{layout.spec}')")


LAYOUTS = [make_images, make_one_image, make_coco, make_camvid, make_voc, make_cityscapes, make_ade20k, make_mismatched]


@pytest.fixture(params=LAYOUTS, ids=lambda make: make.__name__.removeprefix("make_"))
def layout(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """One of each, in a process that knows no file, once with files that count as left alone for long."""
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_digests, "_kept", {})
    monkeypatch.setattr(file_digests, "SETTLED_NS", -SETTLED_NS)
    layout_in_set: Layout = request.param(tmp_path / "set")
    return layout_in_set


def test_a_picture_replaced_by_another_of_its_name_and_size_is_another_set(layout: Layout) -> None:
    dataset = DATASETS.build(layout.spec)
    revisions = [dataset.revision]
    assert dataset.revision == revisions[0]
    for file in layout.images:
        before = file.stat()
        time.sleep(0.02)
        picture(file, 60)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as cp -p and rsync -t leave it
        assert file.stat().st_size == before.st_size
        revisions.append(dataset.revision)
    assert len(set(revisions)) == 1 + len(layout.images)
    assert (dataset.load(0).image == 60).all()


def test_other_labels_of_the_same_size_are_another_set(layout: Layout) -> None:
    if layout.labels is None:
        pytest.skip("it has no labels")
    dataset = DATASETS.build(layout.spec)
    before, size_bytes = dataset.revision, layout.labels.stat().st_size
    time.sleep(0.02)
    layout.relabel(layout.labels)
    assert layout.labels.stat().st_size == size_bytes
    assert dataset.revision != before


def test_a_set_elsewhere_of_the_same_files_is_the_same_set(tmp_path: Path) -> None:
    for make in LAYOUTS:
        specs = [make(tmp_path / make.__name__ / place).spec for place in ("one", "two")]
        first, second = (DATASETS.build(spec).revision for spec in specs)
        assert first == second, make.__name__


@pytest.mark.parametrize("make", [make_images, make_camvid, make_cityscapes, make_ade20k])
def test_a_picture_that_came_later_is_seen_in_the_same_process(
    make: Callable[[Path], Layout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digests, "SETTLED_NS", -SETTLED_NS)
    layout = make(tmp_path)
    dataset = DATASETS.build(layout.spec)
    assert len(dataset) == 2
    time.sleep(0.02)
    last = layout.images[1]
    more = last.with_name(last.name.replace("b", "c", 1))
    more.write_bytes(last.read_bytes())
    if layout.labels:
        layout.labels.with_name(layout.labels.name.replace("b", "c", 1)).write_bytes(layout.labels.read_bytes())
    assert len(dataset) == 3
    assert dataset.load(2).source_bytes == more.stat().st_size


def miou(layout: Layout, cache: Path) -> float:
    table = benchmarks.evaluate(
        "segmentation",
        dataset=layout.spec,
        codecs=["jpeg(quality=90)"],
        heads=[ReadGrey()],
        cache=cache,
        executor=Inline(),
        resamples=0,
    )
    values = table[(table["codec"] == "original") & (table["metric"] == "miou")]["value"]
    return float(values.iloc[0])


def test_a_second_run_on_the_same_cache_has_the_numbers_of_what_is_there_now(tmp_path: Path) -> None:
    """Grey 20 is read as class 1, grey 40 as 2; the labels say 1, then 2."""
    layout = make_camvid(tmp_path / "set")
    assert miou(layout, tmp_path / "cache") == 1.0
    for file in layout.images:
        picture(file, 40)
    assert miou(layout, tmp_path / "cache") == 0.0
    for file in layout.images:
        label_map(tmp_path / "set" / "valannot" / file.name, 2)
    assert miou(layout, tmp_path / "cache") == 1.0
    picture(layout.images[0], 20)
    assert miou(layout, tmp_path / "cache") == pytest.approx(0.25)  # class 1: 0 of 1; class 2: 1 of 2


def make_precomputed(root: Path) -> str:
    for name, value in (("a", 20), ("b", 40)):
        picture(root / "originals" / f"{name}.png", value)
        picture(root / "images" / f"{name}.png", value + 1)
        (root / "bits").mkdir(exist_ok=True)
        (root / "bits" / f"{name}.bin").write_bytes(name.encode())
    return f'precomputed(originals="{root}/originals", bitstreams="{root}/bits", images="{root}/images")'


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("what", ["stream", "decoded image", "originals swapped"])
def test_a_codec_that_ran_elsewhere_is_what_its_files_are_now(
    what: str, settled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:
        monkeypatch.setattr(file_digests, "SETTLED_NS", -SETTLED_NS)
    codec = CODECS.build(make_precomputed(tmp_path))
    original = np.full((SIDE, SIDE, 3), 20, np.uint8)
    before = codec.provenance()
    assert codec.provenance() == before
    assert codec.encode(original) == b"a"
    assert (codec.decode(b"a") == 21).all()
    time.sleep(0.02)
    if what == "stream":
        (tmp_path / "bits" / "a.bin").write_bytes(b"A")
        assert codec.encode(original) == b"A"
        assert (codec.decode(b"A") == 21).all()
    elif what == "decoded image":
        file = tmp_path / "images" / "a.png"
        facts = file.stat()
        picture(file, 90)
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert (codec.decode(b"a") == 90).all()
    else:
        picture(tmp_path / "originals" / "a.png", 40)
        picture(tmp_path / "originals" / "b.png", 20)
        assert codec.encode(original) == b"b"
    assert codec.provenance() != before

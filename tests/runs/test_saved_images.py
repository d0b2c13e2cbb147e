"""Saved images: the pixels that were scored, under names that fit every file system, with a manifest; nothing lost."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.harness.progress import Silent
from benchmarks.runs.saved_images import MANIFEST, check_folder, folder_names, save
from hsc.api import Image
from hsc.errors import UsageError


def saved(folder: Path, cache: Path, codecs: list[Any], images: int = 3) -> tuple[dict[str, Any], list[str]]:
    config = configure("detection", Squares(images), codecs, [FindSquares()], resamples=0, anchors=[])
    outcome = run(config, cache=cache, executor=Inline())
    with Store(cache / "store.sqlite") as store:
        lines = save(outcome.plan, store, folder, Inline(), Silent())
    return json.loads((folder / MANIFEST).read_text("utf-8")), lines


def test_files_hold_the_decoded_pixels(tmp_path: Path) -> None:
    manifest, lines = saved(tmp_path / "out", tmp_path / "cache", [Blocks(8), Blocks(2)])
    assert not lines
    assert manifest["left_out"] == []
    assert [entry["folder"] for entry in manifest["folders"]] == ["original", "blocks/size-8", "blocks/size-2"]
    for entry, codec in zip(manifest["folders"][1:], (Blocks(8), Blocks(2)), strict=True):
        for number, image in enumerate(entry["images"]):
            original = Squares(3).load(number).image
            decoded = np.asarray(PIL.Image.open(tmp_path / "out" / image["file"]))
            assert np.array_equal(decoded, codec.decode(codec.encode(original)))
            assert image["stream_bytes"] == len(codec.encode(original))
            assert (image["width"], image["height"]) == (original.shape[1], original.shape[0])
    assert all(image["psnr_db"] is None for image in manifest["folders"][0]["images"])
    assert len(list((tmp_path / "out").rglob("*.png"))) == 9


def test_a_second_run_replaces_its_own_images_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    saved(out, tmp_path / "cache", [Blocks(8), Blocks(2)])
    (out / "blocks" / "mine.txt").write_text("kept")
    manifest, _ = saved(out, tmp_path / "cache", [Blocks(4)])
    listed = {image["file"] for entry in manifest["folders"] for image in entry["images"]}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.png")} == listed
    assert (out / "blocks" / "mine.txt").read_text() == "kept"
    assert not (out / "blocks" / "size-8").exists()


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match=str(tmp_path)):
        check_folder(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        check_folder(tmp_path / "photo.png")
    (tmp_path / MANIFEST).write_text('{"format": "another program"}')
    with pytest.raises(UsageError, match=str(tmp_path)):
        check_folder(tmp_path)
    check_folder(tmp_path / "new", tmp_path / "run")
    for written in ("new", "new/run"):
        with pytest.raises(UsageError, match="the run writes"):
            check_folder(tmp_path / "new", tmp_path / written)


@dataclass(frozen=True)
class Fickle(Blocks):
    """Decodes to other pixels once a file lies beside it."""

    flag: str = ""

    def provenance(self) -> dict[str, str]:
        return {"code": "1"}

    def decode(self, data: bytes) -> Image:
        decoded = super().decode(data)
        return 255 - decoded if Path(self.flag).exists() else decoded


def test_pixels_that_were_not_scored_are_not_saved(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    codecs = [Fickle(8, flag=str(flag)), Blocks(4)]
    config = configure("detection", Squares(2), codecs, [FindSquares()], resamples=0, anchors=[])
    outcome = run(config, cache=tmp_path / "cache", executor=Inline())
    flag.touch()
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        lines = save(outcome.plan, store, tmp_path / "out", Inline(), Silent())
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text("utf-8"))
    assert len(lines) == 1
    assert "squared error" in lines[0]
    assert len(manifest["left_out"]) == 1
    assert len(manifest["folders"]) == 2
    assert len(list((tmp_path / "out").rglob("*.png"))) == 4


def test_folders_are_distinct() -> None:
    points = [("vvc(preset=fast)", "qp=37"), ("VVC preset=fast", "qp=37"), ("original", ""), ("../etc", "a/b")]
    names = folder_names(points)
    assert names == ["vvc-preset-fast/qp-37", "VVC-preset-fast-2/qp-37", "original", "etc/a-b"]


def test_hashes_are_of_the_pixels(tmp_path: Path) -> None:
    manifest, _ = saved(tmp_path / "out", tmp_path / "cache", [Blocks(8)], images=1)
    image = manifest["folders"][1]["images"][0]
    from benchmarks.imaging.image_arrays import pixels_sha256

    pixels = np.asarray(PIL.Image.open(tmp_path / "out" / image["file"]))
    assert image["pixels_sha256"] == pixels_sha256(pixels)
    assert len(image["pixels_sha256"]) == len(hashlib.sha256().hexdigest())

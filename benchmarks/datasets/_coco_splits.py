"""COCO's official splits: where they are published, and their way into the cache folder.

The publisher states no checksums. The sha256 sums below are those on which independent projects agree, torchvision's
prototype data sets (torchvision/prototype/datasets/_builtin/coco.py, v0.14) among them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from hsc.errors import DownloadError
from hsc.weights.download import cache_folder, cached, fetch_file
from hsc.weights.fetching import would_download


class Archive(NamedTuple):
    """A zip file as published. size_bytes: of the file as downloaded."""

    url: str
    sha256: str
    size_bytes: int


ANNOTATIONS = Archive(
    "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
    "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    252_907_541,
)
IMAGES = {
    "val2017": Archive(
        "http://images.cocodataset.org/zips/val2017.zip",
        "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        815_585_330,
    ),
    "train2017": Archive(
        "http://images.cocodataset.org/zips/train2017.zip",
        "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        19_336_861_798,
    ),
}
_ANNOTATIONS_ZIP = "coco/annotations_trainval2017.zip"


def _images_zip(split: str) -> str:
    return f"coco/{split}.zip"


def annotation_file(split: str) -> Path:
    """Where a split's annotations lie in the cache. The file is put in place last: if it exists, the split is whole."""
    return cache_folder() / "coco" / split / f"instances_{split}.json"


def download_note(split: str) -> str:
    """What fetching a split would download, as a sentence; empty where its files are in the cache."""
    archives = {_ANNOTATIONS_ZIP: ANNOTATIONS, _images_zip(split): IMAGES[split]}
    size_bytes = sum(archive.size_bytes for name, archive in archives.items() if not cached(name))
    return would_download(size_bytes, "http://images.cocodataset.org")


def fetch_split(split: str) -> None:
    """Bring a split into the cache folder; the archive of images is deleted once unpacked.

    Raises:
        DownloadError: a download failed, or the disk is full.
    """
    target, images = annotation_file(split), IMAGES[split]
    labels_zip = fetch_file(ANNOTATIONS.url, ANNOTATIONS.sha256, _ANNOTATIONS_ZIP, size_bytes=ANNOTATIONS.size_bytes)
    images_zip = fetch_file(images.url, images.sha256, _images_zip(split), size_bytes=images.size_bytes)
    try:
        with tempfile.TemporaryDirectory(dir=labels_zip.parent) as scratch:
            folder = Path(scratch, split)
            _unpack(split, images_zip, labels_zip, folder)
            try:
                folder.rename(target.parent)
            except OSError:
                if not target.is_file():  # else another process was first, with the same files
                    raise
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(
            f"cannot unpack COCO {split} in {str(labels_zip.parent)!r}: {error}; make room for the images twice, "
            f"or delete the archives there"
        ) from error
    if cached(_images_zip(split)):
        os.remove(images_zip)


def _unpack(split: str, images_zip: Path, labels_zip: Path, folder: Path) -> None:
    """Write a split's images and, last, its annotation file into ``folder``."""
    with zipfile.ZipFile(images_zip) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{split}/") and name.endswith(".jpg")]
        archive.extractall(folder, names)
    file_name = annotation_file(split).name
    with (
        zipfile.ZipFile(labels_zip) as archive,
        archive.open(f"annotations/{file_name}") as source,
        (folder / file_name).open("wb") as out,
    ):
        shutil.copyfileobj(source, out)

"""ImageNet's validation images of the challenges of 2012 to 2017, from your own copy.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. For research that is not commercial,
under the terms of image-net.org, where copies are to be had. The images are JPEGs already, so every rate here is that
of a second compression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import DATASETS
from benchmarks.datasets._class_folders import ClassifiedFile, ClassifiedImages, class_folders
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.files.mirror import Place, why_not_untrusted
from benchmarks.formats.label_maps import data_place
from benchmarks.imaging.exif_orientation import Orientation
from benchmarks.imaging.image_files import shown
from downstream.api import LabelSpace
from downstream.label_spaces import IMAGENET1K, space_of
from downstream.label_spaces.imagenet import imagenet1k
from hsc.errors import AnnotationError, ImageError

_BELOW = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
"""Where the folder of a split may lie below the root."""
_LISTS = ("{split}.txt", "LOC_{split}_solution.csv", "ILSVRC/LOC_{split}_solution.csv")
_LINE = re.compile(r"(?P<name>[\w.-]+?)(?:\.JPEG)?[ \t,]+(?P<label>n\d{8}|\d{1,3})\b.*", re.IGNORECASE)
_CURE = (
    "give imagenet(root=...) a folder with val/n01440764/*.JPEG, or with val/*.JPEG and a list: val.txt with one name "
    "and class a line, or LOC_val_solution.csv"
)


@DATASETS.register("imagenet")
@dataclass(frozen=True)
class Imagenet(ClassifiedImages):
    """The images of a split in ImageNet's thousand classes.

    Files: ``root/SPLIT/WORDNET_ID/*.JPEG``, a folder a class; or ``root/SPLIT/*.JPEG`` beside a list of classes:
    ``root/SPLIT.txt`` (a name and a class a line, the class as a number from 0 to 999 in the order of the WordNet ids,
    or as a WordNet id), or ``LOC_SPLIT_solution.csv`` of the release for localisation. The list of the development kit
    is refused: it holds numbers without names, which count from 1 in another order. With class folders, images stand
    one of each class in turn; with a list, in the order of their names.

    root: the folder; if empty, "imagenet" below the folder that HSC_DATA names, or below ./data. split: its name.
    labels: the list, where it lies elsewhere. orientation: "ignore" by default, as classifiers are trained and scored.
    """

    root: str = ""
    split: str = "val"
    labels: str = ""
    orientation: Orientation = "ignore"

    citation: ClassVar[str] = (
        "@article{russakovsky2015imagenet,\n"
        "  author = {Russakovsky, Olga and Deng, Jia and Su, Hao and Krause, Jonathan and others},\n"
        "  title = {{ImageNet} Large Scale Visual Recognition Challenge},\n"
        "  journal = {International Journal of Computer Vision},\n"
        "  volume = {115},\n"
        "  number = {3},\n"
        "  pages = {211--252},\n"
        "  year = {2015}\n"
        "}"
    )

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """None for paths: it only reads images and labels, from wherever they lie."""
        return why_not_untrusted(settings, "root", "labels")

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.split):
            raise ValueError(f"split is {self.split!r}, expected the name of a folder of images, such as val")

    def provenance(self) -> Mapping[str, str]:
        return {"source": "ImageNet, ILSVRC 2012", "licence": "image-net.org, research that is not commercial"}

    def places(self) -> Sequence[Place]:
        """The root, of which the images of the split and the lists are read, and a list that lies elsewhere."""
        images = (f"{below}/{self.split}".removeprefix("/") for below in _BELOW)
        lists = (name.format(split=self.split) for name in _LISTS)
        root = data_place(self.root, "imagenet", *images, *lists)
        return [root, Place(self.labels)] if self.labels else [root]

    def _files(self) -> Sequence[ClassifiedFile]:
        root, *given = (place.local() for place in self.places())
        places = [root / below / self.split for below in _BELOW]
        images = next((place for place in places if place.is_dir()), None)
        if images is None:
            raise ImageError(f"there is no folder {self.split} below {shown(root)!r}; {_CURE}")
        lists = [root / name.format(split=self.split) for name in _LISTS]
        file = next((one for one in (*given, *lists) if one in given or one.is_file()), None)
        return _in_folders(images) if file is None else _listed(images, file)

    def _space(self) -> LabelSpace:
        return space_of(IMAGENET1K)


@kept_while_unchanged(8)
def _in_folders(images: Path) -> Listing[tuple[ClassifiedFile, ...]]:
    """The files of class folders, with ImageNet's own numbers of their classes."""
    found = class_folders(images, _CURE)
    numbers = {wordnet_id: number for number, wordnet_id in enumerate(imagenet1k().wordnet_ids)}
    if strange := [name for name in found.names if name not in numbers]:
        raise AnnotationError(
            f"the folder {strange[0]!r} of {shown(images)!r} is no class of ImageNet's challenge; expected WordNet ids "
            f"such as n01440764, or use folders(root=...)"
        )
    files = tuple(file._replace(label=numbers[found.names[file.label]]) for file in found.files)
    return Listing(files, frozenset({images, *(images / name for name in found.names)}))


@kept_while_unchanged(8)
def _listed(images: Path, file: Path) -> Listing[tuple[ClassifiedFile, ...]]:
    """The files that a list names, sorted by name.

    Raises:
        AnnotationError: the list cannot be read, a line is of another form, or an image stands twice.
        ImageError: an image of the list is missing.
    """
    numbers = {wordnet_id: number for number, wordnet_id in enumerate(imagenet1k().wordnet_ids)}
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AnnotationError(f"cannot read the list of classes {shown(file)!r}: {reason}; {_CURE}") from error
    labels: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if number == 1 and line.lower().startswith("imageid"):
            continue
        match = _LINE.fullmatch(line)
        label = -1 if match is None else numbers.get(match["label"], -1)
        if match is not None and match["label"].isdigit():
            label = int(match["label"])
        if match is None or label < 0:
            raise AnnotationError(
                f"line {number} of {file.name!r} is {line[:80]!r}, expected the name of an image and its class, 0 to "
                f"999 or a WordNet id"
            )
        if match["name"] in labels:
            raise AnnotationError(f"line {number} of {file.name!r} names {match['name']} again; expected each once")
        labels[match["name"]] = label
    files = tuple(ClassifiedFile(name, images / f"{name}.JPEG", labels[name]) for name in sorted(labels))
    if missing := [one for one in files if not one.path.is_file()]:
        raise ImageError(
            f"{len(missing)} of the {len(files)} images of {file.name!r} are not in {shown(images)!r}, such as "
            f"{missing[0].path.name}; {_CURE}"
        )
    if not files:
        raise ImageError(f"the list {file.name!r} names no image; {_CURE}")
    return Listing(files, frozenset({images, file}))

"""Label maps kept as PNG files beside images, one number a pixel, checked against their image and their classes.

    pairs of files --labelled_files--> LabelledFiles --sample, label_map--> Sample, SegmentationMap

Numbers are read as stored: a palette is there for people and is passed over.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import Sample
from benchmarks.files.content_index import digest_of
from benchmarks.imaging.image_arrays import check_size
from benchmarks.imaging.image_files import read_image, read_plain, shown, turned
from downstream.api import SegmentationMap
from hsc.errors import AnnotationError, DataError, ImageError
from hsc.files.image_file_checks import without_text

Labels = npt.NDArray[np.uint8]

_PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3


class Pair(NamedTuple):
    """An image and its label map."""

    image_id: str
    image: Path
    labels: Path


@dataclass(frozen=True)
class LabelledFiles:
    """What is read of a data set whose labels are files, in its order. Made by ``labelled_files``, which checks it."""

    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def image_ids(self) -> Sequence[str]:
        return [pair.image_id for pair in self.pairs]

    def sample(self, index: int) -> Sample:
        """Image ``index`` as stored, without a camera's turn, since label maps refer to the pixels as stored.

        Raises:
            ImageError: the file is damaged, or of a kind that is not read.
        """
        pair = self.pairs[index]
        return Sample(pair.image_id, read_image(pair.image, orientation="ignore"), pair.image.stat().st_size)

    def label_map(self, index: int, meaning: Mapping[int, int]) -> SegmentationMap:
        """Labels of image ``index``; meaning: a stored number -> its label, for all that may occur.

        Raises:
            AnnotationError: the label map is damaged, not of its image's size, or holds a number that has no meaning.
        """
        pair = self.pairs[index]
        return SegmentationMap(renumber(read_numbers(pair.labels, pair.image), meaning, shown(pair.labels.name)))

    def remarks(self, indices: Sequence[int]) -> list[str]:
        """What must be known of these images: how many carry a turn that is not applied."""
        return turned_under_maps([self.pairs[index].image for index in indices])

    @property
    def revision(self) -> str:
        """Hash of the ids and of the contents of the images and label maps."""
        return digest_of((pair.image_id, file) for pair in self.pairs for file in (pair.image, pair.labels))

    @property
    def folders(self) -> frozenset[Path]:
        """Every folder that holds one of the files."""
        return frozenset(file.parent for pair in self.pairs for file in (pair.image, pair.labels))


class LabelledFolder:
    """What the data sets of labelled files have in common; a plug-in says which files (``_files``) and what their
    numbers mean.
    """

    def _files(self) -> LabelledFiles:
        """The files, looked for again once their folders change.

        Raises:
            DataError: they are not there, or not all of them.
        """
        raise NotImplementedError

    @property
    def revision(self) -> str:
        """Hash of the ids and of the contents of the images and label maps."""
        return self._files().revision

    def __len__(self) -> int:
        return len(self._files())

    def image_ids(self) -> Sequence[str]:
        return self._files().image_ids()

    def load(self, index: int) -> Sample:
        return self._files().sample(index)

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """What must be known of these images before any score. Raises ImageError as ``load``."""
        return self._files().remarks(indices)

    def available(self) -> str | None:
        try:
            self._files()
        except DataError as error:
            return str(error)
        return None


def turned_under_maps(images: Sequence[Path]) -> list[str]:
    """A sentence where images carry an EXIF turn, which label maps, being of the pixels as stored, do not follow.

    Raises:
        ImageError: a file is missing or damaged.
    """
    found = turned(images)
    if not found:
        return []
    return [
        f"{len(found)} of {len(images)} pictures carry an EXIF turn ({found[0].name!r} is the first), which is not "
        f"applied, since label maps are "
        "taken to be of the pixels as stored; where they are of the upright picture, store the pictures upright and "
        "without the tag"
    ]


def data_folder(root: str, name: str) -> Path:
    """Where a data set lies: ``root``; where that is empty, ``name`` below the folder that HSC_DATA names, or below
    ./data.
    """
    return Path(root).expanduser() if root else Path(os.environ.get("HSC_DATA") or "data", name)


def labelled_files(pairs: Sequence[Pair], what: str, cure: str) -> LabelledFiles:
    """Pairs whose files are all there. what: the data set's name; cure: what to do where there are none.

    Raises:
        ImageError: there is no pair, or images are missing.
        AnnotationError: label maps are missing.
    """
    if not pairs:
        raise ImageError(f"{what} holds no image; {cure}")
    for kind, error, files in (
        ("images", ImageError, [p.image for p in pairs]),
        ("label maps", AnnotationError, [p.labels for p in pairs]),
    ):
        missing = [file for file in files if not file.is_file()]
        if missing:
            names = ", ".join(shown(file.name) for file in missing[:3])
            raise error(
                f"{len(missing)} of the {len(files)} {kind} of {what} are not in {shown(missing[0].parent)!r}: "
                f"{names}; {cure}"
            )
    return LabelledFiles(tuple(pair._replace(image_id=shown(pair.image_id)) for pair in pairs))


def read_numbers(file: Path, image: Path) -> Labels:
    """The numbers of a label PNG of the same size as its image: uint8 (H, W), of 8-bit grey or of a palette's indices.

    Raises:
        AnnotationError: the file is missing, damaged, not such a PNG, or not of the image's size.
        ImageError: the image is missing or damaged, or the size is refused.
    """
    import PIL.Image

    width, height = size_of(image)
    name = shown(file.name)
    try:
        data = without_text(read_plain(file, "label map"))
    except ImageError as error:
        raise AnnotationError(str(error)) from error
    if len(data) < 26 or not data.startswith(_PNG_START):
        raise AnnotationError(f"the label map {name!r} is not a PNG file, or is cut; get it again")
    depth, colour = data[24], data[25]  # PNG 3rd edition, 11.2.1; shallower greys would be stretched to 0 to 255
    if colour != _PALETTE and (colour, depth) != (_GREY, 8):
        raise AnnotationError(
            f"the label map {name!r} is a PNG of colour type {colour} and {depth} bits, expected one number a pixel: "
            f"a palette, or 8-bit grey"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which check_size judges
            with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if picture.size != (width, height):
                    raise AnnotationError(
                        f"the label map {name!r} is {picture.size[0]}x{picture.size[1]}, its image "
                        f"{shown(image.name)!r} {width}x{height}; "
                        "they must be of one size, as the data set's publisher has them"
                    )
                return np.array(picture, dtype=np.uint8)
    except AnnotationError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, zlib.error and more on damaged files
        raise AnnotationError(
            f"cannot read the label map {shown(file)!r}: {error or type(error).__name__}; it is damaged, get it again"
        ) from error


def renumber(numbers: Labels, meaning: Mapping[int, int], name: str) -> Labels:
    """Stored numbers (H, W) to labels (H, W); ``name`` is for messages.

    Raises:
        AnnotationError: a number occurs that has no meaning.
    """
    table = np.zeros(256, np.uint8)
    table[list(meaning)] = list(meaning.values())
    strange = sorted(set(np.flatnonzero(np.bincount(numbers.ravel(), minlength=256)).tolist()) - set(meaning))
    if strange:
        raise AnnotationError(
            f"the label map {name!r} holds {', '.join(map(str, strange[:3]))}, expected only "
            f"{_spans(sorted(meaning))}; it is of another kind"
        )
    return table[numbers]


def _spans(numbers: Sequence[int]) -> str:
    """Ascending numbers for people: 0 to 20, 255."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a} to {b}" if b > a else f"{a}" for a, b in zip(starts, ends, strict=True))


def size_of(image: Path) -> tuple[int, int]:
    """Width and height that an image file states."""
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(without_text(read_plain(image)))) as picture:
                width, height = picture.size
    except ImageError:
        raise
    except (
        Exception
    ) as error:  # Pillow's plug-ins raise OSError, SyntaxError, ValueError, struct.error and more on damaged files
        raise ImageError(f"cannot read the image {shown(image)!r}: {error or type(error).__name__}") from error
    check_size(height, width, shown(image))
    return width, height

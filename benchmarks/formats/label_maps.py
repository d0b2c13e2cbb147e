"""Label maps in PNG files beside images, one number a pixel, checked against their image and their classes.

    pairs of files --labelled_files--> LabelledFiles --sample, label_map--> Sample, SegmentationMap

Numbers are read as stored; a palette is only for viewing and is ignored.
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
from benchmarks.files.mirror import Place, ReadsPlaces
from benchmarks.files.remote_paths import joined
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
    """The images and label maps of a data set, in its order. Made by ``labelled_files``, which checks them."""

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
        """Labels of image ``index``. meaning: stored number -> label, for all numbers that may occur.

        Raises:
            AnnotationError: the label map is damaged, has another size than its image, or holds a number without a
            meaning.
        """
        pair = self.pairs[index]
        return SegmentationMap(renumber(read_numbers(pair.labels, pair.image), meaning, shown(pair.labels.name)))

    def remarks(self, indices: Sequence[int]) -> list[str]:
        """Warnings about these images, for readers of scores: how many carry an EXIF turn that is not applied."""
        return turned_under_maps([self.pairs[index].image for index in indices])

    @property
    def revision(self) -> str:
        """Hash of the ids and of the contents of the images and label maps."""
        return digest_of((pair.image_id, file) for pair in self.pairs for file in (pair.image, pair.labels))

    @property
    def folders(self) -> frozenset[Path]:
        """Every folder that holds one of the files."""
        return frozenset(file.parent for pair in self.pairs for file in (pair.image, pair.labels))


class LabelledFolder(ReadsPlaces):
    """Base class of data sets of labelled files; a subclass defines the files (``_files``) and the numbers' meaning."""

    def _files(self) -> LabelledFiles:
        """The files, listed again once their folders change.

        Raises:
            DataError: some or all of them are missing.
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
        """Warnings about these images, for readers of scores. Raises ImageError as ``load``."""
        return self._files().remarks(indices)

    def available(self) -> str | None:
        try:
            self._files()
        except DataError as error:
            return str(error)
        return None


def turned_under_maps(images: Sequence[Path]) -> list[str]:
    """A sentence if images carry an EXIF turn: label maps refer to the pixels as stored, so it is not applied.

    Raises:
        ImageError: a file is missing or damaged.
    """
    files = turned(images)
    if not files:
        return []
    return [
        f"{len(files)} of {len(images)} pictures carry an EXIF turn ({files[0].name!r} is the first), which is not "
        f"applied, since label maps are taken to be of the pixels as stored; where they are of the upright picture, "
        f"store the pictures upright and without the tag"
    ]


def data_place(root: str, name: str, *parts: str) -> Place:
    """A data set's folder: ``root``, or, if that is empty, ``name`` below the folder of HSC_DATA, or below ./data.

    Both may be URIs. parts: names below it that are read; everything if there are none.
    """
    return Place(root or joined(os.environ.get("HSC_DATA") or "data", name), parts or ("",))


def labelled_files(pairs: Sequence[Pair], name: str, cure: str) -> LabelledFiles:
    """The pairs, once all their files are known to exist. name: the data set's; cure: the advice if they do not.

    Raises:
        ImageError: there is no pair, or images are missing.
        AnnotationError: label maps are missing.
    """
    if not pairs:
        raise ImageError(f"{name} holds no image; {cure}")
    for kind, error, files in (
        ("images", ImageError, [p.image for p in pairs]),
        ("label maps", AnnotationError, [p.labels for p in pairs]),
    ):
        missing = [file for file in files if not file.is_file()]
        if missing:
            names = ", ".join(shown(file.name) for file in missing[:3])
            raise error(
                f"{len(missing)} of the {len(files)} {kind} of {name} are not in "
                f"{shown(missing[0].parent)!r}: {names}; {cure}"
            )
    return LabelledFiles(tuple(pair._replace(image_id=shown(pair.image_id)) for pair in pairs))


def read_numbers(file: Path, image: Path) -> Labels:
    """The numbers in a label PNG of the same size as its image: uint8 (H, W), from 8-bit grey or palette indices.

    Raises:
        AnnotationError: the file is missing, damaged, no such PNG, or has another size than the image.
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
            f"the label map {name!r} is a PNG of colour type {colour} and {depth} bits, "
            f"expected one number a pixel: a palette, or 8-bit grey"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes, which check_size judges
            with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if picture.size != (width, height):
                    raise AnnotationError(
                        f"the label map {name!r} is {picture.size[0]}x{picture.size[1]}, its image "
                        f"{shown(image.name)!r} {width}x{height}; "
                        f"they must be of one size, as the data set's publisher has them"
                    )
                return np.array(picture, dtype=np.uint8)
    except AnnotationError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, zlib.error and more on damage
        raise AnnotationError(
            f"cannot read the label map {shown(file)!r}: {error or type(error).__name__}; it is damaged, get it again"
        ) from error


def renumber(numbers: Labels, meaning: Mapping[int, int], name: str) -> Labels:
    """Stored numbers (H, W) to labels (H, W); ``name`` is for messages.

    Raises:
        AnnotationError: a number occurs without a meaning.
    """
    table = np.zeros(256, np.uint8)
    table[list(meaning)] = list(meaning.values())
    strange = sorted(set(np.flatnonzero(np.bincount(numbers.ravel(), minlength=256)).tolist()) - set(meaning))
    if strange:
        raise AnnotationError(
            f"the label map {name!r} holds {', '.join(map(str, strange[:3]))}, "
            f"expected only {_spans(sorted(meaning))}; it is of another kind"
        )
    return table[numbers]


def _spans(numbers: Sequence[int]) -> str:
    """Ascending numbers as text for people, such as "0 to 20, 255"."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a} to {b}" if b > a else f"{a}" for a, b in zip(starts, ends, strict=True))


def size_of(image: Path) -> tuple[int, int]:
    """The width and height that an image file states.

    Raises:
        ImageError: the file is missing or damaged, or the size is refused.
    """
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(without_text(read_plain(image)))) as picture:
                width, height = picture.size
    except ImageError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error and more on damage
        raise ImageError(f"cannot read the image {shown(image)!r}: {error or type(error).__name__}") from error
    check_size(height, width, shown(image))
    return width, height

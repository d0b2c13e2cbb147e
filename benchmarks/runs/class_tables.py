"""Classes of objects as CSV files: those that are scored against, and the likeliest that a head answered.

    labels-0.csv   image, object, class         a row an object; no class where it is not scored
    CELL.csv       image, object, rank, class   a row an object and rank, from the likeliest class on

Objects are numbered from 0 in each image, ranks from 1. Images without objects have no rows.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.api import Truth
from benchmarks.runs.csv_cells import csv_records, unmarked, write_records
from benchmarks.runs.folder_files import read_text
from benchmarks.text import one_line
from downstream.api import NO_CLASS, Classification, Prediction
from hsc.errors import ResultsError

RANKS = 5
"""How many of an object's likeliest classes are written."""
_LABELS = ("image", "object", "class")
_RANKINGS = ("image", "object", "rank", "class")
_Content = TypeVar("_Content")


def write_labels(path: Path, truth: Truth) -> None:
    """Write the class of every object of ``truth.labels``."""
    named = zip(truth.image_ids, truth.labels or (), strict=True)
    write_records(path, _LABELS, (row for image_id, labels in named for row in _labelled(truth, image_id, labels)))


def _labelled(truth: Truth, image_id: str, labels: npt.NDArray[np.int64]) -> Iterator[tuple[Any, ...]]:
    """The rows of an image's labels; those that are not scored have no class."""
    for number, label in enumerate(labels.tolist()):
        yield image_id, number, truth.classes[label] if label >= 0 else ""


def write_rankings(path: Path, truth: Truth, predictions: Iterable[Prediction]) -> None:
    """Write the first ``RANKS`` classes of every object, in the classes of ``truth``."""
    rankings = (prediction for prediction in predictions if isinstance(prediction, Classification))
    named = zip(truth.image_ids, rankings, strict=True)
    write_records(path, _RANKINGS, (row for image_id, ranking in named for row in _likeliest(truth, image_id, ranking)))


def _likeliest(truth: Truth, image_id: str, prediction: Classification) -> Iterator[tuple[Any, ...]]:
    """The rows of an image's rankings."""
    for number, row in enumerate(prediction.ranking[:, :RANKS].tolist()):
        for rank, label in enumerate(row, 1):
            if label != NO_CLASS:
                yield image_id, number, rank, truth.classes[label]


def read_labels(path: Path, image_ids: Sequence[str], classes: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """The labels that ``write_labels`` wrote: int64 (N,) an image, -1 for objects that are not scored.

    Raises:
        ResultsError: the file is missing or damaged.
    """
    return _read(path, _LABELS, functools.partial(_labels, image_ids, _numbers(path, classes)))


def _labels(
    image_ids: Sequence[str], numbers: dict[str, int], records: Sequence[Sequence[str]]
) -> list[npt.NDArray[np.int64]]:
    labels: dict[str, list[int]] = {image_id: [] for image_id in image_ids}
    for image, number, name in records:
        of_image = labels.get(unmarked(image))
        if of_image is None or number != str(len(of_image)):
            raise ValueError(f"it has {_named(image, number)}, which is not the next object of an image of the run")
        of_image.append(_label(numbers, name) if name else -1)
    return [np.array(of_image, np.int64) for of_image in labels.values()]


def read_rankings(path: Path, truth: Truth) -> list[Classification]:
    """The rankings that ``write_rankings`` wrote, one an image of ``truth``: uint16 (N, RANKS), a row a label.

    Raises:
        ResultsError: the file is missing or damaged, or is of other objects than the labels.
    """
    return _read(path, _RANKINGS, functools.partial(_rankings, truth, _numbers(path, truth.classes)))


def _rankings(truth: Truth, numbers: dict[str, int], records: Sequence[Sequence[str]]) -> list[Classification]:
    sizes = [len(labels) for labels in truth.labels or ()]
    rankings = {
        image_id: np.full((size, RANKS), NO_CLASS, np.uint16)
        for image_id, size in zip(truth.image_ids, sizes, strict=True)
    }
    places = {str(rank): rank - 1 for rank in range(1, RANKS + 1)}
    for image, number, rank, name in records:
        ranking = rankings.get(unmarked(image))
        if ranking is None or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise ValueError(f"it has {_named(image, number)}, which is not in the run")
        if int(number) >= len(ranking) or rank not in places:
            raise ValueError(
                f"it has {_named(image, number)} at rank {one_line(rank, 20)}, which its labels do not have"
            )
        ranking[int(number), places[rank]] = _label(numbers, name)
    return [Classification(ranking) for ranking in rankings.values()]


def _read(path: Path, columns: Sequence[str], parsed: Callable[[list[list[str]]], _Content]) -> _Content:
    text = read_text(path)
    try:
        return parsed(csv_records(text, columns))
    except (ValueError, csv.Error) as error:
        raise ResultsError(f"{path} is damaged: {error}; restore it or run again") from error


def _numbers(path: Path, classes: Sequence[str]) -> dict[str, int]:
    """The number of each class by its name. Raises ResultsError where two have one name, or one has none."""
    numbers: dict[str, int] = {}
    for number, name in enumerate(classes):
        if not name or name in numbers:
            raise ResultsError(
                f"{path} cannot be read: class {number} has the name {one_line(name, 60)!r}, expected one that no "
                f"other class has"
            )
        numbers[name] = number
    return numbers


def _label(numbers: dict[str, int], name: str) -> int:
    label = numbers.get(unmarked(name))
    if label is None:
        raise ValueError(f"it has the class {one_line(name, 60)!r}, which is not scored")
    return label


def _named(image: str, number: str) -> str:
    return f"the object {one_line(number, 20)!r} of the image {one_line(image, 60)!r}"

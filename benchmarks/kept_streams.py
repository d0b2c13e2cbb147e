"""``streams.zip``: the bitstreams of a few of a run's images, with all that is needed to decode, read and score them again elsewhere.

    streams.zip --+-- index.json   images; each cell's sizes, hashes, errors, pixel sketches; hashes of predictions; scores of these images
                  +-- CELL.bin     the streams of one operating point, one after the other in the order of the images

Files of equal content are equal: no times, no names of machines. The smallest operating points are kept first, up to ``MOST_BYTES``;
of the others, as of streams no smaller than the pixels, the index has size and hash, and whoever checks codes them again.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.whole_files import replacing
from hsc.errors import ResultsError

FILE = "streams.zip"
FORMAT = "hsc-bench streams 1"
MOST_BYTES = 1_000_000
"""Of streams; the index of the default run takes about a sixth of that beside."""

_INDEX = "index.json"
_MOST_INDEX_BYTES = 1 << 28
_MADE = (1980, 1, 1, 0, 0, 0)


class KeptImage(NamedTuple):
    """An image whose streams are kept. place: its index in the data set."""

    id: str
    place: int
    height: int
    width: int
    pixels_sha256: str


class KeptStream(NamedTuple):
    """One image at one operating point. data: None where it was not kept; sketch: int64 (32,), of the decoded image."""

    size_bytes: int
    sha256: str
    squared_error: int
    decoded_sha256: str
    sketch: npt.NDArray[np.int64]
    data: bytes | None = None


class KeptPredictions(NamedTuple):
    """What a head said of the kept images at one operating point. sha256: one an image, in order."""

    curve: str
    point: str
    head: str
    route: str
    sha256: tuple[str, ...]


class KeptScore(NamedTuple):
    """One number of a head over the kept images alone. part: a class, or empty."""

    curve: str
    point: str
    head: str
    route: str
    metric: str
    part: str
    value: float


@dataclass(frozen=True)
class KeptStreams:
    """What a run kept. streams: cell id -> one a kept image, in order."""

    images: tuple[KeptImage, ...]
    streams: Mapping[str, tuple[KeptStream, ...]]
    predictions: tuple[KeptPredictions, ...]
    scores: tuple[KeptScore, ...]


def thinned(streams: Mapping[str, Sequence[KeptStream]], most_bytes: int = MOST_BYTES) -> dict[str, tuple[KeptStream, ...]]:
    """The same without the bytes of the largest operating points, so that those left fit."""
    left, found = most_bytes, {}
    for cell, mine in sorted(streams.items(), key=lambda item: sum(s.size_bytes for s in item[1])):
        size = sum(len(s.data or b"") for s in mine)
        left -= size
        found[cell] = tuple(mine) if left >= 0 else tuple(s._replace(data=None) for s in mine)
    return {cell: found[cell] for cell in streams}


def write(kept: KeptStreams, folder: Path) -> None:
    """Write ``streams.zip``, whole or not at all."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        _add(archive, _INDEX, json.dumps(_plain(kept), indent=0, allow_nan=True).encode(), zipfile.ZIP_DEFLATED)
        for cell, streams in kept.streams.items():
            if all(s.data is not None for s in streams):
                _add(archive, f"{cell}.bin", b"".join(s.data or b"" for s in streams), zipfile.ZIP_STORED)
    with replacing(folder / FILE) as part:
        part.write_bytes(packed.getvalue())


def _add(archive: zipfile.ZipFile, name: str, data: bytes, how: int) -> None:
    entry = zipfile.ZipInfo(name, _MADE)
    entry.compress_type, entry.create_system, entry.external_attr = how, 3, 0o644 << 16
    archive.writestr(entry, data, compresslevel=9)


def _plain(kept: KeptStreams) -> dict[str, Any]:
    cells = {}
    for cell, streams in kept.streams.items():
        columns = {name: [getattr(s, name) for s in streams] for name in ("size_bytes", "sha256", "squared_error", "decoded_sha256")}
        sketches = base64.b64encode(np.stack([s.sketch for s in streams]).astype("<i4").tobytes()).decode()
        cells[cell] = {**columns, "sketches": sketches}
    return {
        "format": FORMAT,
        "images": [image._asdict() for image in kept.images],
        "cells": cells,
        "predictions": [list(one) for one in kept.predictions],
        "scores": [list(score) for score in kept.scores],
    }


def read(folder: Path) -> KeptStreams:
    """What ``write`` wrote. Hashes of streams are the caller's to compare.

    Raises:
        ResultsError: there is no such file, or it is cut, damaged, or of another format.
    """
    path = folder / FILE
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_INDEX).file_size > _MOST_INDEX_BYTES:
                raise ValueError("its index is of an absurd size")
            index = json.loads(archive.read(_INDEX))
            if index["format"] != FORMAT:
                raise ValueError(f"its format is {index['format']!r}, expected {FORMAT!r}")
            names = set(archive.namelist())
            streams = {cell: _streams(archive, cell, columns, f"{cell}.bin" in names) for cell, columns in index["cells"].items()}
        images = tuple(KeptImage(**image) for image in index["images"])
        predictions = tuple(KeptPredictions(c, p, h, r, tuple(hashes)) for c, p, h, r, hashes in index["predictions"])
        if any(len(mine) != len(images) for mine in [*streams.values(), *(one.sha256 for one in predictions)]):
            raise ValueError(f"its index holds cells of other than {len(images)} images")
        return KeptStreams(images, streams, predictions, tuple(KeptScore(*score) for score in index["scores"]))
    except FileNotFoundError as error:
        raise ResultsError(f"{path} is not there: no bitstreams were kept; run with --keep-streams 8 to keep those of eight images") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, KeyError, TypeError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ResultsError(f"{path} is damaged: {error}; restore it or run again") from error


def _streams(archive: zipfile.ZipFile, cell: str, columns: Mapping[str, Any], whole: bool) -> tuple[KeptStream, ...]:
    sizes = columns["size_bytes"]
    data: list[bytes | None] = [None] * len(sizes)
    if whole:
        if archive.getinfo(f"{cell}.bin").file_size != sum(sizes):
            raise ValueError(f"{cell}.bin has {archive.getinfo(f'{cell}.bin').file_size} bytes, the index says {sum(sizes)}")
        packed = io.BytesIO(archive.read(f"{cell}.bin"))
        data = [packed.read(size) for size in sizes]
    sketches = np.frombuffer(base64.b64decode(columns["sketches"]), "<i4").reshape(len(sizes), -1).astype(np.int64)
    numbers = (columns["size_bytes"], columns["sha256"], columns["squared_error"], columns["decoded_sha256"], sketches, data)
    return tuple(KeptStream(*one) for one in zip(*numbers, strict=True))

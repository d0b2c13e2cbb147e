"""``streams.zip``: the bitstreams of a few images of a run, and what their decoding and scoring must give again.

    streams.zip --+-- index.json   images; sizes, hashes, errors and pixel sketches by cell; hashes of predictions;
                  |                scores of these images
                  +-- CELL.bin     the streams of one operating point, one after the other in the order of the images

Equal runs give equal files: no times and no names of machines are in them. The smallest operating points are kept
first, up to ``MAX_BYTES``; for the others, and for streams no smaller than the pixels, the index has size and hash, and
a check encodes them again.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.imaging.image_arrays import MAX_PIXELS
from benchmarks.imaging.sketch import NUMBERS
from benchmarks.runs.folder_files import exists, from_json, read_bytes
from benchmarks.runs.schema import Fields, ListOf, MapOf, Number, OneOf, Row, Shape, Text, Whole, check
from benchmarks.text import one_line
from hsc.errors import ResultsError
from hsc.files.atomic_files import replacing

FILE = "streams.zip"
FORMAT = "hsc-bench streams 2"
MAX_BYTES = 1_000_000
"""Total size of the streams kept; the index of the default run takes about a sixth of that in addition."""

MAX_FILE_BYTES = 1 << 28
"""Size of the whole file, packed and unpacked."""

_INDEX = "index.json"
_MAX_INDEX_BYTES = 1 << 27
_MAX_IMAGES = 100_000
_NAME, _SHA256, _LADDER = Text(4096), Text(100), OneOf(("", "second"))
_COUNTS = ListOf(Whole(0, 1 << 62), _MAX_IMAGES)
_HASHES = ListOf(_SHA256, _MAX_IMAGES)
_IMAGE: dict[str, Shape] = {
    "id": _NAME,
    "place": Whole(0, 1 << 40),
    "height": Whole(1, 1 << 30),
    "width": Whole(1, 1 << 30),
    "pixels_sha256": _SHA256,
}
_CELL: dict[str, Shape] = {
    "size_bytes": ListOf(Whole(0, 1 << 40), _MAX_IMAGES),
    "sha256": _HASHES,
    "squared_error": _COUNTS,
    "decoded_sha256": _HASHES,
    "sketches": Text(_MAX_INDEX_BYTES),
}
_SHAPE = Fields(
    {
        "images": ListOf(Fields(_IMAGE), _MAX_IMAGES, least=1),
        "cells": MapOf(Fields(_CELL), 100_000, longest=200),
        "predictions": ListOf(Row((_NAME, _LADDER, _NAME, _NAME, _NAME, _HASHES)), 1_000_000),
        "scores": ListOf(Row((_NAME, _LADDER, *[_NAME] * 5, Number(-1e15, 1e15, endless=True))), 10_000_000),
    }
)
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


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
    """The hashes of a head's predictions at one operating point. ladder: as in ``ScoreRow``; sha256: one an image."""

    codec: str
    ladder: str
    point: str
    head: str
    route: str
    sha256: tuple[str, ...]


class KeptScore(NamedTuple):
    """One number of a head over the kept images alone. ladder, part: as in ``ScoreRow``."""

    codec: str
    ladder: str
    point: str
    head: str
    route: str
    metric: str
    part: str
    value: float


@dataclass(frozen=True)
class KeptStreams:
    """What a run keeps. streams: by cell id, one for each kept image, in order."""

    images: tuple[KeptImage, ...]
    streams: Mapping[str, tuple[KeptStream, ...]]
    predictions: tuple[KeptPredictions, ...]
    scores: tuple[KeptScore, ...]


def thinned(
    streams: Mapping[str, Sequence[KeptStream]], max_bytes: int = MAX_BYTES
) -> dict[str, tuple[KeptStream, ...]]:
    """The same streams without the bytes of the largest operating points, so that the bytes left fit."""
    left, kept = max_bytes, {}
    for cell, of_cell in sorted(streams.items(), key=lambda item: sum(s.size_bytes for s in item[1])):
        left -= sum(len(s.data or b"") for s in of_cell)
        kept[cell] = tuple(of_cell) if left >= 0 else tuple(s._replace(data=None) for s in of_cell)
    return {cell: kept[cell] for cell in streams}


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
    entry = zipfile.ZipInfo(name, _TIMESTAMP)
    entry.compress_type, entry.create_system, entry.external_attr = how, 3, 0o644 << 16
    archive.writestr(entry, data, compresslevel=9)


def _plain(kept: KeptStreams) -> dict[str, Any]:
    cells = {}
    for cell, streams in kept.streams.items():
        columns = {
            name: [getattr(s, name) for s in streams]
            for name in ("size_bytes", "sha256", "squared_error", "decoded_sha256")
        }
        sketches = base64.b64encode(np.stack([s.sketch for s in streams]).astype("<i4").tobytes()).decode()
        cells[cell] = {**columns, "sketches": sketches}
    return {
        "format": FORMAT,
        "images": [image._asdict() for image in kept.images],
        "cells": cells,
        "predictions": [list(predictions) for predictions in kept.predictions],
        "scores": [list(score) for score in kept.scores],
    }


def read(folder: Path) -> KeptStreams:
    """Read what ``write`` wrote; comparing the hashes of streams is left to the caller.

    Raises:
        ResultsError: there is no such file, or it is cut, damaged, or of another format.
    """
    path = folder / FILE
    if not exists(path):
        raise ResultsError(
            f"{path} is not there: no bitstreams were kept; run with --keep-streams 8 to keep those of eight images"
        )
    packed = io.BytesIO(read_bytes(path, MAX_FILE_BYTES))
    try:
        with zipfile.ZipFile(packed) as archive:
            return _read(archive)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        ValueError,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ResultsError(f"{path} is damaged: {error}; restore it or run again") from error


def _read(archive: zipfile.ZipFile) -> KeptStreams:
    """Raises ValueError where the archive is not one of ours."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if len(sizes) < len(archive.infolist()):
        raise ValueError("a file stands twice in it")
    if not 0 <= sizes.get(_INDEX, -1) <= _MAX_INDEX_BYTES:
        raise ValueError(f"its index has {sizes.get(_INDEX, 0):,} bytes, expected 1 to {_MAX_INDEX_BYTES:,}")
    if sum(sizes.values()) > MAX_FILE_BYTES:
        raise ValueError(f"it unpacks to {sum(sizes.values()):,} bytes, expected at most {MAX_FILE_BYTES:,}")
    index = from_json(archive.read(_INDEX))
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(
            f"its format is {one_line(index.get('format') if isinstance(index, dict) else index, 60)!r}, expected "
            f"{FORMAT!r}"
        )
    check(index, _SHAPE, "its index")
    if strangers := sizes.keys() - {_INDEX} - {f"{cell}.bin" for cell in index["cells"]}:
        raise ValueError(f"it holds {one_line(min(strangers), 100)!r}, which its index does not name")
    images = tuple(KeptImage(*(image[name] for name in KeptImage._fields)) for image in index["images"])
    for names in ([image.id for image in images], [image.place for image in images]):
        if len(set(names)) < len(names):
            raise ValueError("an image stands twice in its index")
    if large := next((image for image in images if image.height * image.width > MAX_PIXELS), None):
        raise ValueError(
            f"its image {one_line(large.id, 100)} has {large.width}x{large.height} pixels, expected at most "
            f"{MAX_PIXELS:,}"
        )
    streams = {
        cell: _streams(archive, cell, columns, sizes.get(f"{cell}.bin"), len(images))
        for cell, columns in index["cells"].items()
    }
    predictions = tuple(
        KeptPredictions(codec, ladder, point, head, route, tuple(hashes))
        for codec, ladder, point, head, route, hashes in index["predictions"]
    )
    if any(len(of_head.sha256) != len(images) for of_head in predictions):
        raise ValueError(f"its index holds predictions of other than {len(images)} images")
    return KeptStreams(images, streams, predictions, tuple(KeptScore(*score) for score in index["scores"]))


def _streams(
    archive: zipfile.ZipFile, cell: str, columns: Mapping[str, Any], stored: int | None, images: int
) -> tuple[KeptStream, ...]:
    """The streams of one operating point. stored: the length of its file, None where the bytes were not kept."""
    sizes = columns["size_bytes"]
    if any(len(columns[name]) != images for name in ("size_bytes", "sha256", "squared_error", "decoded_sha256")):
        raise ValueError(f"its index holds cells of other than {images} images")
    data: list[bytes | None] = [None] * images
    if stored is not None:
        if stored != sum(sizes):
            raise ValueError(f"{one_line(cell, 100)}.bin has {stored} bytes, the index says {sum(sizes)}")
        packed = io.BytesIO(archive.read(f"{cell}.bin"))
        data = [packed.read(size) for size in sizes]
    sketches = np.frombuffer(base64.b64decode(columns["sketches"], validate=True), "<i4").astype(np.int64)
    if sketches.size != images * NUMBERS:
        raise ValueError(
            f"its index holds {sketches.size} numbers of sketches of {images} images, expected {NUMBERS} an image"
        )
    numbers = (
        sizes,
        columns["sha256"],
        columns["squared_error"],
        columns["decoded_sha256"],
        sketches.reshape(images, NUMBERS),
        data,
    )
    return tuple(KeptStream(*columns_of_image) for columns_of_image in zip(*numbers, strict=True))

"""A run as the JSON files that Codec-Compare (github.com/webmproject/codec-compare, Apache 2.0) shows in a browser.

    records.csv, scores.csv --> batches.json    the list of all codecs, to be opened as index.html?load=batches.json
                           +--> CODEC.json      one image at one operating point a row

That page matches images of two codecs at equal quality or size and averages over the pairs. What only a whole operating
point has (times, a head's score over the data set) stands in each of its rows, and its description says so.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.api import ScoreRow
from benchmarks.runs import records
from benchmarks.runs.display_names import display_names
from benchmarks.runs.records import Line
from benchmarks.runs.run_folder import Run
from benchmarks.runs.saved_images import distinct_names
from hsc.errors import ResultsError
from hsc.files.atomic_files import write_text

FOLDER = "codec-compare"
LIST = "batches.json"
_TIMES = {"encode_s": "encoding_time", "decode_s": "decoding_time"}


class Exported(NamedTuple):
    """What was written. files: the list first. without_psnr: how many rows were left out, since nothing was lost."""

    files: list[Path]
    without_psnr: int


class _Field(NamedTuple):
    """A column. values: by cell id of the operating point, or by (cell id, image)."""

    name: str
    description: str
    values: Mapping[Any, Any]


def export(run: Run, folder: Path) -> Exported:
    """Write a run's files for Codec-Compare, one a codec; second ladders and the originals are left out.

    Raises:
        ResultsError: the run has no records, nothing that was lost, or the folder cannot be written.
    """
    lines = records.by_cell(records.read(run.folder))
    curves: dict[str, list[str]] = defaultdict(list)
    for cell_id, cell in run.points.items():
        if not cell.get("ladder") and lines[cell_id]:
            curves[cell["curve"]].append(cell_id)
    names = display_names(list(curves), run.results.names)
    batches: dict[str, dict[str, Any]] = {}
    lossless = 0
    for curve, cells in curves.items():
        kept = [line for cell in cells for line in lines[cell] if line.squared_error]
        if run.about["cells"][cells[0]]["codec"]["name"] != "original":
            lossless += sum(len(lines[cell]) for cell in cells) - len(kept)
        if kept:
            batches[curve] = _batch(run, curve, names[curve], cells, kept)
    if not batches:
        raise ResultsError(f"{run.folder} has no codec that loses anything, so there is nothing to compare")
    files = [f"{name}.json" for name in distinct_names(list(batches))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, batch in zip(files, batches.values(), strict=True):
            write_text(folder / name, json.dumps(batch, ensure_ascii=False, allow_nan=False) + "\n")
        write_text(folder / LIST, json.dumps([[name] for name in files], indent=1) + "\n")
    except OSError as error:
        raise ResultsError(f"{folder} cannot be written: {error.strerror}; name another with --out") from error
    return Exported([folder / LIST, *(folder / name for name in files)], lossless)


def _batch(run: Run, curve: str, name: str, cells: Sequence[str], lines: Sequence[Line]) -> dict[str, Any]:
    """One codec as Codec-Compare reads it: constants and fields, each described, and a row an image and point."""
    about = run.about["dataset"]
    constants = {
        "name": ("Name of this batch", name),
        "codec": ("Name of the codec", run.about["cells"][cells[0]]["codec"]["name"]),
        "version": ("What decides the codec's bytes: versions and hashes", _version(run, cells)),
        "time": ("When the run was made", str(run.about.get("date", ""))),
        "source_data_set": ("Data set of the images", f"{run.dataset} {' '.join(map(str, _split(run)))}".strip()),
        "settings": ("The codec with its settings, as hsc-bench run takes it", curve),
        "revision": ("Hash of the data set's images and labels", str(about.get("revision", ""))),
    }
    fields = [*_of_images(run, lines), *_of_points(run, cells)]
    rows = [[_value(field, line) for field in fields] for line in lines]
    return {
        "constant_descriptions": [{key: description} for key, (description, _) in constants.items()],
        "constant_values": [value for _, value in constants.values()],
        "field_descriptions": [{field.name: field.description} for field in fields],
        "field_values": rows,
    }


def _value(field: _Field, line: Line) -> Any:
    of_image = (line.cell, line.image)
    return field.values[of_image] if of_image in field.values else field.values[line.cell]


def _split(run: Run) -> list[str]:
    return sorted(set(run.scores["split"]))


def _version(run: Run, cells: Sequence[str]) -> str:
    facts: dict[str, str] = {}
    for cell in cells:
        facts |= {str(key): str(value) for key, value in run.about["cells"][cell]["codec"]["provenance"].items()}
    return ", ".join(f"{key} {value}" for key, value in facts.items())[:2000]


def _of_images(run: Run, lines: Sequence[Line]) -> Iterator[_Field]:
    """The columns that each image has of its own, and the operating point."""
    keys = [(line.cell, line.image) for line in lines]
    cells = run.about["cells"]
    points = {line.cell: cells[line.cell]["point"] for line in lines}
    yield _Field("original_name", "Id of the original image", dict(zip(keys, [n.image for n in lines], strict=True)))
    yield _Field("width", "Pixel columns of the original image", dict(zip(keys, [n.width for n in lines], strict=True)))
    yield _Field("height", "Pixel rows of the original image", dict(zip(keys, [n.height for n in lines], strict=True)))
    numbers = {cell: _number(point.partition("=")[2]) for cell, point in points.items()}
    if all(number is not None for number in numbers.values()):
        setting = next(iter(points.values())).partition("=")[0]
        yield _Field("quality", f"Setting that the rate follows: {setting}", numbers)
    else:
        yield _Field("operating_point", "Setting that the rate follows", points)
    sizes = [line.size_bytes for line in lines]
    yield _Field("encoded_size", "Size of the whole bitstream in bytes", dict(zip(keys, sizes, strict=True)))
    yield _Field("psnr", "PSNR over the three channels of RGB in dB", dict(zip(keys, map(_psnr, lines), strict=True)))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if not math.isfinite(number) else int(number) if number.is_integer() else number


def _psnr(line: Line) -> float:
    return 10 * math.log10(255**2 * 3 * line.height * line.width / line.squared_error)


def _of_points(run: Run, cells: Sequence[str]) -> Iterator[_Field]:
    """Times, and each head's scores by which codecs are compared; those that every operating point of the codec has."""
    rows = [row for row in run.score_rows if row.status == "ok" and not row.part and math.isfinite(row.value)]
    for metric, name in _TIMES.items():
        values = {row.cell: row.value for row in rows if row.metric == metric and row.route == "image"}
        if all(cell in values for cell in cells):
            verb = "encode" if metric == "encode_s" else "decode"
            text = f"Seconds to {verb} an image: the median over the data set, the same in all rows of a point"
            yield _Field(name, text, values)
    points = {(run.about["cells"][cell]["curve"], run.about["cells"][cell]["point"]): cell for cell in cells}
    readers: dict[tuple[str, str], list[ScoreRow]] = defaultdict(list)
    for row in rows:
        if row.head and (row.codec, row.point) in points and not row.ladder:
            readers[row.head, row.route].append(row)
    for (head, route), of_reader in readers.items():
        metrics = {row.metric for row in of_reader}
        for metric in run.design.compared_metrics(metrics):
            values = {points[row.codec, row.point]: row.value for row in of_reader if row.metric == metric}
            if all(cell in values for cell in cells):
                facts = run.results.facts_of(metric)
                better = "more" if facts.higher_is_better else "less"
                text = f"{facts.title} by {head} on {route}s over the whole data set, the same in all rows of a point"
                yield _Field(_field_name(metric, head, route), f"{text}; {better} is better", values)


def _field_name(metric: str, head: str, route: str) -> str:
    words = (metric, head, *(["latents"] if route == "latent" else []))
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words)).strip("_")

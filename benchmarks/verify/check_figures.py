"""A run's figures, drawn again from its folder and compared with those that lie there.

scores.csv, comparisons.csv, errors.csv --drawn again--> figures of a temporary folder --compared with--> the folder's

Versions of this program and of its libraries draw figures of different forms, so a figure names what drew it. Equal
versions on other processors may round a coordinate otherwise: pixels and coordinates are compared, not bytes.
"""

from __future__ import annotations

import io
import re
import tempfile
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import METRICS
from benchmarks.errors import error_rows
from benchmarks.reporting.figures import class_curves, error_rates, rate_curves
from benchmarks.reporting.figures.figure_files import MARK, drawn_by
from benchmarks.runs.class_support import NAME as CLASS_SUPPORT
from benchmarks.runs.folder_files import exists, read_bytes
from benchmarks.runs.run_folder import Run
from benchmarks.verify.verdict import Verdict
from hsc.errors import HscError

FIGURES = tuple(f"{name}.{kind}" for name in ("curves", "class_curves", "errors") for kind in ("png", "pdf"))
"""The figures that follow from the scores and errors alone."""
MAX_LEVELS, MAX_PIXELS = 48, 24
"""Pixels may differ by so many levels in a channel, and so many of them by more: less than a marker has."""
MAX_UNITS = 0.01
"""Coordinates of a PDF, in points, may differ by this."""
DRAWINGS = 3
"""A figure that differs is drawn again so often: the solver of matplotlib's layout does not end alike every time."""
_MAX_BYTES = 1 << 26
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)")


def check_figures(run: Run) -> Iterator[Verdict]:
    """Each figure that follows from the scores is what they give, as far as this version drew it."""
    verdicts: list[Verdict] = []
    for _ in range(DRAWINGS):
        verdicts = list(_compared(run))
        if all(verdict.state != "fail" for verdict in verdicts):
            break
    yield from verdicts


def _compared(run: Run) -> Iterator[Verdict]:
    """One drawing of the figures beside those of the folder."""
    present = [name for name in FIGURES if exists(run.folder / name)]
    if not present:
        return
    with tempfile.TemporaryDirectory(prefix="hsc-") as folder:
        _draw(run, Path(folder))
        right, others = [], []
        for name in present:
            written, again = read_bytes(run.folder / name, _MAX_BYTES), Path(folder) / name
            if not again.exists():
                yield Verdict("fail", "figures", f"{name} lies in the folder, and its scores give no such figure")
            elif written == again.read_bytes():
                right.append(name)
            elif (mark := _mark(name, written)) is not None and mark != drawn_by():
                others.append(name)
            elif text := _mismatch(name, written, again.read_bytes()):
                yield Verdict("fail", "figures", f"{name} is not what the scores give: {text}")
            else:
                right.append(name)
    if right:
        yield Verdict("pass", "figures", f"drawn again from the scores, and the same: {', '.join(right)}")
    if others:
        text = "not checked, other versions of this program or its libraries drew them, or nobody knows which: "
        yield Verdict("note", "figures", text + ", ".join(others))


def _draw(run: Run, folder: Path) -> None:
    """Draw the figures as the run did, into another folder."""
    rate_curves.curves(run.results, folder / "curves")
    errors = error_rows.read(run.folder)
    if errors is not None:
        error_rates.error_rates(errors, run.scores, folder / "errors", run.results.names)
    if any(exists(run.folder / name) for name in FIGURES if name.startswith("class")):
        metric: Any = METRICS.build(run.task.metrics[0])
        support = run.about.get(CLASS_SUPPORT, {}).get("counts", {})
        weights = {str(name): float(number) for name, number in support.items() if isinstance(number, int)}
        names = run.results.names
        of_classes = run.scores[run.scores["part"] != ""]["metric"].unique()
        name = next((name for name in metric.facts if name in of_classes), "")
        class_curves.class_curves(run.scores, name, weights, folder / "class_curves", metric.facts, names)


def _mark(name: str, data: bytes) -> str | None:
    """What drew a figure, by its own metadata; empty where it does not say, None where it is no figure."""
    if name.endswith(".pdf"):
        if not data.startswith(b"%PDF-"):
            return None
        marks = re.search(rb"/Creator \(((?:[^()\\]|\\.)*)\)", data)
        return marks[1].decode("latin-1") if marks else ""
    try:
        return str(_png(data).info.get(MARK, ""))
    except HscError:
        return None


def _png(data: bytes) -> Any:
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=("PNG",))
        image.load()
    except Exception as error:  # Pillow raises errors of any kind on damaged files
        raise HscError(f"it is no PNG that can be read: {error}") from error
    return image


def _mismatch(name: str, written: bytes, expected: bytes) -> str:
    """In what a figure differs from the one that its scores give; empty where it does not."""
    return _other_pdf(written, expected) if name.endswith(".pdf") else _other_pixels(written, expected)


def _other_pixels(written: bytes, expected: bytes) -> str:
    try:
        shown, again = (np.asarray(_png(data).convert("RGB"), np.int16) for data in (written, expected))
    except HscError as error:
        return str(error)
    if shown.shape != again.shape:
        return f"it has {shown.shape[1]}x{shown.shape[0]} pixels, expected {again.shape[1]}x{again.shape[0]}"
    other = np.abs(shown - again).max(2) > MAX_LEVELS
    if (count := int(other.sum())) <= MAX_PIXELS:
        return ""
    row, column = np.argwhere(other)[0]
    return f"{count} of its pixels differ, the first in row {row}, column {column}"


def _other_pdf(written: bytes, expected: bytes) -> str:
    shown, again = _contents(written), _contents(expected)
    for number, (one, other) in enumerate(zip_longest(shown, again, fillvalue=b"")):
        if one == other:
            continue
        texts = _NUMBER.split(one), _NUMBER.split(other)
        values = [[float(digits) for digits in _NUMBER.findall(part)] for part in (one, other)]
        if texts[0] != texts[1] or len(values[0]) != len(values[1]):
            return f"its part {number} has other texts or shapes"
        if (apart := max((abs(a - b) for a, b in zip(*values, strict=True)), default=0.0)) > MAX_UNITS:
            return f"its part {number} has a coordinate that is {apart:.3g} points away"
    return ""


def _contents(data: bytes) -> list[bytes]:
    """What lies between the streams of a PDF, then its streams, those that are packed unpacked."""
    parts = [_STREAM.sub(b"", data).split(b"xref")[0]]
    for match in _STREAM.finditer(data):
        try:
            parts.append(zlib.decompressobj().decompress(match[1], _MAX_BYTES))
        except zlib.error:
            parts.append(match[1])
    return parts

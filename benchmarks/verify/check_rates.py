"""Rates, sizes, PSNR and intervals of rates, computed again from ``records.csv`` and compared with ``scores.csv``."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.api import RATES, Comparison, RateDefinition, ScoreRow
from benchmarks.runs import records
from benchmarks.runs.run_folder import Run
from benchmarks.stats.bootstrap import Bootstrap, interval
from benchmarks.verify.check_comparisons import named as named_comparison
from benchmarks.verify.check_scores import named
from benchmarks.verify.rounding import near
from benchmarks.verify.verdict import Verdict, verdicts
from hsc.errors import ResultsError


def check_rates(run: Run) -> Iterator[Verdict]:
    """Every rate, size and PSNR follows from the records of all images."""
    try:
        lines = records.read(run.folder)
    except ResultsError as error:
        yield Verdict("skipped", "rates", str(error))
        return
    lines_of_cell = records.by_cell(lines)
    bootstrap, definitions = _bootstrap(run), _definitions(run)
    wrong, count = [], 0
    for row in (row for row in run.score_rows if not row.head and not row.part and row.cell and row.status == "ok"):
        lines_of_row = lines_of_cell[row.cell]
        if row.metric == "bpp" and (trouble := _incomplete(run, lines_of_row)):
            wrong.append(f"{named(row)}: {trouble}")
        elif row.metric in (*definitions, "size_bytes", "psnr") and lines_of_row:
            count += 1
            wrong += _wrong_number(row, lines_of_row, bootstrap, definitions)
    if strangers := set(lines_of_cell) - set(run.about["cells"]):
        wrong.append(f"records.csv has images of the cell {min(strangers)}, which run.json does not have")
    yield from verdicts(
        "rates", wrong, f"{count} rates, sizes and PSNRs, and the intervals of rates, follow from {len(lines)} records"
    )


def check_enough(run: Run) -> Iterator[Verdict]:
    """No number has an interval where there are too few images or resamples; objects are not counted in the folder."""
    reason = _bootstrap(run).reason
    rows: list[ScoreRow | Comparison] = [*run.score_rows, *run.comparison_rows]
    sure = [row for row in rows if not (math.isnan(row.low) and math.isnan(row.high))]
    if reason and sure:
        name = named(sure[0]) if isinstance(sure[0], ScoreRow) else named_comparison(sure[0])
        yield Verdict("fail", "intervals", f"{name} and {len(sure) - 1} others have intervals; {reason}")


def _bootstrap(run: Run) -> Bootstrap:
    pixels_sha256 = run.about["dataset"].get("pixels_sha256", run.images)
    return Bootstrap.of(pixels_sha256, run.about["resamples"], run.about["seed"])


def _incomplete(run: Run, lines: Sequence[records.Line]) -> str:
    """Which images of a cell are missing from the records or too many there; empty where none is."""
    expected, counts = set(run.images), Counter(line.image for line in lines)
    if missing := [image for image in run.images if image not in counts]:
        return f"{len(missing)} of {len(run.images)} images are missing from records.csv: {', '.join(missing[:3])}"
    if surplus := [image for image, count in counts.items() if count > 1 or image not in expected]:
        return f"records.csv has the image {surplus[0]} more than once, or from elsewhere"
    return ""


def _definitions(run: Run) -> dict[str, RateDefinition]:
    """The rates of a run by the name of their rows: ``bpp``, and those that ``run.json`` names.

    Raises:
        HscError: a definition is not known here.
    """
    built = [RATES.build(RATES.parse(text)) for text in ("original_pixels", *run.about.get("rates", ()))]
    return {definition.metric: definition for definition in built}


def _wrong_number(
    row: ScoreRow, lines: Sequence[records.Line], bootstrap: Bootstrap, definitions: Mapping[str, RateDefinition]
) -> list[str]:
    sizes, error = [line.size_bytes for line in lines], sum(line.squared_error for line in lines)
    if row.metric in definitions:
        pixels = [definitions[row.metric].pixels(line.height, line.width) for line in lines]
        return _wrong_rate(row, sizes, pixels, bootstrap)
    area = sum(line.height * line.width for line in lines)
    expected = {
        "size_bytes": sum(sizes) / len(sizes),
        "psnr": 10 * math.log10(255**2 * 3 * area / error) if error else math.inf,
    }[row.metric]
    right = near(row.value, expected)
    return [] if right else [f"{named(row)} is {row.value:.6g}, the records give {expected:.6g}"]


def _wrong_rate(row: ScoreRow, sizes: Sequence[int], pixels: Sequence[int], bootstrap: Bootstrap) -> list[str]:
    expected = 8 * sum(sizes) / sum(pixels)
    if near(row.value, expected):
        return _wrong_interval(row, sizes, pixels, bootstrap)
    mean = statistics.fmean(8 * size / count for size, count in zip(sizes, pixels, strict=True))
    cause = ", which is the mean of the images' rates" if near(row.value, mean) else ""
    return [f"{named(row)} is {row.value:.6g}{cause}; all bits over all pixels give {expected:.6g}"]


def _wrong_interval(row: ScoreRow, sizes: Sequence[int], pixels: Sequence[int], bootstrap: Bootstrap) -> list[str]:
    if not (bootstrap.resamples or bootstrap.reason):
        return []
    low, high, _ = interval(bootstrap.rate(sizes, pixels))
    if near(row.low, low) and near(row.high, high):
        return []
    written, given = f"{row.low:.6g} to {row.high:.6g}", f"{low:.6g} to {high:.6g}"
    return [f"{named(row)} has the interval {written}, the records give {given}"]

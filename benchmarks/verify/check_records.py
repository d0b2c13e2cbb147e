"""A table added up again from its own folder: cells, rates, differences and tables must follow from the records and
rows beside them.

run.json, records.csv --> ids of cells, rates, sizes, PSNR, intervals of rates --> rows.csv --> differences --> table.*
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.api import TASKS, Row
from benchmarks.harness.guard import why
from benchmarks.harness.keys import key_of, prediction_key, stream_key
from benchmarks.runs import records
from benchmarks.runs.folder_files import exists, read_text
from benchmarks.runs.notices import notices_of
from benchmarks.runs.tables import texts
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.stats.bd_comparison import differences
from benchmarks.stats.bootstrap import Bootstrap, interval
from benchmarks.stats.codec_comparison import leads
from benchmarks.stats.design import Design, Ladder
from benchmarks.stats.head_comparison import same_bytes
from benchmarks.stats.null_floor import PART, marked
from benchmarks.verify.check_page import page_check
from benchmarks.verify.check_rows import ROUNDING, named, row_checks
from benchmarks.verify.verdict import Verdict, verdicts
from hsc.errors import HscError, ResultsError

MOST_THRESHOLD = 0.05
"""Of a head's score threshold; what a higher one leaves out would have counted."""


def recount(run: RunFolder) -> Iterator[Verdict]:
    """Every check that needs nothing but the folder; one that cannot be made does not keep the others from being made."""
    checks = {
        "cells": _cells,
        "rows": row_checks,
        "thresholds": _heads,
        "rates": _rates,
        "intervals": _intervals,
        "differences": _differences,
        "tables": _tables,
        "page": page_check,
    }
    for name, check in checks.items():
        yield from attempted(name, check(run))


def attempted(about: str, check: Iterator[Verdict]) -> Iterator[Verdict]:
    """The verdicts of a check; where a stranger's numbers lead it to something that nobody thought of, that it was not
    made, and why.
    """
    try:
        yield from check
    except Exception as error:
        yield Verdict("unchecked", about, why(error))


def near(one: float, other: float, tolerance: float = ROUNDING) -> bool:
    """Equal within a relative tolerance; NaN equals NaN."""
    return (
        one == other
        or (math.isnan(one) and math.isnan(other))
        or math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance / 1000)
    )


def _cells(run: RunFolder) -> Iterator[Verdict]:
    """Every row leads to a cell, every cell has rows of all images, and each id follows from what the cell says of
    itself.
    """
    wrong = []
    of_cell: dict[str, list[Row]] = defaultdict(list)
    for row in run.rows:
        of_cell[row.cell].append(row)
        if row.cell and row.cell not in run.about["cells"]:
            wrong.append(f"{named(row)} leads to the cell {row.cell}, which run.json does not have")
        if row.images != len(run.images):
            wrong.append(f"{named(row)} is over {row.images} images, the run has {len(run.images)}")
    for at, cell in run.about["cells"].items():
        if not of_cell[at]:
            wrong.append(f"{cell['curve']} {cell['point']}: the cell {at} has no row, not even a reason")
    if not any(cell["codec"]["name"] == "original" for cell in run.points.values()):
        wrong.append("there is no row of the originals, the ceiling of every table")
    if repeated := [image for image, times in Counter(run.images).items() if times > 1]:
        wrong.append(f"the image {repeated[0]} stands twice in run.json")
    wrong += list(_wrong_ids(run))
    yield from verdicts(
        "cells",
        wrong,
        f"all {len(run.rows)} rows lead to one of {len(run.about['cells'])} cells over {len(run.images)} images",
    )


def _wrong_ids(run: RunFolder) -> Iterator[str]:
    pixels = run.about["dataset"].get("pixels_sha256")
    if pixels is None:
        return
    for at, cell in run.about["cells"].items():
        keys = [stream_key(sha, cell["codec"]) for sha in pixels]
        if "head" in cell:
            keys = [prediction_key(key, cell["route"], cell["head"]) for key in keys]
        if key_of(keys)[:12] != at:
            yield (
                f"{cell['curve']} {cell['point']}: the provenance of the cell {at} is not the one it was made with "
                f"(its id would be another)"
            )


def _heads(run: RunFolder) -> Iterator[Verdict]:
    """Heads answer with all they find (a score threshold of about 0)."""
    heads = {str(cell["head"]): cell["head"] for cell in run.about["cells"].values() if "head" in cell}
    thresholds = [(head.get("name"), head.get("config", {}).get("score_threshold")) for head in heads.values()]
    stated = [
        (name, value) for name, value in thresholds if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    wrong = [
        f"the head {name} leaves out what it scores under {value:g}, which costs AP; the rule is about 0 (0.001), "
        f"{MOST_THRESHOLD:g} at the most"
        for name, value in stated
        if value > MOST_THRESHOLD
    ]
    if stated:
        yield from verdicts("thresholds", wrong, ", ".join(f"{name} {value:g}" for name, value in stated))


def _rates(run: RunFolder) -> Iterator[Verdict]:
    try:
        lines = records.read(run.path)
    except ResultsError as error:
        yield Verdict("unchecked", "rates", str(error))
        return
    of_cell: dict[str, list[records.Line]] = defaultdict(list)
    for line in lines:
        of_cell[line.cell].append(line)
    bootstrap = _bootstrap(run)
    wrong, count = [], 0
    for row in (r for r in run.curve_rows if not r.head and not r.part and r.cell and r.status == "ok"):
        mine = of_cell[row.cell]
        if row.metric == "bpp" and (trouble := _incomplete(run, mine)):
            wrong.append(f"{named(row)}: {trouble}")
        elif row.metric in ("bpp", "size_bytes", "psnr") and mine:
            count += 1
            wrong += _wrong_rate(row, mine, bootstrap)
    if strangers := set(of_cell) - set(run.about["cells"]):
        wrong.append(f"records.csv has images of the cell {min(strangers)}, which run.json does not have")
    yield from verdicts(
        "rates", wrong, f"{count} rates, sizes and PSNRs, and the intervals of rates, follow from {len(lines)} records"
    )


def _bootstrap(run: RunFolder) -> Bootstrap:
    return Bootstrap.of(
        run.about["dataset"].get("pixels_sha256", run.images), run.about["resamples"], run.about["seed"]
    )


def _intervals(run: RunFolder) -> Iterator[Verdict]:
    """Nothing has an interval that rests on too little; of how many objects there are the folder says nothing."""
    reason = _bootstrap(run).reason
    sure = [row for row in run.rows if not (math.isnan(row.low) and math.isnan(row.high))]
    if reason and sure:
        yield Verdict("differs", "intervals", f"{named(sure[0])} and {len(sure) - 1} others have intervals; {reason}")


def _incomplete(run: RunFolder, lines: Sequence[records.Line]) -> str:
    """What of a cell's images is missing or too many in the records, empty where nothing is."""
    wanted, found = set(run.images), Counter(line.image for line in lines)
    if missing := [image for image in run.images if image not in found]:
        return f"{len(missing)} of {len(run.images)} images are missing from records.csv: {', '.join(missing[:3])}"
    if many := [image for image, times in found.items() if times > 1 or image not in wanted]:
        return f"records.csv has the image {many[0]} more than once, or from elsewhere"
    return ""


def _wrong_rate(row: Row, lines: Sequence[records.Line], bootstrap: Bootstrap) -> list[str]:
    pixels = [line.height * line.width for line in lines]
    sizes, error = [line.size_bytes for line in lines], sum(line.squared_error for line in lines)
    expected = {
        "bpp": 8 * sum(sizes) / sum(pixels),
        "size_bytes": sum(sizes) / len(sizes),
        "psnr": 10 * math.log10(255**2 * 3 * sum(pixels) / error) if error else math.inf,
    }[row.metric]
    if not near(row.value, expected):
        mean = statistics.fmean(8 * size / count for size, count in zip(sizes, pixels, strict=True))
        cause = ", which is the mean of the images' rates" if row.metric == "bpp" and near(row.value, mean) else ""
        return [f"{named(row)} is {row.value:.6g}{cause}; all bits over all pixels give {expected:.6g}" if row.metric == "bpp" else
                f"{named(row)} is {row.value:.6g}, the records give {expected:.6g}"]  # fmt: skip
    if row.metric == "bpp" and (bootstrap.resamples or bootstrap.reason):
        low, high, _ = interval(bootstrap.rate(sizes, pixels))
        if not (near(row.low, low) and near(row.high, high)):
            return [
                f"{named(row)} has the interval {row.low:.6g} to {row.high:.6g}, the records give {low:.6g} to "
                f"{high:.6g}"
            ]
    return []


def _differences(run: RunFolder) -> Iterator[Verdict]:
    """Bjontegaard differences and leads again from the rates and scores in the rows; their intervals would need every
    prediction.
    """
    told = {
        _key(r): r
        for r in run.rows
        if r.metric.startswith("at_rate(") or (r.anchor and r.metric.startswith(("bd_", "d_")))
    }
    try:
        made = {_key(r): r for r in _again(run)}
    except HscError as error:
        yield Verdict("unchecked", "differences", str(error))
        return
    wrong = [f"{_called(key)} is not in rows.csv, which its points give" for key in made.keys() - told.keys()]
    wrong += [f"{_called(key)} is in rows.csv, and its points give none" for key in told.keys() - made.keys()]
    for key in told.keys() & made.keys():
        one, other = told[key], made[key]
        if one.status != other.status:
            wrong.append(f"{_called(key)} is {one.status}, its points say {other.status}: {other.reason}")
        elif (one.unit, one.regime) != (other.unit, other.regime):
            wrong.append(
                f"{_called(key)} is in {one.unit or 'no unit'} of {one.regime or 'no'} heads, its points give "
                f"{other.unit} of {other.regime}"
            )
        elif not near(one.value, other.value):
            wrong.append(f"{_called(key)} is {one.value:+.6g}, its points give {other.value:+.6g}")
        elif _said(one) != _said(other):
            wrong.append(f"{_called(key)} says {one.reason!r}, its points say {other.reason!r}")
    yield from verdicts(
        "differences",
        sorted(wrong),
        f"{len(told)} Bjontegaard numbers and leads follow from the rows' rates and scores",
    )


def _said(row: Row) -> list[str]:
    """A row's reason without what it says of its resamples, which cannot be drawn again."""
    return [part for part in row.reason.split("; ") if part and "resamples refused" not in part]


def _key(row: Row) -> tuple[str, ...]:
    return row.head, row.route, row.codec, row.point, row.anchor, row.metric, row.part


def _called(key: tuple[str, ...]) -> str:
    head, _, codec, point, anchor, metric, part = key
    return f"{metric} of {codec}{point and ' ' + point} against {anchor}{f' ({part})' if part else ''}, head {head},"


def _again(run: RunFolder) -> list[Row]:
    points: dict[str, list[str]] = defaultdict(list)
    for cell in run.points.values():
        points[cell["curve"]].append(cell["point"])
    ending = f", {PART}"
    curves = [
        Ladder(label, tuple(names), label.removesuffix(ending) if label.endswith(ending) else "")
        for label, names in points.items()
    ]
    curves += [Ladder(label, ("",)) for label in run.about["skipped"] if label not in points]
    task = TASKS.build(run.about["task"]["name"])
    match_bpp = tuple(run.about.get("match_bpp", ()))
    design = Design(tuple(curves), tuple(run.about["anchors"]), match_bpp, tuple(task.columns), task.main_metric)
    given = design, run.curve_rows, Bootstrap(len(run.images), 0, 0)
    return marked([*differences(*given), *leads(*given), *same_bytes(*given)], curves)


def _tables(run: RunFolder) -> Iterator[Verdict]:
    """The tables for people are what the rows give, to the letter."""
    try:
        task = TASKS.build(run.about["task"]["name"])
    except HscError as error:
        yield Verdict("unchecked", "tables", str(error))
        return
    wrong, count = [], 0
    for name, text in texts(run.rows, task.columns, notices_of(run.about)).items():
        file = run.path / name
        if name != "rows.csv" and exists(file):
            count += 1
            if (written := read_text(file)) != text:
                wrong.append(f"{name} is not what rows.csv gives{_first_difference(written, text)}")
    yield from verdicts("tables", wrong, f"{count} tables are what rows.csv gives, letter by letter")


def _first_difference(one: str, other: str) -> str:
    for number, (told, made) in enumerate(zip(one.splitlines(), other.splitlines(), strict=False), 1):
        if told != made:
            at = next(
                (k for k, (a, b) in enumerate(zip(told, made, strict=False)) if a != b), min(len(told), len(made))
            )
            return (
                f": line {number} has ...{told[max(at - 20, 0) : at + 20]}..., expected "
                f"...{made[max(at - 20, 0) : at + 20]}..."
            )
    return ": one of them is longer"

"""Tables for people, from rows alone: one line an operating point, one block a head, and the Bjontegaard differences
below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from tabulate import tabulate

from benchmarks.api import Row
from benchmarks.runs.csv_cells import csv_text
from benchmarks.runs.rows import frame
from benchmarks.stats.bootstrap import MIN_IMAGES, NO_INTERVAL, side_of_zero, why_no_interval
from benchmarks.stats.metric_facts import DIGITS, HEADS_APART, LESS_ROUTE, TITLES, scale_of
from benchmarks.stats.null_floor import PART
from benchmarks.text import one_line
from hsc.files.atomic_files import write_text

JUDGED = "reference"
"""The regime of judges, which see the original beside the decoded image: they stand in one block together."""
ORIGINALS = "against the originals"
TIMES = ("encode_s", "decode_s", "head_s")
_STREAM = ("bpp", "size_bytes", "psnr", "encode_s", "decode_s")
NOTE = (
    "Scores in percent; rates from whole files, headers in; times are medians of one image in seconds, one thread. "
    "On the latent route decoding ends at the latents and no image is made."
)
_JUDGED = (
    "PSNR, MS-SSIM, LPIPS, DISTS and FID are not in percent; of the last three less is better. "
    "Agreement is AP or mIoU against what the head itself says of the originals: consistency, not accuracy."
)
_SURE = "In brackets: where the middle 95 % of the resamples of the images lie, drawn alike for all codecs."
_OVERLAPS = "In braces: what two curves share, in percent of the codec's own interval and of the anchor's."
_MOST_LINE = 100_000
_SHARED = re.compile(r"overlap (\d+)% of test, (\d+)% of anchor")


def wide(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One line for each head, route, codec and point, a column for each number, in the order of the run.

    columns: the task's scores to show. Scores are 0 to 1, sizes in kB (1000 bytes); ``status`` and ``reason`` say what
    is missing.
    ``_low`` and ``_high`` after a number's name are the ends of its interval.
    """
    whole = rows[(rows["part"] == "") & (rows["anchor"] == "")].copy()
    judged = (whole["regime"] == JUDGED) & (whole["codec"] != "")
    whole.loc[judged, "head"] = ORIGINALS
    whole = whole[~(judged & (whole["metric"] == "head_s"))]
    streams = dict(iter(whole[whole["head"] == ""].groupby(["codec", "point"], sort=False)))
    lines = []
    tail = [name for name in ("psnr", "encode_s", "decode_s", "head_s") if name not in columns]
    readers = dict.fromkeys((head, route) for head, route in zip(whole["head"], whole["route"], strict=True) if head)
    for head, route in readers:
        mine = whole[(whole["head"] == head) & (whole["route"] == route)]
        for (codec, point), group in mine.groupby(["codec", "point"], sort=False):
            rate = streams.get((codec, point), whole[:0])
            if route == "latent":  # its own time of decoding stands for that of the image, which nobody sees
                rate = rate[(rate["route"] == "latent") | ~rate["metric"].isin(("decode_s", "psnr"))]
            else:
                rate = rate[rate["route"] == route]
            numbers = {**_values(rate), **_values(group)}
            both = pd.concat([rate, group])
            bad = both[both["status"] != "ok"]
            line = {
                "head": head,
                "route": route,
                "codec": codec,
                "point": point,
                "bpp": numbers.get("bpp"),
                "size_kb": numbers.get("size_bytes", math.nan) / 1000,
            }
            line |= {c: numbers.get(c, math.nan) for c in (*columns, *tail)}
            ends = (f"{c}_{end}" for c in ("bpp", *columns) for end in ("low", "high"))
            line |= {end: numbers[end] for end in ends if not math.isnan(numbers.get(end, math.nan))}
            line |= {
                "status": "ok" if bad.empty else bad["status"].iloc[0],
                "reason": "" if bad.empty else bad["reason"].iloc[0],
            }
            lines.append(line)
    known = {name for line in lines for name in line}
    scores = [n for c in ("bpp", "size_kb", *columns) for n in (c, f"{c}_low", f"{c}_high") if n == c or n in known]
    names = ["head", "route", "codec", "point", *scores, *tail, "status", "reason"]
    return pd.DataFrame(lines, columns=names)


def _values(group: pd.DataFrame) -> dict[str, float]:
    """A column's numbers by metric, and its ``_low`` and ``_high``."""
    ends = (("", "value"), ("_low", "low"), ("_high", "high"))
    return {
        metric + end: float(v) for end, name in ends for metric, v in zip(group["metric"], group[name], strict=True)
    }


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """BD-rate and BD-metric by head and codec, a pair of columns an anchor."""
    found = rows[(rows["anchor"] != "") & (rows["part"] == "")].copy()
    if found.empty:
        return pd.DataFrame()
    found["text"] = [_difference(row) for row in found.itertuples()]
    found["column"] = found["metric"] + " vs " + found["anchor"]
    table = found.pivot_table(
        index=["head", "route", "codec"], columns="column", values="text", aggfunc="first", sort=False
    )
    return table.reset_index().fillna("")


def _alike(bd: pd.DataFrame) -> list[pd.DataFrame]:
    """The table of differences, in parts where heads have scores of different kinds: each with the columns that its
    heads fill.
    """
    columns = [c for c in bd.columns if " vs " in c]
    filled = {
        head: tuple(c for c in columns if (group[c] != "").any()) for head, group in bd.groupby("head", sort=False)
    }
    kinds = {head: frozenset(c.split(" vs ")[0] for c in mine) for head, mine in filled.items()}
    parts = []
    for kind in dict.fromkeys(kinds.values()):
        heads = [head for head in filled if kinds[head] == kind]
        mine = [c for c in columns if any(c in filled[head] for head in heads)]
        parts.append(bd.loc[bd["head"].isin(heads), ["head", "route", "codec", *mine]])
    return parts


def heads_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Adapted heads on the same bytes: a line a codec and point, a column for each head less the one that stands in the
    column's name.
    """
    found = rows[rows["metric"].str.startswith(HEADS_APART)].copy()
    if found.empty:
        return pd.DataFrame()
    found["text"] = [_difference(row) for row in found.itertuples()]
    titles = (
        found["metric"].str.removeprefix(HEADS_APART).str.removesuffix(")").map(lambda name: TITLES.get(name, name))
    )
    less = found["anchor"] + ", " + found["part"].str.removeprefix(LESS_ROUTE)
    found["column"] = titles + " of " + found["head"] + ", " + found["route"] + " route, less " + less
    return (
        found.pivot_table(index=["codec", "point"], columns="column", values="text", aggfunc="first", sort=False)
        .reset_index()
        .fillna("")
    )


def _difference(row: Any) -> str:
    """A difference for people: its value, its interval, both overlaps, whether a fit stood in; or the reason why there
    is none.
    """
    if row.status != "ok":
        return f"n/a: {row.reason}"
    share = row.unit != "%" and scale_of(row.metric).percent
    scale, unit = 100 if share else 1, " %" if row.unit == "%" else ""
    form = "+.1f" if share or row.unit == "%" else "+.2f" if row.unit == "dB" else "+.4f"
    ends = "" if math.isnan(row.low) else f" [{scale * row.low:{form}}, {scale * row.high:{form}}]"
    shared = _SHARED.search(row.reason)
    overlap = " {{{}/{}}}".format(*shared.groups()) if shared else ""
    return f"{scale * row.value:{form}}{unit}{ends}{overlap}" + (" (fit)" if row.reason.startswith("fit") else "")


def told_apart(rows: pd.DataFrame) -> list[str]:
    """A line a head and anchor: which codecs are better, which worse, and which cannot be told apart on these images.

    A claim needs an interval that leaves 0 out; it rests on BD-rate, or on BD-metric where there is no BD-rate.
    """
    found = rows[
        (rows["part"] == "") & (rows["anchor"] != "") & rows["metric"].str.startswith("bd_") & rows["low"].notna()
    ]
    found = found[found["images"] >= MIN_IMAGES]
    lines = []
    for (head, anchor), group in found.groupby(["head", "anchor"], sort=False):
        said: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
        for codec, numbers in group.groupby("codec", sort=False):
            said[verdict(numbers.iloc[0])].append(str(codec))
        text = "; ".join(f"{what}: {', '.join(codecs)}" for what, codecs in said.items() if codecs)
        lines.append(f"{head}, against {anchor}, by intervals that leave out 0: {text}.")
    return lines


def verdict(row: Any) -> Literal["better", "worse", "not told apart"]:
    """What the interval of a difference from an anchor claims of its codec; ``row`` is a row of the tidy table."""
    less = row["unit"] == "%" or scale_of(row["metric"]).sign < 0
    side = side_of_zero(row["low"], row["high"], row["images"]) * (-1 if less else 1)
    return "better" if side > 0 else "worse" if side < 0 else "not told apart"


def only_sure(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a tidy table without intervals over too few images, whoever wrote them."""
    if rows.empty:
        return rows
    few = rows["images"] < MIN_IMAGES
    return rows.assign(low=rows["low"].mask(few), high=rows["high"].mask(few))


def too_little(rows: pd.DataFrame) -> list[str]:
    """A sentence for each reason why numbers have no interval because there is too little behind them, with the heads
    it holds for.
    """
    marked = rows[rows["reason"].str.startswith(NO_INTERVAL) & (rows["anchor"] == "")]
    reasons = {
        str(reason): list(dict.fromkeys(group["head"])) for reason, group in marked.groupby("reason", sort=False)
    }
    if not reasons and len(rows) and (reason := why_no_interval(int(rows["images"].max()))):
        reasons = {reason: [""]}
    return [_too_little(reason.removeprefix(f"{NO_INTERVAL}: "), heads) for reason, heads in reasons.items()]


def _too_little(reason: str, heads: Sequence[str]) -> str:
    where = "" if "" in heads else f" for {', '.join(heads)}"
    return f"No interval, no verdict and nothing in bold{where}: {reason}."


def _matched(rows: pd.DataFrame) -> list[str]:
    """What a search for rates found, a line a rate."""
    found = rows[(rows["metric"] == "matched_bpp") & (rows["status"] == "ok")]
    lines = []
    for part, group in found.groupby("part", sort=False):
        got = (f"{row.codec} {row.point} takes {row.value:.4f} ({row.reason})" for row in group.itertuples())
        lines.append(f"Matched to {part}: {'; '.join(got)}.")
    return lines


def _floor(rows: pd.DataFrame) -> list[str]:
    """What one codec gives against itself, a line a head; or that there is no telling."""
    if rows[rows["anchor"] != ""].empty:
        return []
    found = rows[(rows["anchor"] != "") & (rows["part"] == PART)]
    lines = []
    for (head, codec), group in found.groupby(["head", "codec"], sort=False):
        numbers = "; ".join(f"{row.metric}: {_difference(row)}" for row in group.itertuples())
        lines.append(
            f"Null floor, {head}: {codec} against itself on a second ladder between the points of the first, by "
            f"rights 0: {numbers}."
        )
    return lines or [
        "Null floor: not measured (turned off, or the last anchor has too few points to put four between them)."
    ]


def _at_rates(rows: pd.DataFrame) -> list[str]:
    """Values at matched rates, where curves share too little for a Bjontegaard difference."""
    found = rows[(rows["anchor"] != "") & rows["part"].str.startswith("at ")]
    lines = []
    for (head, codec, anchor), group in found.groupby(["head", "codec", "anchor"], sort=False):
        name = TITLES.get(str(group["metric"].iloc[0]).removeprefix("d_"), str(group["metric"].iloc[0]))
        lines.append(
            f"{head}, {codec} against {anchor}, {name} "
            + "; ".join(f"{row.part}: {row.reason}, {_difference(row)}" for row in group.itertuples())
            + "."
        )
    return lines


def _refused(rows: pd.DataFrame) -> list[str]:
    """Differences some of whose resamples gave no number."""
    found = rows[
        (rows["anchor"] != "") & rows["metric"].str.startswith("bd_") & rows["reason"].str.contains("resamples refused")
    ]
    return [
        f"{r.head}, {r.codec} against {r.anchor}, {r.metric}: {r.reason.split('; ')[-1]}." for r in found.itertuples()
    ]


def _cells(line: pd.Series, names: Sequence[str], mains: Sequence[str]) -> list[str]:
    """One line's numbers as text, those of ``mains`` with their intervals."""
    cells = []
    for name in names:
        value = line[name]
        if isinstance(value, str):
            cells.append(one_line(value))
        elif value is None or math.isnan(value):
            cells.append("-")
        else:
            digits = DIGITS.get(name)
            text = f"{100 * value:.1f}" if digits is None else _plain(value, digits)
            low, high = (line.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
            if name in mains and math.isfinite(low):
                text += (
                    f" [{100 * low:.1f}, {100 * high:.1f}]"
                    if digits is None
                    else f" [{_plain(low, digits)}, {_plain(high, digits)}]"
                )
            cells.append(text)
    return cells


def _plain(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "inf"


def _shown(table: pd.DataFrame, group: pd.DataFrame, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns of one block, beside judges without the scores that others give; and those shown with intervals: each
    judge's, or the first.
    """
    mixed = (table["head"] == ORIGINALS).any() and group[list(columns)].notna().any(axis=None)
    foreign = {c for c in (*columns, "head_s") if mixed and group[c].isna().all()}
    names = [n for n in table.columns if n in TITLES and n not in foreign]
    sure = [c for c in columns if f"{c}_low" in group and group[f"{c}_low"].notna().any()]
    return ["codec", "point", *names], sure if group["head"].iloc[0] == ORIGINALS else sure[:1]


def blocks(rows: Sequence[Row], columns: Sequence[str], form: str, notices: Sequence[str] = ()) -> str:
    """Everything as text: ``simple`` for a terminal, ``github`` for Markdown, ``latex_booktabs`` for a paper.

    notices: what stands before the tables.
    """
    tidy = frame(rows)
    table = wide(tidy, columns)
    tex = form.startswith("latex")
    parts = [
        _heading(f"Note: {text}", form) if tex else f"**Note:** {text}" if form == "github" else f"Note: {text}"
        for text in (one_line(text, _MOST_LINE) for text in notices)
    ]
    for (head, route), group in table.groupby(["head", "route"], sort=False):
        names, mains = _shown(table, group, columns)
        body = [_cells(line, names, mains) for _, line in group.iterrows()]
        text = tabulate(
            body,
            [TITLES.get(n, n) for n in names],
            tablefmt=form,
            disable_numparse=True,
            colalign=["left", "left", *["right"] * (len(names) - 2)],
        )
        parts += [_heading(_title(tidy, str(head), str(route)), form), text]
    bd = differences(tidy)
    if not bd.empty:
        parts += [_heading("Bjontegaard differences (negative rate: fewer bits at equal quality)", form)]
        parts += [
            tabulate(_lined(part), list(map(one_line, part.columns)), tablefmt=form, disable_numparse=True)
            for part in _alike(bd)
        ]
    apart = heads_apart(tidy)
    if not apart.empty:
        parts += [_heading("Adapted heads on the same bytes, in points", form)]
        parts += [tabulate(_lined(apart), list(map(one_line, apart.columns)), tablefmt=form, disable_numparse=True)]
    notes = [
        NOTE,
        *_timed(tidy),
        *([_JUDGED] if (tidy["regime"] == JUDGED).any() else []),
        *([_SURE] if tidy["low"].notna().any() else []),
        *([_OVERLAPS] if not bd.empty else []),
    ]
    lines = (
        *_matched(tidy),
        *_floor(tidy),
        *too_little(tidy),
        *told_apart(tidy),
        *_at_rates(tidy),
        *_refused(tidy),
        *notes,
        *_missing(tidy),
    )
    parts += [_heading(line, form) if tex else one_line(line, _MOST_LINE) for line in lines]
    return "\n\n".join(parts) + "\n"


def _lined(table: pd.DataFrame) -> list[list[str]]:
    """A table's texts, each on one line."""
    return [[one_line(value, _MOST_LINE) for value in line] for line in table.to_numpy().tolist()]


def _timed(tidy: pd.DataFrame) -> list[str]:
    """The conditions of the times shown; of runs before they were kept there is nothing to tell."""
    times = tidy[tidy["metric"].isin(TIMES) & (tidy["status"] == "ok") & (tidy["reason"] != "")]
    return [f"Times: {conditions}." for conditions in dict.fromkeys(times["reason"])]


def _title(tidy: pd.DataFrame, head: str, route: str) -> str:
    line = tidy[
        ((tidy["head"] == head) | ((head == ORIGINALS) & (tidy["regime"] == JUDGED))) & (tidy["route"] == route)
    ].iloc[0]
    if head == ORIGINALS:
        return f"{line['task']} on {line['dataset']} ({line['split']}, {line['images']} images), {head}"
    return (
        f"{line['task']} on {line['dataset']} ({line['split']}, {line['images']} images), head {head}, {route} "
        f"route, {line['regime']}"
    )


def _heading(text: str, form: str) -> str:
    text = one_line(text, _MOST_LINE)  # a comment of LaTeX ends with its line, and what follows would be typeset
    if form.startswith("latex"):
        return "% " + text
    return f"### {text}" if form == "github" else text


def _missing(tidy: pd.DataFrame) -> list[str]:
    """What a reader must know: the rate of the sources, and what has no number and why."""
    bad = tidy[(tidy["status"] != "ok") & (tidy["anchor"] == "")]
    stored = tidy[tidy["metric"] == "source_bpp"]["value"]
    notes = [
        f"The originals came as files of {v:.3f} bpp; where those are JPEGs (as COCO's are), no row here is truly "
        f"uncompressed."
        for v in stored
    ]
    lines = (" ".join(f"{r.status}: {r.head} {r.codec} {r.point}".split()) + f": {r.reason}" for r in bad.itertuples())
    return [*notes, *dict.fromkeys(lines)]


def texts(rows: Sequence[Row], columns: Sequence[str], notices: Sequence[str] = ()) -> dict[str, str]:
    """What ``write`` writes, by name of file. notices: as ``blocks`` has them."""
    tidy = frame(rows)
    return {
        "rows.csv": csv_text(tidy),
        "table.csv": csv_text(wide(tidy, columns)),
        "table.md": blocks(rows, columns, "github", notices),
        "table.tex": blocks(rows, columns, "latex_booktabs", notices),
    }


def write(rows: Sequence[Row], columns: Sequence[str], folder: Path, notices: Sequence[str] = ()) -> None:
    """Write ``rows.csv``, ``table.csv``, ``table.md`` and ``table.tex``, each whole or not at all. notices: as
    ``blocks`` has them.
    """
    for name, text in texts(rows, columns, notices).items():
        write_text(folder / name, text)

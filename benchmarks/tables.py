"""Tables for people, from rows alone: one line an operating point, one block a head, and the Bjontegaard differences below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from benchmarks.api import Row

TITLES = {
    "bpp": "bpp",
    "size_kb": "kB/image",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "APs",
    "ap_medium": "APm",
    "ap_large": "APl",
    "miou": "mIoU",
    "pixel_accuracy": "pixel acc.",
    "fw_iou": "fwIoU",
    "psnr": "PSNR dB",
    "encode_s": "encode s",
    "decode_s": "decode s",
    "head_s": "head s",
}
_DIGITS = {"bpp": 4, "size_kb": 2, "psnr": 2, "encode_s": 4, "decode_s": 4, "head_s": 4}
_STREAM = ("bpp", "size_bytes", "psnr", "encode_s", "decode_s")
NOTE = (
    "Scores in percent; rates from whole files, headers in; times are medians of one image in seconds, one thread. "
    "On the latent route decoding ends at the latents and no image is made."
)


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The tidy table: a line a number, the columns of ``rows.csv``."""
    return pd.DataFrame([vars(r) for r in rows], columns=list(Row.__dataclass_fields__))


def wide(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One line for each head, route, codec and point, a column for each number, in the order of the run.

    columns: the task's scores to show. Scores are 0 to 1, sizes in kB (1000 bytes); ``status`` and ``reason`` say what is missing.
    """
    whole = rows[(rows["part"] == "") & (rows["anchor"] == "")]
    streams = whole[whole["head"] == ""]
    lines = []
    readers = dict.fromkeys((head, route) for head, route in zip(whole["head"], whole["route"], strict=True) if head)
    for head, route in readers:
        mine = whole[(whole["head"] == head) & (whole["route"] == route)]
        for (codec, point), group in mine.groupby(["codec", "point"], sort=False):
            rate = streams[(streams["codec"] == codec) & (streams["point"] == point)]
            if route == "latent":  # its own time of decoding stands for that of the image, which nobody sees
                rate = rate[(rate["route"] == "latent") | ~rate["metric"].isin(("decode_s", "psnr"))]
            else:
                rate = rate[rate["route"] == route]
            numbers = {**_values(rate), **_values(group)}
            bad = pd.concat([rate, group]).query("status != 'ok'")
            line = {
                "head": head,
                "route": route,
                "codec": codec,
                "point": point,
                "bpp": numbers.get("bpp"),
                "size_kb": numbers.get("size_bytes", math.nan) / 1000,
            }
            line |= {c: numbers.get(c, math.nan) for c in (*columns, "psnr", "encode_s", "decode_s", "head_s")}
            line |= {"status": "ok" if bad.empty else bad["status"].iloc[0], "reason": "" if bad.empty else bad["reason"].iloc[0]}
            lines.append(line)
    names = ["head", "route", "codec", "point", "bpp", "size_kb", *columns, "psnr", "encode_s", "decode_s", "head_s", "status", "reason"]
    return pd.DataFrame(lines, columns=names)


def _values(group: pd.DataFrame) -> dict[str, float]:
    return dict(zip(group["metric"], group["value"].astype(float), strict=True))


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """BD-rate and BD-metric by head and codec, a pair of columns an anchor."""
    found = rows[rows["anchor"] != ""].copy()
    if found.empty:
        return pd.DataFrame()
    found["text"] = [_difference(*x) for x in zip(found["metric"], found["value"], found["status"], found["reason"], strict=True)]
    found["column"] = found["metric"] + " vs " + found["anchor"]
    table = found.pivot_table(index=["head", "route", "codec"], columns="column", values="text", aggfunc="first", sort=False)
    return table.reset_index().fillna("")


def _difference(metric: str, value: float, status: str, reason: str) -> str:
    if status != "ok":
        return f"n/a: {reason}"
    number = f"{value:+.1f} %" if metric.startswith("bd_rate") else f"{100 * value:+.1f}"
    return number + (" (fit)" if reason.startswith("fit") else "")


def _cells(line: pd.Series, names: Sequence[str]) -> list[str]:
    cells = []
    for name in names:
        value = line[name]
        if isinstance(value, str):
            cells.append(value)
        elif value is None or math.isnan(value):
            cells.append("-")
        else:
            digits = _DIGITS.get(name)
            cells.append(f"{100 * value:.1f}" if digits is None else f"{value:.{digits}f}" if math.isfinite(value) else "inf")
    return cells


def blocks(rows: Sequence[Row], columns: Sequence[str], form: str) -> str:
    """Everything as text: ``simple`` for a terminal, ``github`` for Markdown, ``latex_booktabs`` for a paper."""
    tidy = frame(rows)
    table = wide(tidy, columns)
    tex = form.startswith("latex")
    parts = []
    names = ["codec", "point", *(n for n in table.columns if n in TITLES)]
    for (head, route), group in table.groupby(["head", "route"], sort=False):
        body = [_cells(line, names) for _, line in group.iterrows()]
        text = tabulate(
            body, [TITLES.get(n, n) for n in names], tablefmt=form, disable_numparse=True, colalign=["left", "left", *["right"] * (len(names) - 2)]
        )
        parts += [_heading(_title(tidy, str(head), str(route)), form), text]
    bd = differences(tidy)
    if not bd.empty:
        parts += [_heading("Bjontegaard differences (negative rate: fewer bits at equal quality)", form)]
        parts += [tabulate(bd.to_numpy().tolist(), list(bd.columns), tablefmt=form, disable_numparse=True)]
    parts += [_heading(line, form) if tex else line for line in (NOTE, *_missing(tidy))]
    return "\n\n".join(parts) + "\n"


def _title(tidy: pd.DataFrame, head: str, route: str) -> str:
    line = tidy[(tidy["head"] == head) & (tidy["route"] == route)].iloc[0]
    return f"{line['task']} on {line['dataset']} ({line['split']}, {line['images']} images), head {head}, {route} route, {line['regime']}"


def _heading(text: str, form: str) -> str:
    if form.startswith("latex"):
        return "% " + text
    return f"### {text}" if form == "github" else text


def _missing(tidy: pd.DataFrame) -> list[str]:
    """What a reader must know: the rate of the sources, and what has no number and why."""
    bad = tidy[(tidy["status"] != "ok") & (tidy["anchor"] == "")]
    stored = tidy[tidy["metric"] == "source_bpp"]["value"]
    notes = [f"The originals came as files of {v:.3f} bpp; where those are JPEGs (as COCO's are), no row here is truly uncompressed." for v in stored]
    lines = (" ".join(f"{r.status}: {r.head} {r.codec} {r.point}".split()) + f": {r.reason}" for r in bad.itertuples())
    return [*notes, *dict.fromkeys(lines)]


def write(rows: Sequence[Row], columns: Sequence[str], folder: Path) -> None:
    """Write ``rows.csv``, ``table.csv``, ``table.md`` and ``table.tex``, each whole or not at all."""
    tidy = frame(rows)
    _replace(folder / "rows.csv", tidy.to_csv(index=False, lineterminator="\n"))
    _replace(folder / "table.csv", wide(tidy, columns).to_csv(index=False, lineterminator="\n"))
    _replace(folder / "table.md", blocks(rows, columns, "github"))
    _replace(folder / "table.tex", blocks(rows, columns, "latex_booktabs"))


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)

"""The page's table of operating points: every score of every head, a row a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.reporting.html.cells import codec_cell, head_cell, row_marks, score_cell
from benchmarks.reporting.html.curves import Points
from benchmarks.reporting.html.markup import Cell, Column, Markup, element, joined, table
from benchmarks.runs.number_texts import column_title
from benchmarks.runs.results import Results
from benchmarks.runs.wide_table import wide
from benchmarks.stats.metric_facts import TIMES, axis_title

_ABOUT = {
    "bpp": "bits per pixel: the bits of all files over the pixels of all images",
    "size_kb": "1000 bytes, the mean of the images",
    "encode_s": "seconds to encode an image, the median of all images, one thread",
    "decode_s": "seconds from bytes to the image, or to the latents, the median of all images, one thread",
    "head_s": "seconds of the head on an image, the median of all images, one thread",
}


def points_table(results: Results, points: Points) -> Markup:
    """Every operating point of every head, each row with a button that leads to its cell's provenance, below a note on
    how to read the scores.
    """
    lines = wide(results)
    lines = lines[lines["codec"] != ""]
    main = results.columns[:1]  # in view on a narrow screen, too
    names = [n for n in dict.fromkeys(("bpp", *main, *results.columns, "size_kb", "psnr", *TIMES)) if n in lines]
    columns = [
        Column("Codec", "text", "with its operating point below"),
        *(_column(results, name) for name in names),
        Column("Head", "text"),
        Column("Cell", "text", "where the numbers come from"),
    ]
    scores = results.scores
    cells = scores[scores["head"] != ""].drop_duplicates(["head", "route", "codec", "ladder", "point"])
    cell_ids = {(r.head, r.route, r.codec, r.point): str(r.cell) for r in cells[cells["ladder"] == ""].itertuples()}
    rows = []
    for _, line in lines.iterrows():
        codec, point, head, route = (str(line[name]) for name in ("codec", "point", "head", "route"))
        shown = [codec_cell(points, codec, point)]
        for name in names:
            low, high = (line.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
            shown.append(score_cell(line.get(name, math.nan), low, high, results.facts_of(name)))
        shown.append(head_cell(head, route))
        if line["status"] == "ok":
            shown.append(_cell_button(cell_ids.get((head, route, codec, point), "")))
        else:
            shown.append(Cell(line["status"], line["status"], line["reason"], "bad"))
        rows.append((row_marks(points, head, route, codec, point), shown))
    note = element("p", _note(results, [name for name in names if name in results.columns]), class_="note")
    return joined([note, table("points", "Operating points", columns, rows)])


def _column(results: Results, name: str) -> Column:
    facts = results.facts_of(name)
    title = column_title(results, name) if name in _ABOUT else axis_title(facts)
    return Column(title, about=_ABOUT.get(name, ""), best="high" if facts.higher_is_better else "low")


def _note(results: Results, scores: Sequence[str]) -> str:
    """How to read the table: direction, rates, times, intervals. scores: those of heads that it shows."""
    facts = [results.facts_of(name) for name in scores]
    lower = ", ".join(score.title for score in facts if not score.higher_is_better)
    direction = f"Lower is better for {lower}. " if lower else ""
    return (
        f"{direction}Rates are of whole files, headers included; times are medians over images in seconds, on "
        "one thread. Below a number stands its 95 % interval. A first click on a "
        "column puts the best on top. In the compressed domain decoding ends at the latents, "
        "and no image is made."
    )


def _cell_button(cell_id: str) -> Cell:
    if not cell_id:
        return Cell("–", cell_id)
    return Cell(element("button", cell_id, type="button", class_="cell", data_cell=cell_id), cell_id)

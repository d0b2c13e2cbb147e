"""A run as Jupyter shows it: what was measured, the summary table, the curves, and what a reader must know.

Everything is inside the text that is returned, the picture too, so a saved notebook needs no other file.
"""

from __future__ import annotations

import base64
import html
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from benchmarks.reporting.figures import rate_curves
from benchmarks.runs.codec_summary import codec_summary, rate_column, rates_shown
from benchmarks.runs.comparison_tables import of_kinds
from benchmarks.runs.display_names import displayed
from benchmarks.runs.domains import head_title
from benchmarks.runs.number_texts import score_text
from benchmarks.runs.results import Results
from benchmarks.text import one_line

_MOST_NOTES = 12
_CELL = 'style="text-align:{}; padding:2px 8px"'


def notebook_html(results: Results, title: str, notes: Sequence[str] = ()) -> str:
    """A run as one piece of HTML without scripts. notes: sentences below the curves."""
    if results.scores.empty:
        return f"<p>{html.escape(title)}: nothing was measured (a plan alone).</p>"
    named, notes = displayed(results, notes)
    parts = [f"<p><b>{html.escape(title)}</b></p>", _tables(named)]
    parts.append(f'<img alt="score against rate, one panel a head" style="max-width:100%" src="{_curves(results)}">')
    shown = [f"<li>{html.escape(one_line(note, 400))}</li>" for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        shown.append(f"<li>and {len(notes) - _MOST_NOTES} more</li>")
    return f'<div class="hsc-bench">{"".join(parts)}{"<ul>" + "".join(shown) + "</ul>" if shown else ""}</div>'


@contextmanager
def backend_kept() -> Iterator[None]:
    """Give matplotlib its backend back at the end: figures of ours are drawn into files, a notebook's own are not."""
    import matplotlib as mpl

    before = mpl.get_backend()
    try:
        yield
    finally:
        mpl.use(before)


def _curves(results: Results) -> str:
    """The curves as the address of an embedded PNG."""
    with tempfile.TemporaryDirectory() as folder, backend_kept():
        rate_curves.curves(results, Path(folder) / "curves")
        png = (Path(folder) / "curves.png").read_bytes()
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _tables(results: Results) -> str:
    """The summary, a table a head."""
    summary = codec_summary(results)
    rates = rates_shown(of_kinds(results, "score_at_rate"))
    parts = []
    for (head, route), rows in summary.groupby(["head", "route"], sort=False):
        title = head_title(summary, str(head), str(route))
        parts.append(f"<p>{html.escape(one_line(title))}</p>" + _table(results, rows, rates))
    return "".join(parts)


def _table(results: Results, rows: pd.DataFrame, rates: Sequence[float]) -> str:
    """One head's rows of the summary. rates: those at which the summary has scores."""
    metric = rows["metric"].iloc[0]
    facts = results.facts_of(metric)
    at_rates = {rate: name for rate in rates if rows[name := rate_column(metric, rate)].notna().any()}
    anchors = [anchor for anchor in dict.fromkeys(rows["anchor"]) if anchor]
    unit = " [%]" if facts.percent else ""
    titles = ["codec"]
    titles += [f"BD-rate vs {anchors[0]} [%]", "verdict"] if anchors else []
    titles += [f"{facts.title} at {rate:g} bpp{unit}" for rate in at_rates]
    titles += ["encode [ms]", "decode [ms]"]
    head = "".join(f"<th {_CELL.format('left' if n == 0 else 'right')}>{html.escape(t)}</th>"
                   for n, t in enumerate(titles))  # fmt: skip
    body = []
    for _, row in rows.iterrows():
        cells = [one_line(row["codec"])]
        cells += [_difference(row), str(row["verdict"])] if anchors else []
        cells += ["" if math.isnan(row[name]) else score_text(row[name], facts) for name in at_rates.values()]
        cells += ["" if math.isnan(row[name]) else f"{row[name]:.1f}" for name in ("encode_ms", "decode_ms")]
        body.append("<tr>" + "".join(f"<td {_CELL.format('left' if n == 0 else 'right')}>{html.escape(text)}</td>"
                                     for n, text in enumerate(cells)) + "</tr>")  # fmt: skip
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _difference(row: pd.Series) -> str:
    """BD-rate with its interval, or why there is none."""
    if math.isnan(row["bd_rate"]):
        return one_line(row["reason"], 120)
    ends = "" if math.isnan(row["bd_rate_low"]) else f" [{row['bd_rate_low']:+.1f}, {row['bd_rate_high']:+.1f}]"
    return f"{row['bd_rate']:+.1f}{ends}"

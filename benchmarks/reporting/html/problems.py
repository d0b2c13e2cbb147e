"""The page's table of what failed, was skipped or has no number, each with its status and reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.reporting.html.markup import Cell, Column, Markup, element, table
from benchmarks.runs.results import Results
from benchmarks.stats.noise_floor import second_label


def problems(results: Results, gallery: Mapping[str, Any] | None) -> Markup:
    """Scores and matched rates without a number, and pictures that are missing from the gallery."""
    scores, comparisons = results.scores, results.comparisons
    missing = scores[scores["status"] != "ok"]
    codecs = [second_label(row.codec) if row.ladder else row.codec for row in missing.itertuples()]
    lines = [
        (row.status, _joined(codec, row.point), row.head or "–", row.reason)
        for codec, row in zip(codecs, missing.itertuples(), strict=True)
    ]
    unmatched = comparisons[(comparisons["kind"] == "matched_rate") & (comparisons["status"] != "ok")]
    lines += [
        (row.status, _joined(row.codec, row.point), row.head or "–", row.reason) for row in unmatched.itertuples()
    ]
    failed = gallery["failed"] if gallery else []
    lines += [("no picture", f"{tile['codec']}, {tile['image']}", "–", tile["reason"]) for tile in failed]
    if not lines:
        return element("p", "Nothing failed and nothing was skipped.", class_="note")
    columns = [Column("Status", "text"), Column("Codec", "text"), Column("Head", "text"), Column("Reason", "text")]
    rows: list[tuple[dict[str, str], list[Cell]]] = [
        ({}, [*(Cell(text, text) for text in line[:3]), Cell(line[3], None, "", "prose")])
        for line in dict.fromkeys(lines)
    ]
    return table("problems-table", "Failed and skipped", columns, rows)


def _joined(codec: str, point: str) -> str:
    return " ".join(f"{codec} {point}".split()) or "–"

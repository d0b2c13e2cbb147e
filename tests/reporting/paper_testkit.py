"""Made-up runs for tests of the paper: three codecs whose numbers are known, written as a run's folder."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.api import Comparison, ScoreRow
from benchmarks.runs.csv_cells import write_csv
from benchmarks.runs.rows import frame

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
ODD = 'odd(name="50%_&_#1 {x} ~^ é東")'
FROZEN, ADAPTED, LATENT = (
    ("h_1(x=[a|b])", "image", "frozen"),
    ("tuned", "image", "adapted"),
    ("tuned", "latent", "adapted"),
)


@dataclass(frozen=True)
class Numbers:
    """What a run's two files hold."""

    scores: list[ScoreRow]
    comparisons: list[Comparison]


def numbers_of(task: str, heads: Sequence[tuple[str, str, str]], lead: float = 0.01) -> Numbers:
    """Three codecs, of which ``good`` is ahead of the others by ``lead``, give or take .02."""
    metric = {"detection": "ap", "segmentation": "miou"}[task]
    blank = ScoreRow("", task, "squares", "test", "", "", "", "image", "", "", "", 0, "bpp", math.nan, images=12)
    scores, comparisons = [], []
    for place, codec in enumerate(("good", "plain", ODD)):
        for step, bpp in enumerate(RATES):
            cell = f"{place}{step}"
            point = replace(blank, cell=cell, codec=codec, point=f"q={step}", unit="bit/pixel")
            scores += [
                replace(point, value=bpp, low=bpp * 0.9, high=bpp * 1.1),
                replace(point, metric="encode_s", value=0.01, unit="s"),
            ]
            for head, route, regime in heads:
                score = 0.1 + 0.08 * step - (0.03 if step == 4 else 0) - 0.02 * place
                read = replace(point, cell=cell + head + route, head=head, route=route, regime=regime)
                read = replace(read, metric=metric, unit="1")
                scores.append(replace(read, value=score, low=score - 0.03, high=score + 0.03))
    scores += [replace(blank, cell="o", codec="original", value=24.0, unit="bit/pixel")]
    for head, route, regime in heads:
        ceiling = replace(blank, head=head, route=route, regime=regime, unit="1", metric=metric, codec="original")
        scores.append(replace(ceiling, cell="o" + head + route, value=0.6, low=0.5, high=0.7))
        like = Comparison("score_at_rate", task, "squares", "test", metric, head, route, regime, unit="1", images=12)
        for bpp in (0.1, 0.2, 0.5, 1, 1.2, 1.5):
            comparisons += at_rate(replace(like, at_bpp=bpp), lead)
        comparisons += against_plain(replace(like, anchor="plain"))
    return Numbers(scores, comparisons)


SHARED = {"method": "pchip", "overlap_test": 0.9, "overlap_anchor": 0.8, "resamples": 1000}
REFUSED = "the curves share 9% of the test codec's and 10% of the anchor's interval"


def against_plain(like: Comparison) -> list[Comparison]:
    """Both Bjontegaard differences of the other codecs, one of them refused, and the noise floor."""
    rate, metric = replace(like, kind="bd_rate", unit="%"), replace(like, kind="bd_metric")
    good, odd = {"codec": "good", **SHARED}, {"codec": ODD, **SHARED}
    plain = {"codec": "plain", **SHARED}
    return [
        replace(rate, value=-20, low=-25, high=-15, **good),
        replace(rate, value=9, low=-1, high=19, refused=30, valued_low=-2, valued_high=21, **(odd | {"method": "fit"})),
        replace(rate, kind="lead_bd_rate", codec="good", other=ODD, value=-29, low=-35, high=-20),
        replace(metric, value=0.03, low=0.02, high=0.04, **good),
        replace(metric, codec=ODD, value=math.nan, status="n/a", reason=REFUSED),
        replace(like, kind="difference_at_rate", codec=ODD, at_bpp=0.25, value=-0.04, low=-0.06, high=-0.02),
        replace(rate, kind="noise_floor_rate", value=3, low=-1, high=6, **plain),
        replace(metric, kind="noise_floor_metric", value=0.001, **plain),
    ]


def at_rate(like: Comparison, lead: float) -> list[Comparison]:
    scores = {"good": 0.4, "plain": 0.4 - lead, ODD: 0.2}
    read = [
        replace(like, codec=codec, value=score, low=score - 0.05, high=score + 0.05, method="pchip")
        for codec, score in scores.items()
    ]
    ahead = replace(like, kind="lead_at_rate", codec="good")
    return read + [
        replace(ahead, other=codec, value=0.4 - score, low=0.4 - score - 0.02, high=0.42 - score)
        for codec, score in scores.items()
        if codec != "good"
    ]


def write_run(folder: Path, numbers: Numbers, **about: Any) -> Path:
    folder.mkdir(parents=True)
    task = numbers.scores[0].task
    write_csv(folder / "scores.csv", frame(numbers.scores, ScoreRow))
    write_csv(folder / "comparisons.csv", frame(numbers.comparisons, Comparison))
    cells: dict[str, Any] = {}
    for row in (row for row in numbers.scores if row.cell):
        config = {"quality": row.point, "note": "100%_$"}
        cells[row.cell] = {
            "codec": {"name": row.codec, "config": config, "provenance": {"libjpeg": "turbo 3.2.0"}},
            "curve": row.codec,
            "point": row.point,
        }
        if row.head:
            head = {
                "name": row.head,
                "config": {"score_threshold": 0.001, "weights": "/home/me/w.pt"},
                "provenance": {"weights_sha256": "ab" * 32},
            }
            cells[row.cell] |= {"head": head, "regime": row.regime, "route": row.route}
    described: dict[str, Any] = {
        "arguments": {
            "command": "python -m benchmarks.run --codec 'x(path=\"/home/me/a_b.toml\")' --out /home/me/out --quiet"
        },
        "task": {"name": task, "version": "1"},
        "dataset": {
            "name": "squares",
            "config": {"root": "/home/me/data"},
            "provenance": {"licence": "CC0"},
            "revision": "1",
            "images": list("abcdefghijkl"),
        },
        "anchors": ["plain"],
        "seed": 0,
        "resamples": 1000,
        "skipped": {"gone": "no such binary: install_it & run"},
        "cells": cells,
        "environment": {
            "commit": "c" * 40 + "+",
            "machine": {"processor": "a CPU", "cores": 2},
            "workers": 2,
            "packages": {"numpy": "1.26.4"},
        },
    }
    (folder / "run.json").write_text(json.dumps(described | about), encoding="utf-8")
    return folder

"""The facts of scores in ``run.json``, compared with those that the installed metrics declare.

Tables, axes and comparisons never rest on recorded facts of an installed metric, so that none of them can be forged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.runs import run_json
from benchmarks.runs.run_folder import Run
from benchmarks.stats.metric_facts import STREAM_FACTS
from benchmarks.verify.verdict import Verdict, verdicts


def check_facts(run: Run) -> Iterator[Verdict]:
    """Every score has facts; those in ``run.json`` are the ones its metric declares."""
    declared, recorded = run_json.declared_facts(run.about, run.task), run_json.recorded_facts(run.about)
    wrong = []
    for name in sorted(declared.keys() & recorded.keys()):
        for field in dataclasses.fields(declared[name]):
            written, expected = getattr(recorded[name], field.name), getattr(declared[name], field.name)
            if written != expected:
                wrong.append(f"run.json has {field.name} {written!r} for {name}, its metric declares {expected!r}")
    if recorded:  # scores that metrics declare since are in no folder of before
        wrong += [
            f"run.json has no facts of {name}, which a metric declares"
            for name in sorted((declared.keys() - run.about["facts"].keys()) & set(run.scores["metric"]))
        ]
    unknown = set(run.scores["metric"]) - run.results.facts.keys() - STREAM_FACTS.keys()
    wrong += [f"the score {name} of scores.csv has no facts in run.json" for name in sorted(unknown)]
    yield from verdicts("facts", wrong, f"the facts of {len(declared)} scores are those that their metrics declare")
    if foreign := sorted(recorded.keys() - declared.keys()):
        names = ", ".join(foreign[:12])
        yield Verdict("note", "facts", f"of metrics that are not installed here, taken from run.json: {names}")

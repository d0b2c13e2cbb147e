"""``hsc-bench update-card``: writes the scores that a run measured into the card of the weights that a head used.

    run folder --scores of the head on one codec--> table of rate and score --> the card's section "Scores"

A card names its weights by sha256, and a run names those that its heads used: scores of other weights are refused.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.api import ScoreRow
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.stats.metric_facts import axis_title
from benchmarks.text import one_line
from hsc.errors import DataError, UsageError
from hsc.files.atomic_files import write_text

if TYPE_CHECKING:  # what reads tables is imported by the functions that need it, so that --help is quick
    from benchmarks.runs.run_folder import Run

EXAMPLES = """
  hsc-bench run --task detection --codec hsc --head latent_detector --out results/runs/latent
  hsc-bench update-card results/runs/latent --head latent_detector --codec hsc
      prints the table
  hsc-bench update-card results/runs/latent --head latent_detector --codec hsc \\
      --card downstream/weights/latent_detector_both.md
      writes it into the card, in place of the scores that are there"""

HEADING = "## Scores"
AFTER = "Trained with"
"""The beginning of the line that follows the scores; the text from there on is kept."""


def section(run: Run, head: str, codec: str) -> str:
    """The scores of one head on one codec, as Markdown without its heading.

    Raises:
        UsageError: the run has no such curve.
    """
    task, metric = str(run.about["task"]["name"]), run.results.main_metric
    own = [row for row in run.score_rows if not row.part and not row.ladder]
    scores = {row.point: row for row in own if (row.codec, row.head, row.metric) == (codec, head, metric)}
    rates = {row.point: row for row in own if (row.codec, row.head, row.metric) == (codec, "", "bpp")}
    if not scores:
        known = sorted({f"{row.head} on {row.codec}" for row in own if row.head and row.metric == metric})
        raise UsageError(f"{run.folder} has no scores of {head} on {codec}; there are {', '.join(known)}")
    if without_rate := scores.keys() - rates.keys():
        raise UsageError(f"{run.folder} has a score but no rate of {codec} {min(without_rate)}; run it again")
    dataset, config = run.about["dataset"], run.about["dataset"]["config"]
    spec = one_line(f"{dataset['name']}(split={config['split']})" if "split" in config else dataset["name"])
    facts = run.results.facts_of(metric)
    return "\n".join(
        [
            f"{axis_title(facts)} on {len(run.images)} images of `{spec}` encoded with `{codec}`; in brackets the "
            f"middle 95 % of resampled images:",
            "",
            f"| point | bpp | {facts.title} |",
            "|---|---|---|",
            *(f"| {one_line(p)} | {rates[p].value:.4f} | {_with_interval(run, row)} |" for p, row in scores.items()),
            "",
            f'    python -m benchmarks.run --task {task} --dataset "{spec}" --codec "{codec}" --head "{head}"',
        ]
    )


def _with_interval(run: Run, row: ScoreRow) -> str:
    from benchmarks.runs.number_texts import interval_text, score_text

    facts = run.results.facts_of(row.metric)
    return score_text(row.value, facts) + interval_text(row.low, row.high, facts)


def into_card(card: str, scores: str) -> str:
    """A card's text with these scores in place of its own, or at its end where it has none."""
    before, heading, rest = card.partition(f"{HEADING}\n")
    kept = rest[rest.index(f"\n{AFTER}") :] if heading and f"\n{AFTER}" in rest else ""
    return f"{before.rstrip()}\n\n{HEADING}\n\n{scores}\n{kept}"


def check_weights(run: Run, head: str, card: str) -> None:
    """Refuse scores of other weights than the card's.

    Raises:
        DataError: the card does not name the weights that the run's head used.
    """
    used = [
        str(entry["provenance"].get("weights_sha256", ""))
        for entry in run.about.get("heads", [])
        if entry["label"] == head
    ]
    if not used or not re.fullmatch("[0-9a-f]{64}", used[0]) or used[0] not in card:
        raise DataError(
            f"{head} used weights of sha256 {', '.join(used) or 'unknown'}, which the card does not name; run it with "
            f"the card's weights"
        )


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser("update-card", "Write the scores of a head, as a run measured them, into its card.", EXAMPLES)
    parser.add_argument("run", metavar="RUN", type=Path, help="a folder that hsc-bench run wrote")
    parser.add_argument("--head", required=True, help="the head as the run names it")
    parser.add_argument("--codec", required=True, help="the codec as the run names it")
    parser.add_argument("--card", type=Path, metavar="FILE.md", help="the card; without it the table is printed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _update, argv)


def _update(options: argparse.Namespace) -> int:
    from benchmarks.runs.run_folder import load, made_from

    measured = load(options.run, complete=False)
    with made_from(options.run):
        scores = section(measured, options.head, options.codec)
    if options.card is None:
        sys.stdout.write(f"{scores}\n")
        return DONE
    if not options.card.is_file():
        raise UsageError(f"there is no card {options.card}; training writes one beside the weights")
    card = options.card.read_text("utf-8")
    check_weights(measured, options.head, card)
    write_text(options.card, into_card(card, scores))
    return DONE

"""Scores of a run for the card of the weights that a head used: ``hsc-bench update-card --help``.

    run folder --rows of the head on one codec--> table of rate and score --> the card's section "Scores"

A card names its weights by sha256 and a run names those that its heads used: scores of other weights are refused.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import TASKS, Row
from benchmarks.runs import verify_folder
from benchmarks.runs.run_folder import made_from
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.text import one_line
from hsc.errors import DataError, HscError, UsageError
from hsc.files.atomic_files import write_text

_EXAMPLES = """examples:
  python -m benchmarks.run --task detection --codec hsc --head latent_detector --out results/runs/latent
  hsc-bench update-card results/runs/latent --head latent_detector --codec hsc
      prints the table
  hsc-bench update-card results/runs/latent --head latent_detector --codec hsc --card downstream/weights/latent_detector_both.md
      writes it into the card, in the place of the scores that stand there"""

HEADING = "## Scores"
AFTER = "Trained with"
"""How the line begins that follows the scores; what stands from there on is kept."""


def section(run: RunFolder, head: str, codec: str) -> str:
    """The scores of one head on one codec, as Markdown without its heading.

    Raises:
        UsageError: the run has no such curve.
    """
    task = str(run.about["task"]["name"])
    metric = TASKS.get(task).main_metric
    scores = {
        r.point: r for r in run.rows if (r.codec, r.head, r.metric, r.anchor, r.part) == (codec, head, metric, "", "")
    }
    rates = {
        r.point: r for r in run.rows if (r.codec, r.head, r.metric, r.anchor, r.part) == (codec, "", "bpp", "", "")
    }
    if not scores:
        known = sorted({f"{r.head} on {r.codec}" for r in run.rows if r.head and r.metric == metric and not r.anchor})
        raise UsageError(f"{run.path} has no scores of {head} on {codec}; there are {', '.join(known)}")
    if lacking := scores.keys() - rates.keys():
        raise UsageError(f"{run.path} has no rate of {codec} {min(lacking)}, of which it has a score; run it again")
    of, config = run.about["dataset"], run.about["dataset"]["config"]
    data = one_line(f"{of['name']}(split={config['split']})" if "split" in config else of["name"])
    lines = [
        f"In percent, on what `{codec}` leaves of `{data}`, {len(run.images)} images; in brackets the middle 95 % of "
        f"resampled images:",
        "",
        f"| point | bpp | {metric} |",
        "|---|---|---|",
        *(f"| {one_line(point)} | {rates[point].value:.4f} | {_with_interval(r)} |" for point, r in scores.items()),
        "",
        f'    python -m benchmarks.run --task {task} --dataset "{data}" --codec "{codec}" --head "{head}"',
    ]
    return "\n".join(lines)


def _with_interval(row: Row) -> str:
    ends = "" if math.isnan(row.low) else f" [{100 * row.low:.1f}, {100 * row.high:.1f}]"
    return f"{100 * row.value:.1f}{ends}"


def into_card(card: str, scores: str) -> str:
    """A card's text with these scores in the place of its own, or at its end where it has none."""
    before, found, rest = card.partition(f"{HEADING}\n")
    kept = rest[rest.index(f"\n{AFTER}") :] if found and f"\n{AFTER}" in rest else ""
    return f"{before.rstrip()}\n\n{HEADING}\n\n{scores}\n{kept}"


def check_weights(run: RunFolder, head: str, card: str) -> None:
    """Refuse scores of other weights than the card's.

    Raises:
        DataError: the weights that the run's head used are not named in the card.
    """
    used = [
        str(one["provenance"].get("weights_sha256", "")) for one in run.about.get("heads", []) if one["label"] == head
    ]
    if not used or not re.fullmatch("[0-9a-f]{64}", used[0]) or used[0] not in card:
        raise DataError(
            f"{head} used weights of sha256 {', '.join(used) or 'unknown'}, which the card does not name; run it "
            f"with the card's weights"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench update-card",
        description="Write what a run measured of a head into the card of its weights.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--head", required=True, help="as the run names it")
    parser.add_argument("--codec", required=True, help="as the run names it")
    parser.add_argument("--card", type=Path, help="Markdown file; without it the table is printed")
    chosen = parser.parse_args(arguments)
    try:
        run = verify_folder.read(chosen.run)
        with made_from(chosen.run):
            scores = section(run, chosen.head, chosen.codec)
        if chosen.card is None:
            sys.stdout.write(f"{scores}\n")
            return 0
        if not chosen.card.is_file():
            raise UsageError(f"there is no card {chosen.card}; training writes one beside the weights")
        card = chosen.card.read_text("utf-8")
        check_weights(run, chosen.head, card)
        write_text(chosen.card, into_card(card, scores))
    except HscError as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 2
    return 0

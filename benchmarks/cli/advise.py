"""``hsc-bench advise``: which setting of which codec is enough for a head, or the best within a size."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.command import DONE, FAILED, new_parser, run, warn
from benchmarks.cli.options import (
    add_cache,
    add_codec_file,
    add_device,
    add_executor,
    add_limit_and_seed,
    add_quiet,
    add_timeout,
    codecs_with_files,
    executor,
)
from benchmarks.stats.bootstrap import RESAMPLES
from benchmarks.text import one_line
from hsc.errors import ResultsError, UsageError

MINUTES = 5.0
EXAMPLES = """
  hsc-bench advise --head small
      for each codec of the task the smallest setting that keeps 95 and 99 % of the AP on the originals
  hsc-bench advise --dataset 'coco(images="photos", annotations="labels.json")' \\
      --head 'onnx(path="yolox_nano.onnx", format=yolox)'
      your own photos, labels and detector
  hsc-bench advise --dataset 'images(path="photos")' --head small --keep 90 --codec jpeg --codec vvc
      no labels: what the head finds in the originals stands in for them
  hsc-bench advise --head small --budget-kb 20
      the other question: the best score within 20 kB an image
  hsc-bench advise --head small --minutes 0 --out results/runs/advice
      search until every border is found, and write advice.csv, the run of all settings that were tried, and its page
  hsc-bench advise --head small --csv > advice.csv
      the answers as CSV

What is coded is in the cache: a second question about the same images costs seconds, and a search that the time has
ended goes on where it was."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "advise",
        "For each codec, find the setting of the smallest files that keep a share of a head's score on the originals, "
        "with 95 % confidence that other images of the kind keep it, too; or the best score within a size.",
        EXAMPLES,
        failed="some codec could code nothing (named below the table)",
        refused="the request cannot be met, or the images are too few for a promise",
    )
    _add_subject(parser.add_argument_group("the question"))
    _add_execution(parser.add_argument_group("how to answer it"))
    _add_output(parser.add_argument_group("where the answer goes"))
    return parser


def _add_subject(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--task", default="detection", help="task of the head (default: %(default)s)")
    group.add_argument("--dataset", metavar="SPEC", help="images, and labels if there are any (default: the task's)")
    group.add_argument("--head", metavar="SPEC", help="the head, one that reads images (default: the task's first)")
    group.add_argument(
        "--codec",
        metavar="SPEC",
        action="append",
        help="a codec to be searched along its whole quality scale; settings named in it are where the search begins; "
        "may be repeated (default: the task's)",
    )
    add_codec_file(group)
    group.add_argument("--metric", metavar="SPEC", help="judge by this metric's main score in place of the task's")
    group.add_argument(
        "--keep",
        metavar="PERCENT",
        type=float,
        nargs="+",
        help="percent of the score on the originals to be kept (default: 95 99)",
    )
    group.add_argument(
        "--budget-kb", metavar="N", type=float, help="the best score within N kB (1000 bytes) an image, on the mean"
    )
    add_limit_and_seed(group)
    group.add_argument(
        "--resamples",
        metavar="N",
        type=int,
        default=RESAMPLES,
        help="bootstrap resamples of the images (default: %(default)s)",
    )


def _add_execution(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--minutes",
        metavar="N",
        type=float,
        default=MINUTES,
        help="try settings on as many images as there is time for, at least 32, and begin none that would end later, "
        "but for the first of each codec; 0 for all images and no limit (default: %(default)g)",
    )
    add_executor(group)
    add_device(group)
    group.add_argument(
        "--repeats",
        metavar="N",
        type=int,
        default=1,
        help="take each time N times and keep the median (default: 1)",
    )
    add_timeout(group)
    add_quiet(group)


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--csv", action="store_true", help="print the answers as CSV in place of tables")
    group.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="folder for advice.csv and for the files of a run of all settings that were tried, with its page "
        "(default: no files)",
    )
    group.add_argument(
        "--overwrite-folder",
        action="store_true",
        help="replace a finished run in the folder, which is refused otherwise",
    )
    add_cache(group)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    stopped = "stopped; measurements are kept, run the same line again to go on"
    return run(parser(), _advise, argv, if_stopped=stopped)


def _advise(options: argparse.Namespace) -> int:
    from benchmarks.advice import advising, saving
    from benchmarks.advice.question import questions
    from benchmarks.harness.progress import Bar, Silent
    from benchmarks.runs.csv_cells import csv_text

    started = time.monotonic()
    asked = questions(_shares(options.keep), None if options.budget_kb is None else 1000 * options.budget_kb)
    if options.out:
        saving.check_folder(options.out, overwrite=options.overwrite_folder)
    progress = Silent() if options.quiet else Bar()
    config = advising.configure(
        options.task,
        options.dataset,
        codecs_with_files(options),
        options.head,
        metric=options.metric,
        limit=options.limit,
        seed=options.seed,
        repeats=options.repeats,
        resamples=options.resamples,
    )
    with executor(options) as workers:
        advice = advising.advise_on(
            config,
            asked,
            minutes=options.minutes,
            executor=workers,
            device=options.device,
            cache=options.cache,
            progress=progress,
            tell=warn,
        )
    if options.out:
        try:
            saving.save(advice, options.out, overwrite=options.overwrite_folder, progress=progress)
        except OSError as error:
            raise ResultsError(
                f"cannot write into {options.out}: {error.strerror or error}; is the disk full?"
            ) from error
    sys.stdout.write(csv_text(advice.table) if options.csv else advice.text)
    sys.stdout.flush()
    if options.out:
        sys.stderr.write(f"advice.csv and the page report.html are in {one_line(options.out)}\n")
    sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
    return FAILED if any(row.status == "failed" for row in advice.rows) else DONE


def _shares(percents: Sequence[float] | None) -> list[float] | None:
    """Shares from percent. Raises UsageError, also for what looks like a share."""
    for percent in percents or ():
        if not 1 <= percent <= 100:
            raise UsageError(f"--keep came as {percent:g}, expected percent from 1 to 100, as in --keep 95 99")
    return None if percents is None else [percent / 100 for percent in percents]

"""``hsc-bench run --preview``: the run's summary over a few of its images, within a minute or two, and no files.

What is encoded for it is in the cache, so the run itself does not encode it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from benchmarks import evaluation
from benchmarks.cli.command import DONE, FAILED
from benchmarks.cli.run_parser import PREVIEW_IMAGES
from benchmarks.harness.config import Config
from benchmarks.harness.guard import why_unavailable
from benchmarks.harness.progress import Progress
from benchmarks.runs.summary import summary_of
from benchmarks.runs.summary_text import screen
from benchmarks.text import one_line


def preview(config: Config, options: argparse.Namespace, progress: Progress, tell: Callable[[str], None]) -> int:
    """Run the first look at a run and print its summary; returns the exit code.

    options: ``workers``, ``device``, ``cache`` and ``timeout_s`` of ``hsc-bench run``. tell: is given warnings.

    Raises:
        HscError: the run itself could not be made either.
    """
    if 0 < config.limit <= PREVIEW_IMAGES:
        sys.stderr.write(f"no preview: the run itself has only {config.limit} images\n")
        return DONE
    outcome = evaluation.run(
        first_look(config),
        workers=options.workers,
        device=options.device,
        cache=options.cache,
        progress=progress,
        timeout_s=options.timeout_s,
        tell=tell,
    )
    images, readers = len(outcome.plan.images), outcome.plan.config.readers
    mark = f"PREVIEW: {images} images, head {one_line(readers[0].label)} alone, no intervals; no files are written"
    shown = screen(summary_of(outcome.results, outcome.plan.notices))
    sys.stdout.write(f"{mark}\n\n{shown}\n{mark}\n")
    sys.stdout.flush()
    for line in outcome.failed:
        sys.stderr.write(f"failed: {one_line(line)}\n")
    return FAILED if outcome.failed else DONE


def first_look(config: Config) -> Config:
    """The same run over ``PREVIEW_IMAGES`` images, with one head, without intervals and without a noise floor.

    The head is the first one on decoded images that can run here, since those read every codec.
    """
    readers = sorted(config.readers, key=lambda reader: reader.route != "image")
    usable = [reader for reader in readers if why_unavailable(reader.head) is None] or readers
    curves = tuple(curve for curve in config.curves if not curve.second_of)
    return replace(config, limit=PREVIEW_IMAGES, readers=tuple(usable[:1]), curves=curves, resamples=0)

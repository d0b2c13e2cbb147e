"""``hsc-bench run``: the command line of the benchmark."""

from __future__ import annotations

import argparse
import errno
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS, TASKS
from benchmarks.cli.listing import REGISTRIES, listing
from benchmarks.evaluation import Outcome, configure, require, run
from benchmarks.harness.config import Config
from benchmarks.harness.endings import Stopped, listened
from benchmarks.harness.executors import TIMEOUT_S
from benchmarks.harness.plan import Cell
from benchmarks.harness.progress import Bar, Silent
from benchmarks.imaging.image_files import shown
from benchmarks.reporting.images import gallery
from benchmarks.reporting.rehearsal import rehearse
from benchmarks.reporting.save_run import writable, write
from benchmarks.stats.bootstrap import RESAMPLES
from benchmarks.text import one_line
from hsc.errors import HscError, ResultsError, UsageError

DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130


EXAMPLES = """examples:
  python -m benchmarks.run --task detection
      the embedded data set, heads and codecs; nothing is downloaded
  python -m benchmarks.run --task detection --limit 8 --codec jpeg --codec 'vvc(qp=[47, 42, 37, 32], preset=fast)'
      a quick look: two codecs, eight images
  python -m benchmarks.run --task detection --dataset 'coco(images="val2017", annotations="instances_val2017.json")' \\
      --head 'onnx(path="yolox_nano.onnx", format=yolox)' --codec 'jpeg(quality=[5, 10, 20, 35, 50, 75])' --codec bpg
      your photos and labels, your detector
  python -m benchmarks.run --codec-file mycodec.toml --require mycodec
      a codec of your own from its command lines, beside the default ones; exit 2 at once if it cannot run
  python -m benchmarks.run --codec hsc --codec 'vvc(scale=[1.0, 0.5])' --codec 'vvc(preset=medium)' --anchor vvc --anchor 'front(of=vvc)'
      against VVC as it comes, and against the best of its presets and scales at each rate
  python -m benchmarks.run --match-bpp 0.05 0.1 0.2 --codec hsc --codec vvc --codec bpg
      each codec at these rates, its own quality scale searched for them; the table says what it got
  python -m benchmarks.run --task detection --codec hsc --head small --head 'latent_detector(weights="latent_detector_both.safetensors")'
      the same bytes by two routes: through the decoded image, and straight from the latents; --route latent for the second alone
  python -m benchmarks.run --task detection --codec cut
      accuracy against the layers received: how many bytes does a machine need before it knows?
  python -m benchmarks.run --task detection --dataset mismatched --codec hsc
      a control: each image scored by the labels of another; after a run on roadscenes nothing is coded again
  python -m benchmarks.run --keep-streams 8 --out results/mine, then hsc-bench verify results/mine
      the run's folder keeps the bitstreams of eight images; the second line decodes, reads and scores them again
  python -m benchmarks.run --list codecs
  python -m benchmarks.run --dry-run --task detection

exit codes: 0 done, 1 some cells failed (named on stderr), 2 the request cannot be met, 130 stopped (143 by SIGTERM)"""


def parser() -> argparse.ArgumentParser:
    """The arguments, with their help."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="How well machines see what codecs leave: rate, accuracy and time of each codec, on a data set, with one "
        "or more heads.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = made.add_argument_group("what to run")
    what.add_argument("--task", default="detection", help="the machine's job (default: %(default)s)")
    what.add_argument("--dataset", metavar="SPEC", help="images and labels (default: the task's)")
    what.add_argument(
        "--codec",
        metavar="SPEC",
        action="append",
        help="a codec; a list is a sweep of points; may be repeated (default: the task's)",
    )
    what.add_argument(
        "--codec-file",
        metavar="TOML",
        action="append",
        help="a program described in TOML joins the codecs; may be repeated",
    )
    what.add_argument(
        "--head", metavar="SPEC", action="append", help="a detector or segmenter; may be repeated (default: the task's)"
    )
    what.add_argument(
        "--route",
        choices=("image", "latent", "both"),
        default="both",
        help="heads on images, on latents, or both (default: %(default)s)",
    )
    what.add_argument(
        "--anchor",
        metavar="CODEC",
        action="append",
        help="Bjontegaard differences are against this codec of the run, or against the Pareto front of several, "
        "written front(of=vvc) for all "
        "curves of one codec or front(of=(vvc, bpg)); may be repeated (default: the task's)",
    )
    what.add_argument(
        "--resamples",
        metavar="N",
        type=int,
        default=RESAMPLES,
        help="draws of the images for the 95 %% intervals; 0 for none (default: %(default)s)",
    )
    what.add_argument(
        "--match-bpp",
        metavar="BPP",
        type=float,
        nargs="+",
        default=(),
        help="in place of its ladder, each codec's points are those of its scale that take this many bits a pixel, "
        "within 5 %%, over the data set",
    )
    what.add_argument(
        "--no-null-floor",
        action="store_true",
        help="do not code the last anchor's second ladder, whose BD numbers ought to be 0",
    )
    what.add_argument(
        "--require",
        metavar="CODEC",
        action="append",
        default=[],
        help="exit 2 before anything runs if this codec cannot",
    )
    what.add_argument(
        "--limit",
        metavar="N",
        type=int,
        default=0,
        help="only N images: the first, or drawn at random with a --seed other than 0",
    )
    what.add_argument(
        "--seed", metavar="N", type=int, default=0, help="seed of everything drawn at random (default: 0)"
    )
    how = made.add_argument_group("how to run it")
    how.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes of one thread each (default: one a core)"
    )
    how.add_argument(
        "--device", default="cpu", help="where heads and learned codecs run: cpu, cuda, cuda:1 (default: %(default)s)"
    )
    how.add_argument(
        "--repeats",
        metavar="N",
        type=int,
        default=1,
        help="time everything N times and keep the median (default: 1); what is kept of other repeats, workers, "
        "device or host is timed anew",
    )
    how.add_argument(
        "--overwrite",
        choices=("missing", "always", "never"),
        default="missing",
        help="code and time what is missing, everything, or nothing",
    )
    how.add_argument(
        "--timeout-s",
        metavar="S",
        type=float,
        default=TIMEOUT_S,
        help="a codec, head or data set that takes longer for an image is ended, and the image has failed (default: "
        "%(default)g)",
    )
    how.add_argument("--dry-run", action="store_true", help="show the plan: cells, what is known, what will run")
    how.add_argument("--quiet", action="store_true", help="no progress on stderr")
    where = made.add_argument_group("where it goes")
    where.add_argument(
        "--out", metavar="DIR", type=Path, help="folder of the run's files (default: results/runs/<name>)"
    )
    where.add_argument("--name", help="the run's name (default: the task's name)")
    where.add_argument(
        "--keep-streams",
        metavar="N",
        type=int,
        default=0,
        help="keep the bitstreams of N images in the run's folder, spread over the data set, for hsc-bench verify "
        "(default: none)",
    )
    where.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=Path("results/cache"),
        help="streams and predictions kept (default: %(default)s)",
    )
    where.add_argument(
        "--gallery",
        metavar="N",
        type=int,
        default=gallery.IMAGES,
        help="pictures of N images for the page; 0 for none (default: %(default)s)",
    )
    made.add_argument(
        "--list", choices=sorted(REGISTRIES), dest="listed", help="name, availability, reason; one line each"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        with listened():
            words = list(sys.argv[1:] if arguments is None else arguments)
            check_words(words)
            if options.listed:
                _described(options)
                sys.stdout.write(listing(REGISTRIES[options.listed]))
                return DONE
            return _benchmark(options, words)
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    except BrokenPipeError:  # the reader of our table (head, less) has left
        sys.stdout = None
        return DONE
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"error: {unwritten(error)}\n")
        return USAGE
    except KeyboardInterrupt as stop:
        sys.stderr.write("stopped; what was measured is kept, run the same line again to go on\n")
        return 128 + stop.number if isinstance(stop, Stopped) else STOPPED


def unwritten(error: OSError | sqlite3.Error, folder: Path | None = None) -> str:
    """What a full disk, or another trouble with files, means for a run, in one sentence. folder: where it was writing."""
    if isinstance(error, sqlite3.Error):
        return f"the cache cannot be used: {error}; is the disk full? What was measured before is kept"
    where = f" {error.filename}" if error.filename else f" a file in {folder}" if folder else " a file"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    cure = (
        "make room, or name another folder with --out or --cache"
        if full
        else "see that the folders of --out and --cache can be written"
    )
    return f"cannot read or write{where}: {error.strerror or error}; {cure}, and run the same line again to go on"


def check_words(words: Sequence[str]) -> None:
    """Refuse a command line that no file of a run could repeat, before anything is coded.

    Raises:
        UsageError: a word of it holds bytes that are not UTF-8.
    """
    for word in words:
        if shown(word) != word:
            raise UsageError(
                f"the argument {shown(word)!r} holds bytes that are not UTF-8; rename the file or folder, or give a "
                f"link with a plain name"
            )


def _benchmark(options: argparse.Namespace, words: Sequence[str]) -> int:
    started = time.monotonic()
    config = _config(options)
    gallery.check_images(options.gallery)
    require(config, options.require)
    folder = options.out or Path("results/runs") / (options.name or options.task)
    if not options.dry_run:
        writable(folder)
    progress = Silent() if options.quiet else Bar()
    how = {
        "workers": options.workers,
        "device": options.device,
        "cache": options.cache,
        "dry": options.dry_run,
        "timeout_s": options.timeout_s,
    }
    outcome = run(config, progress=progress, keep_streams=options.keep_streams, tell=_warn, rehearse=rehearse, **how)
    if options.dry_run:
        sys.stdout.write(planned(outcome))
        return DONE
    try:
        table = write(outcome, folder, options, words, progress)
    except OSError as error:
        raise ResultsError(f"the run's files: {unwritten(error, folder)}") from error
    sys.stdout.write(table)
    sys.stderr.write(f"{time.monotonic() - started:.0f} s; files in {folder}\n")
    for line in outcome.failed:
        sys.stderr.write(f"failed: {one_line(line)}\n")
    return FAILED if outcome.failed else DONE


def _warn(text: str) -> None:
    """One sentence on stderr, at once."""
    sys.stderr.write(f"warning: {one_line(text)}\n")
    sys.stderr.flush()


def _config(options: argparse.Namespace) -> Config:
    made = {name: getattr(options, name) for name in ("route", "limit", "seed", "repeats", "overwrite", "resamples")}
    made |= {"match_bpp": options.match_bpp, "null_floor": not options.no_null_floor}
    codecs = options.codec
    if described := _described(options):
        codecs = list(TASKS.get(options.task).codecs) if codecs is None else codecs
        named = {CODECS.parse(spec).name for spec in codecs}
        codecs = [*codecs, *(name for name in described if name not in named)]
    return configure(options.task, options.dataset, codecs, options.head, anchors=options.anchor, **made)


def _described(options: argparse.Namespace) -> list[str]:
    """The codecs of ``--codec-file``, by name; from here on they are as known as any."""
    if not options.codec_file:
        return []
    from benchmarks.codecs.command import load_codec_file

    return [name for path in options.codec_file for name in load_codec_file(path)]


def planned(outcome: Outcome) -> str:
    """The plan in words: one line a cell."""
    plan = outcome.plan
    lines = [_known(cell, len(plan.images)) for cell in plan.cells]
    rates = ", ".join(f"{rate:g}" for rate in plan.config.match_bpp)
    lines += (
        [f"from these points on, those at {rates} bpp will be searched for, without heads; heads read what is found"]
        if rates
        else []
    )
    lines += [f"skipped: {label}: {reason}" for label, reason in plan.skipped.items()]
    lines += [f"left out: head {plan.config.heads[number][0]}: {one.reason}" for number, one in plan.unfit.items()]
    lines += [f"note: {text}" for text in plan.notices]
    lines += [
        f"{len(plan.cells)} cells x {len(plan.config.heads)} heads x {len(plan.images)} images; {plan.todo} images "
        f"to code or read"
    ]
    if plan.retimed:
        lines += [
            f"{plan.retimed} of them are known and are only timed anew: no times of these conditions are kept "
            f"({plan.conditions})"
        ]
    return "\n".join(lines) + "\n"


def _known(cell: Cell, images: int) -> str:
    anew = f", {cell.retimed} of them to be timed anew" if cell.retimed else ""
    return (
        f"{cell.curve} {cell.point}".strip() + f": {images - cell.todo + cell.retimed} of {images} images known{anew}"
    )

"""``hsc-bench cache``: what a cache holds, what of it can be removed, and whether it is sound."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.command import DONE, FAILED, new_parser, run
from benchmarks.text import one_line
from hsc.errors import UsageError

if TYPE_CHECKING:  # what reads a cache is imported when there is one, so that --help is quick
    from benchmarks.cache.contents import Amount, Contents
    from benchmarks.cache.prune import Removal

EXAMPLES = """
  hsc-bench cache
      how large results/cache is, and what its streams and predictions are of
  hsc-bench cache prune --keep-runs --dry-run
      how much would go if only what the runs in results/runs were made from stayed
  hsc-bench cache prune --keep-runs results/runs/detection /data/runs
      keep what this run, and the runs in that folder, were made from
  hsc-bench cache prune --older-than 30
      remove the operating points that no run has used for 30 days
  hsc-bench cache verify --cache /scratch/hsc-cache
      read every record and every file of a cache, and name those that are damaged

Removed results are measured again when a run needs them. Scores and their resampled values are small and stay, except
with --all. While a run uses the cache, show and verify work, and prune refuses. Versions of hsc-bench that are older
than this command do not announce their runs: let those end before you prune."""
RUNS = Path("results/runs")
_NAMED = 3
"""So many damaged records of a kind are named."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "cache",
        "Show what a cache holds, prune what is not needed any more, or verify that all of it is sound.",
        EXAMPLES,
        failed="verify has found damage",
        refused="there is no cache, or a run is using it",
    )
    parser.add_argument(
        "action", choices=("show", "prune", "verify"), nargs="?", default="show", help="default: %(default)s"
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=Path("results/cache"),
        help="the folder that runs had as --cache (default: %(default)s)",
    )
    group = parser.add_argument_group("prune", "one of these says what is removed")
    rule = group.add_mutually_exclusive_group()
    rule.add_argument(
        "--keep-runs",
        metavar="FOLDER",
        type=Path,
        nargs="*",
        help=f"all streams and predictions but those that finished runs were made from: runs in these folders, or "
        f"right below them (default: {RUNS})",
    )
    rule.add_argument(
        "--older-than",
        metavar="DAYS",
        type=float,
        help="streams and predictions of operating points that no run has used for so many days",
    )
    rule.add_argument("--all", action="store_true", help="everything, scores too")
    group.add_argument("--dry-run", action="store_true", help="remove nothing; say what would be removed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _cache, argv)


def _cache(options: argparse.Namespace) -> int:
    rules = options.keep_runs is not None, options.older_than is not None, options.all
    if options.action != "prune" and (any(rules) or options.dry_run):
        raise UsageError(f"{options.action} removes nothing, so it has no rule; write hsc-bench cache prune")
    if options.action == "prune":
        if not any(rules):
            raise UsageError("prune needs one rule: --keep-runs, --older-than DAYS or --all")
        return _prune(options)
    return _verify(options.cache) if options.action == "verify" else _show(options.cache)


def _show(folder: Path) -> int:
    from benchmarks.cache.contents import contents
    from benchmarks.cache.opened import opened

    with opened(folder) as cache:
        sys.stdout.write(shown(folder, contents(cache)))
    return DONE


def shown(folder: Path, held: Contents) -> str:
    """The text of ``hsc-bench cache show``."""
    rows = [("codec", "data set", "points", "streams", "bytes", "predictions", "bytes", "last used")]
    for usage in sorted(held.usages, key=lambda usage: -usage.streams.size_bytes - usage.predictions.size_bytes):
        known = bool(usage.codec)
        rows.append(
            (
                one_line(usage.codec, 60) if known else "not known",
                one_line(usage.dataset, 60) if known else "(of an older version)",
                f"{usage.points}" if known else "",
                f"{usage.streams.records:,}",
                size_text(usage.streams.size_bytes),
                f"{usage.predictions.records:,}",
                size_text(usage.predictions.size_bytes),
                f"{datetime.fromtimestamp(usage.used):%Y-%m-%d}" if known and usage.used else "",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 or column > 6 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    small = ", ".join(f"{count:,} {table}" for table, count in held.small.items())
    return (
        f"{folder}: {size_text(held.database_bytes)} in the database, {size_text(held.files.size_bytes)} in "
        f"{held.files.records:,} files of streams\n\n" + "\n".join(lines if held.usages else []) + f"\nalso: {small}\n"
    )


def _prune(options: argparse.Namespace) -> int:
    from benchmarks.cache import prune

    if options.all:
        removal = prune.prune_all(options.cache, dry=options.dry_run)
    elif options.older_than is not None:
        removal = prune.prune_older(options.cache, options.older_than, dry=options.dry_run)
    else:
        removal = prune.prune_others(options.cache, options.keep_runs or [RUNS], dry=options.dry_run)
    sys.stdout.write(_removed(removal, dry=options.dry_run))
    return DONE


def _removed(removal: Removal, *, dry: bool) -> str:
    def text(amount: Amount, noun: str) -> str:
        return f"{amount.records:,} {noun}{'s' * (amount.records != 1)} ({size_text(amount.size_bytes)})"

    return (
        f"{'would remove' if dry else 'removed'} {text(removal.streams, 'stream')} and "
        f"{text(removal.predictions, 'prediction')}; {text(removal.files, 'file')} of streams among them\n"
    )


def _verify(folder: Path) -> int:
    from benchmarks.cache.check import check
    from benchmarks.cache.opened import opened

    damaged = 0
    with opened(folder) as cache:
        for kind in check(cache):
            names = ", ".join(one_line(key, 12) for key in kind.damaged[:_NAMED])
            more = f", and {len(kind.damaged) - _NAMED:,} more" if len(kind.damaged) > _NAMED else ""
            state = f"{len(kind.damaged):,} damaged: {names}{more}" if kind.damaged else "sound"
            sys.stdout.write(f"{kind.title}: {kind.records:,}, {state}\n")
            damaged += len(kind.damaged)
    sys.stdout.write(
        f"{damaged:,} records are damaged; runs measure them again\n" if damaged else "the cache is sound\n"
    )
    return FAILED if damaged else DONE


def size_text(size_bytes: int) -> str:
    """A number of bytes in the largest unit that it fills.

    >>> size_text(0), size_text(16_384), size_text(3_100_000_000)
    ('0 B', '16.4 kB', '3.1 GB')
    """
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"

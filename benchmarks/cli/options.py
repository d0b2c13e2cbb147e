"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from benchmarks.harness.executors import Executor, Inline, Processes
from hsc.errors import UsageError


def add_codec_file(parser: argparse._ActionsContainer) -> None:
    """``--codec-file TOML``, which may be repeated."""
    parser.add_argument(
        "--codec-file",
        metavar="TOML",
        action="append",
        default=[],
        help="add an external codec described in TOML; may be repeated",
    )


def load_codec_files(paths: Sequence[str]) -> list[str]:
    """Register the codecs of ``--codec-file``; returns their names.

    Raises:
        UsageError: a file is missing or does not describe a codec.
    """
    if not paths:
        return []
    from benchmarks.codecs.command import load_codec_file

    return [name for path in paths for name in load_codec_file(path)]


def add_workers(parser: argparse._ActionsContainer) -> None:
    """``--workers N``."""
    parser.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes of one thread each (default: one per core)"
    )


def executor(workers: int) -> Executor:
    """What does the work of ``--workers``: one process a worker, or this process for one worker.

    Raises:
        UsageError: a negative number of workers.
    """
    if workers < 0:
        raise UsageError(f"workers came as {workers}, expected 1 or more, or 0 for one per core")
    workers = workers or len(os.sched_getaffinity(0))
    return Processes(workers) if workers > 1 else Inline()


def add_device(parser: argparse._ActionsContainer) -> None:
    """``--device``."""
    parser.add_argument(
        "--device", default="cpu", help="device of heads and learned codecs: cpu, cuda, cuda:1 (default: %(default)s)"
    )

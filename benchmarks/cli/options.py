"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.files.remote_paths import check_remote
from benchmarks.harness.executors import RETRIES, TIMEOUT_S, Executor, Inline, Processes
from hsc.errors import UsageError

if TYPE_CHECKING:
    from benchmarks.api import Dataset


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


def codecs_with_files(options: argparse.Namespace) -> list[str] | None:
    """The specs of ``--codec``, or of the task, with the codecs of ``--codec-file``; None where neither was given.

    Raises:
        UsageError: as ``load_codec_files``.
    """
    from benchmarks.api import CODECS, TASKS

    codecs: list[str] | None = options.codec
    if described := load_codec_files(options.codec_file):
        codecs = list(TASKS.get(options.task).codecs) if codecs is None else codecs
        named = {CODECS.parse(spec).name for spec in codecs}
        codecs = [*codecs, *(name for name in described if name not in named)]
    return codecs


def dataset_of(spec: str) -> Dataset:
    """The data set of a spec, with its files fetched.

    Raises:
        UsageError: the spec is wrong, or has a URI that cannot be read here.
    """
    from benchmarks.api import DATASETS
    from benchmarks.harness.progress import Bar
    from hsc.weights.fetching import fetch_all

    check_remote(spec)
    dataset = DATASETS.build(spec)
    fetch_all([dataset], Bar())
    return dataset


def add_workers(parser: argparse._ActionsContainer) -> None:
    """``--workers N``."""
    parser.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes of one thread each (default: one per core)"
    )


def add_executor(parser: argparse._ActionsContainer) -> None:
    """``--workers N``, and the options of what the work is done by."""
    add_workers(parser)
    parser.add_argument(
        "--executor",
        choices=("processes", "ray", "inline"),
        help="what does the work: processes of this machine, the machines of a Ray cluster, or this process alone for "
        "debugging (default: processes)",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="address of the Ray cluster (default: the one that Ray finds, or a new one on this machine)",
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=int,
        default=RETRIES,
        help="with Ray, how often work is tried again whose machine was lost (default: %(default)s)",
    )
    parser.add_argument(
        "--gpus-per-worker",
        metavar="N",
        type=float,
        help="with Ray, GPUs that it sets aside for each process, such as 0.25 (default: 1 with --device cuda, else 0)",
    )
    parser.add_argument(
        "--gpus-per-reader",
        metavar="N",
        type=float,
        help="with Ray, two kinds of jobs side by side: processes without a GPU code, on the CPU, and processes that "
        "have N GPUs each, such as 0.25, decode the streams for the heads; codecs whose identity names the device, as "
        "hsc and compressai, code where the heads read (default: one job codes and reads)",
    )


@contextlib.contextmanager
def executor(options: argparse.Namespace, *, alone: bool = False) -> Iterator[Executor]:
    """What does the work that the options of ``add_executor`` describe, for the length of a ``with`` block.

    alone: whether one worker is this process itself, where nothing was said of executors.

    Raises:
        UsageError: a number is out of range, or an option of Ray stands without it.
        UnavailableError: Ray is not installed, or there is no cluster.
    """
    workers, kind = options.workers, options.executor or "processes"
    timeout_s = getattr(options, "timeout_s", TIMEOUT_S)
    if workers < 0:
        raise UsageError(f"workers came as {workers}, expected 1 or more, or 0 for one per core")
    if kind != "ray":
        for name in ("ray_address", "gpus_per_worker", "gpus_per_reader"):
            if getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} came without --executor ray; add that, or leave it out")
    cores = len(os.sched_getaffinity(0))
    if kind == "inline" or (alone and not options.executor and (workers or cores) == 1):
        yield Inline()
        return
    if kind == "ray":
        from benchmarks.harness.ray_executor import RayExecutor

        gpus, to_read = options.gpus_per_worker, options.gpus_per_reader
        if gpus is not None and to_read is not None:
            raise UsageError("--gpus-per-worker came with --gpus-per-reader; leave one of them out")
        gpus = float(options.device != "cpu" and to_read is None) if gpus is None else gpus
        pool: Any = RayExecutor(
            workers, timeout_s, address=options.ray_address, retries=options.retries, gpus=gpus, gpus_to_read=to_read
        )
    else:
        pool = Processes(workers or cores, timeout_s)
    try:
        yield pool
    finally:
        pool.close()


def add_device(parser: argparse._ActionsContainer) -> None:
    """``--device``."""
    parser.add_argument(
        "--device", default="cpu", help="device of heads and learned codecs: cpu, cuda, cuda:1 (default: %(default)s)"
    )


def add_limit_and_seed(parser: argparse._ActionsContainer) -> None:
    """``--limit N`` and ``--seed N``, which say what images a run has."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=int,
        default=0,
        help="only N images: the first, or drawn at random with a --seed other than 0 (default: all)",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of all random draws (default: 0)")


def add_timeout(parser: argparse._ActionsContainer) -> None:
    """``--timeout-s S``, which ``executor`` reads."""
    parser.add_argument(
        "--timeout-s",
        metavar="S",
        type=float,
        default=TIMEOUT_S,
        help="seconds after which a codec, head or data set is ended and its image counts as failed (default: "
        "%(default)g)",
    )


def add_cache(parser: argparse._ActionsContainer) -> None:
    """``--cache DIR`` of a command that codes."""
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=Path("results/cache"),
        help="folder of cached bitstreams and predictions (default: %(default)s)",
    )


def add_quiet(parser: argparse._ActionsContainer) -> None:
    """``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")

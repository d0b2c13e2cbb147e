"""``hsc-bench run``: the benchmark itself, from specs to tables, figures and the page."""

from __future__ import annotations

import argparse
import errno
import functools
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.api import DATASETS
from benchmarks.cli import command, run_file, run_recipe
from benchmarks.cli.command import DONE, FAILED, warn
from benchmarks.cli.options import codecs_with_files, executor, load_codec_files
from benchmarks.cli.places import settle
from benchmarks.cli.run_parser import parser
from benchmarks.files.remote_paths import is_remote
from benchmarks.text import one_line
from hsc.errors import ResultsError, UsageError

if TYPE_CHECKING:  # what measures and draws is imported by the functions that need it, so that --help is quick
    from benchmarks.harness.config import Config


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    work = functools.partial(_work, arguments=arguments)
    return command.run(
        parser(), work, arguments, if_stopped="stopped; measurements are kept, run the same line again to go on"
    )


def _work(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    check_arguments(arguments)
    if options.listed:
        from benchmarks.cli.listing import REGISTRIES, listing

        load_codec_files(options.codec_file)
        sys.stdout.write(listing(REGISTRIES[options.listed]))
        return DONE
    settings = run_file.given(arguments)
    if options.config is None and options.recipe is None:
        return repeatable(options, settings, arguments)
    if options.config is not None:
        settings = {**run_file.read(options.config), **settings}
    if name := settings.get("recipe"):
        settings = {**run_recipe.settings_of(name), **settings}
    arguments = run_file.arguments_of(settings)
    check_arguments(arguments)
    return repeatable(run_file.options_of(settings), settings, arguments)


def repeatable(options: argparse.Namespace, settings: run_file.Settings, arguments: Sequence[str]) -> int:
    """Run the benchmark; returns the exit code.

    settings: what was given, on the command line or in a file, for the folder's ``run.toml``. arguments: the command
    line that repeats it.

    Raises:
        HscError: the request cannot be met, or the run's files cannot be written.
    """
    settle(parser(), options)
    try:
        return _benchmark(options, run_file.written(settings, options.task), arguments)
    except BrokenPipeError:
        raise
    except (OSError, sqlite3.Error) as error:
        raise ResultsError(unwritten(error)) from error


def unwritten(error: OSError | sqlite3.Error, folder: Path | None = None) -> str:
    """An error with files, such as a full disk, in one sentence with its cure. folder: where the run was writing."""
    if isinstance(error, sqlite3.Error):
        return f"the cache cannot be used: {error}; is the disk full? What was measured before is kept"
    place = f" {error.filename}" if error.filename else f" a file in {folder}" if folder else " a file"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    cure = (
        "make room, or name another folder with --out or --cache"
        if full
        else "see that the folders of --out and --cache can be written"
    )
    return f"cannot read or write{place}: {error.strerror or error}; {cure}, and run the same line again to go on"


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse a command line that no file of a run could repeat, before anything is encoded.

    Raises:
        UsageError: an argument holds bytes that are not UTF-8.
    """
    from benchmarks.imaging.image_files import shown

    for argument in arguments:
        if shown(argument) != argument:
            raise UsageError(
                f"the argument {shown(argument)!r} holds bytes that are not UTF-8; rename the file or folder, or give "
                f"a link with a plain name"
            )


def folder_of(options: argparse.Namespace, config: Config) -> Path:
    """Where a run's files go on this machine: ``--out``, or a folder named for the task, and for a data set that is not
    its own.
    """
    from benchmarks.cli import remote_out
    from benchmarks.harness.keys import registered_name

    if options.out:
        return remote_out.local_folder(options.out)
    if options.recipe and not options.name:
        return Path("results/runs") / Path(options.recipe).stem
    name = registered_name(config.task)
    if config.dataset != DATASETS.build(config.task.dataset):
        name += f"-{registered_name(config.dataset)}"
    return Path("results/runs") / (options.name or name)


def _prepare(folder: Path, options: argparse.Namespace, config: Config) -> None:
    """Make the run's folder, unless it holds a finished run of other settings; likewise where it is copied to.

    Raises:
        UsageError: it does.
        ResultsError: it cannot be written.
        DownloadError: the place that it is copied to cannot be reached.
    """
    from benchmarks.cli import remote_out
    from benchmarks.reporting.save_run import writable
    from benchmarks.runs.earlier_run import why_not_into

    there = remote_out.why_not_into(options.out, config) if is_remote(options.out) else None
    reason = None if options.overwrite_folder else there or why_not_into(folder, config)
    if options.dry_run:
        if reason:
            warn(f"this run would be refused: {reason}")
        return
    if reason:
        raise UsageError(reason)
    writable(folder)


def _benchmark(options: argparse.Namespace, settings: str, arguments: Sequence[str]) -> int:
    from benchmarks import evaluation
    from benchmarks.cli import remote_out
    from benchmarks.cli.plan_text import planned
    from benchmarks.cli.run_ending import ending
    from benchmarks.cli.run_preview import preview
    from benchmarks.harness.progress import Bar, Silent
    from benchmarks.reporting.images import gallery
    from benchmarks.reporting.rehearsal import rehearse
    from benchmarks.reporting.save_run import write
    from benchmarks.runs import saved_images

    started = time.monotonic()
    if options.recipe and (code := run_recipe.stopped_by_needs(options)) is not None:
        return code
    config = _config(options)
    gallery.check_images(options.gallery)
    evaluation.require(config, options.require)
    progress = Silent() if options.quiet else Bar()
    if options.preview and not options.dry_run:
        return preview(config, options, progress, warn)
    folder = folder_of(options, config)
    if options.save_images:
        saved_images.check_folder(options.save_images, folder, Path(options.cache))
    _prepare(folder, options, config)
    with executor(options) as workers, run_recipe.fetching(options):
        outcome = evaluation.run(
            config,
            device=options.device,
            cache=options.cache,
            progress=progress,
            executor=workers,
            dry=options.dry_run,
            keep_streams=options.keep_streams,
            tell=warn,
            rehearse=rehearse,
        )
    if options.dry_run:
        sys.stdout.write(planned(outcome))
        return DONE
    try:
        write(outcome, folder, options, arguments, progress, settings=settings, tell=warn)
    except OSError as error:
        raise ResultsError(f"the run's files: {unwritten(error, folder)}") from error
    for line in outcome.failed:
        sys.stderr.write(f"failed: {one_line(line)}\n")
    sys.stderr.flush()
    if options.recipe:
        sys.stdout.write(run_recipe.compared(options.recipe, outcome.results, folder))
    sys.stdout.write(ending(outcome, folder, full=options.table == "full"))
    sys.stdout.flush()
    if is_remote(options.out):
        count = remote_out.copy(folder, options.out, progress)
        sys.stderr.write(f"copied {count} files to {one_line(options.out)}; {one_line(folder)} stays as it is\n")
    sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
    return FAILED if outcome.failed else DONE


def _config(options: argparse.Namespace) -> Config:
    """The run that the options describe; codecs of ``--codec-file`` join those named, or the task's."""
    from benchmarks.evaluation import configure

    return configure(
        options.task,
        options.dataset,
        codecs_with_files(options),
        options.head,
        anchors=options.anchor,
        route=options.route,
        limit=options.limit,
        seed=options.seed,
        repeats=options.repeats,
        overwrite=options.overwrite,
        resamples=options.resamples,
        noise_floor=not options.no_noise_floor,
        match_bpp=options.match_bpp,
        metrics=options.metric,
        rates=options.rate,
    )

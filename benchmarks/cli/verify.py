"""``hsc-bench verify``: checks that the numbers of a finished run follow from its records and bitstreams."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.cli.command import DONE, FAILED, REFUSED, new_parser, run
from benchmarks.cli.options import add_codec_file, add_device, add_executor, add_quiet, executor, load_codec_files
from benchmarks.cli.places import run_folder
from benchmarks.text import one_line
from hsc.devices import check_device, use_device

if TYPE_CHECKING:  # what checks a run is imported when there is one, so that --help is quick
    from benchmarks.runs.run_folder import Run
    from benchmarks.verify.verdict import Verdict

EXAMPLES = """
  hsc-bench verify results/reference/detection
      computes the tables again from the records, and decodes and scores the bitstreams that the run kept
  hsc-bench verify results/runs/detection --trust --codec-file mycodec.toml
      a run of your own, or of a person you trust, with a codec described in TOML
  hsc-bench verify results/runs/detection --no-streams
      checks only that the files of the folder agree with each other; nothing is decoded

Tolerances: bitstreams and sizes byte for byte; decoded pixels bit for bit, or within a mean squared difference of
0.0001 (one level in 0.01 % of the samples); scores of the kept images exactly where predictions are equal, or within
0.005. Where a run kept all of its images, the scores of the tables and their intervals are computed again; otherwise
the output names the number of images on which scores were checked. Times, contact sheets and the images on the page
are not checked.

A folder is data from somebody else. Codecs, heads and data sets that would start programs, unpickle models, execute
configs or use the network with the folder's settings are skipped, with the reason, unless --trust is given."""


def conclusion(verdicts: Sequence[Verdict], streams: bool = True) -> tuple[int, str]:
    """The exit code and one line for all verdicts. streams: whether bitstreams were decoded."""
    states = [verdict.state for verdict in verdicts]
    if failures := states.count("fail"):
        return FAILED, f"verification failed: {failures} mismatch{'es' * (failures > 1)}"
    if skipped := states.count("skipped"):
        return REFUSED, f"no mismatch was found, and {skipped} check{'s were' if skipped > 1 else ' was'} skipped"
    return DONE, "verification passed" + ("" if streams else "; no stream was decoded")


def heading(measured: Run) -> str:
    """The task, data set, size and commit of a run, in one line."""
    about = measured.about
    commit = about["environment"].get("commit") or "unknown commit"
    return (
        f"{about['task']['name']} on {about['dataset']['name']}, {len(measured.images)} images, {len(measured.points)} "
        f"operating points, made at {commit}"
    )


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "verify",
        "Verify a finished run: its tables from its records, and its scores from its bitstreams.",
        EXAMPLES,
        done="verification passed",
        failed="it failed (each mismatch is named)",
        refused="some or all of it had to be skipped here",
    )
    parser.add_argument("folder", type=run_folder, help="a folder that hsc-bench run wrote, or its URI")
    add_codec_file(parser)
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run programs and models that the folder names; only for folders of people you trust",
    )
    parser.add_argument("--no-streams", action="store_true", help="decode nothing")
    add_executor(parser)
    add_device(parser)
    add_quiet(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _verify, argv, if_unread=REFUSED)


def _verify(options: argparse.Namespace) -> int:
    from benchmarks.harness.progress import Bar, Silent
    from benchmarks.runs.run_folder import load
    from benchmarks.verify.verify import verify

    check_device(options.device)
    streams = not options.no_streams
    load_codec_files(options.codec_file)
    sys.stdout.write(one_line(heading(load(options.folder, consistent=False))) + "\n")
    verdicts = []
    progress = Silent() if options.quiet else Bar()
    with use_device(options.device), executor(options, alone=True) as workers:
        for verdict in verify(options.folder, workers, progress, streams=streams, trust=options.trust):
            verdicts.append(verdict)
            sys.stdout.write(f"{verdict.state:9}  {one_line(f'{verdict.about}: {verdict.text}')}\n")
            sys.stdout.flush()
    code, text = conclusion(verdicts, streams)
    sys.stdout.write(text + "\n")
    return code

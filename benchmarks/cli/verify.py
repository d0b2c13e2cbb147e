"""``hsc-bench verify``: whether the numbers of a finished run follow from its records and bitstreams."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.executors import Inline, Processes
from benchmarks.harness.progress import Bar, Silent
from benchmarks.runs.run_folder import Run, load
from benchmarks.text import one_line
from benchmarks.verify.verdict import Verdict
from benchmarks.verify.verify import verify
from hsc.devices import check_device
from hsc.errors import HscError, UsageError

PASSED, FAILED, SKIPPED, STOPPED = 0, 1, 2, 130


EXAMPLES = """examples:
  hsc-bench verify results/reference/detection
      adds the table up again from its records, and decodes, reads and scores the bitstreams that the run kept
  hsc-bench verify results/runs/detection --trust --codec-file mycodec.toml
      a run of your own, or of somebody you trust, with a codec described in TOML
  hsc-bench verify results/runs/detection --no-streams
      only what the folder says of itself; nothing is decoded

What is compared, and how closely: streams and sizes byte for byte; decoded pixels bit for bit, else within a mean squared difference of
0.0001 (one level in 0.01 % of the samples); scores of the kept images exactly where predictions are the same, else within 0.005.
Where all images of a run were kept, the table's own scores and their intervals are computed again, too; else it is said on how many of the
images scores were checked. Times, figures and pictures are not checked.

A folder is data: codecs, heads and data sets that would start programs, unpickle models, run configs or ask the network with the settings
that the folder names are left unchecked, with the reason, unless --trust is given.

exit codes: 0 verification passed, 1 it failed (each mismatch is named), 2 some or all of it had to be skipped here"""


def conclusion(verdicts: Sequence[Verdict], streams: bool = True) -> tuple[int, str]:
    """The exit code, and its meaning in one line."""
    states = [verdict.state for verdict in verdicts]
    if failed := states.count("fail"):
        return FAILED, f"verification failed: {failed} mismatch{'es' * (failed > 1)}"
    if skipped := states.count("skipped"):
        return SKIPPED, f"no mismatch was found, and {skipped} check{'s were' if skipped > 1 else ' was'} skipped"
    return PASSED, "verification passed" + ("" if streams else "; no stream was decoded")


def heading(run: Run) -> str:
    """The run in a line: task, data set, images, operating points, commit."""
    about = run.about
    commit = about["environment"].get("commit") or "unknown commit"
    return (
        f"{about['task']['name']} on {about['dataset']['name']}, {len(run.images)} images, {len(run.points)} "
        f"operating points, made at {commit}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench verify",
        description="Whether a run's table still holds: its sums from its records, its scores from its bitstreams.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the folder that python -m benchmarks.run wrote")
    parser.add_argument(
        "--codec-file", metavar="TOML", action="append", default=[], help="a program described in TOML; may be repeated"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run programs and models that the folder names; only for folders of people you trust",
    )
    parser.add_argument("--no-streams", action="store_true", help="decode nothing")
    parser.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes of one thread each (default: one a core)"
    )
    parser.add_argument("--device", default="cpu", help="where heads and learned codecs run (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    options = parser.parse_args(arguments)
    try:
        _prepare(options)
        workers = options.workers or len(os.sched_getaffinity(0))
        executor = Processes(workers) if workers > 1 else Inline()
        sys.stdout.write(one_line(heading(load(options.folder, consistent=False))) + "\n")
        verdicts = []
        progress = Silent() if options.quiet else Bar()
        for verdict in verify(options.folder, executor, progress, streams=not options.no_streams, trust=options.trust):
            verdicts.append(verdict)
            sys.stdout.write(f"{verdict.state:9}  {one_line(f'{verdict.about}: {verdict.text}')}\n")
            sys.stdout.flush()
    except HscError as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        return SKIPPED
    except BrokenPipeError:
        sys.stdout = None
        return SKIPPED
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return STOPPED
    code, text = conclusion(verdicts, streams=not options.no_streams)
    sys.stdout.write(text + "\n")
    return code


def _prepare(options: argparse.Namespace) -> None:
    check_device(options.device)
    os.environ["HSC_DEVICE"] = options.device  # inherited by workers, read by heads and learned codecs
    if options.workers < 0:
        raise UsageError(f"workers came as {options.workers}, expected 1 or more, or 0 for one a core")
    if options.codec_file:
        from benchmarks.codecs.command import load_codec_file

        for path in options.codec_file:
            load_codec_file(path)

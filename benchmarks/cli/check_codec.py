"""``hsc-bench check-codec``: runs the codec contract on a codec and prints which rules pass."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.api import CODECS
from benchmarks.cli.command import DONE, FAILED, new_parser, run, version
from benchmarks.cli.options import add_codec_file, load_codec_files
from benchmarks.conformance.checks import examine, report
from benchmarks.conformance.codec_rules import CONTRACT
from hsc.errors import UnavailableError

EXAMPLES = """
  hsc-bench check-codec 'mycodec(effort=3)'
      a plug-in of your own; it is held to the same rules as the built-in codecs
  hsc-bench check-codec mycodec --codec-file mycodec.toml > conformance.md
      an external program described in TOML; the output is Markdown for its README
  hsc-bench check-codec jpeg --quick"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "check-codec",
        "Check a codec against the codec contract: round trips of any size, damaged streams, fresh processes, and its "
        "description.",
        EXAMPLES,
        done="all rules pass",
        failed="some rules fail (each with the reason)",
        refused="the codec is unknown or cannot run",
    )
    parser.add_argument("codec", metavar="SPEC", help="the codec as hsc-bench run takes it, without a sweep")
    add_codec_file(parser)
    parser.add_argument("--quick", action="store_true", help="leave out checks that take more than a few seconds")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _check, argv)


def _check(options: argparse.Namespace) -> int:
    load_codec_files(options.codec_file)
    codec = CODECS.build(options.codec)
    if reason := codec.available():
        raise UnavailableError(f"{options.codec} cannot run here: {reason}")
    findings = [examine(codec, check) for check in CONTRACT if not (check.slow and options.quick)]
    sys.stdout.write(report(str(CODECS.spec(codec)), findings, version()))
    return FAILED if any(finding.state == "failed" for finding in findings) else DONE

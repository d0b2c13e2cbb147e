"""Runs the codec contract on a codec of your own and prints what it keeps: ``hsc-bench check-codec --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.api import CODECS
from benchmarks.conformance.checks import examine, report
from benchmarks.conformance.codec_rules import CONTRACT
from benchmarks.runs.environment import version
from hsc.errors import HscError, UnavailableError

KEPT, BROKEN, USAGE = 0, 1, 2

EXAMPLES = """examples:
  hsc-bench check-codec 'mycodec(effort=3)'
      a plug-in of yours; the contract suite runs over it as over ours
  hsc-bench check-codec mycodec --codec-file mycodec.toml > conformance.md
      a program described in TOML; what is printed is Markdown, for its README
  hsc-bench check-codec jpeg --quick

exit codes: 0 all rules are kept, 1 some are broken (each says how), 2 the codec cannot run or is not known"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench check-codec",
        description="Which rules of the codec contract a codec keeps: round trips of any size, damaged streams, fresh "
        "processes, its description.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("codec", metavar="SPEC", help="the codec, as for benchmarks.run, without a sweep")
    parser.add_argument(
        "--codec-file", metavar="TOML", action="append", default=[], help="a program described in TOML; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="leave out what takes more than a few seconds")
    options = parser.parse_args(arguments)
    try:
        for path in options.codec_file:
            from benchmarks.codecs.command import load_codec_file

            load_codec_file(path)
        codec = CODECS.build(options.codec)
        if reason := codec.available():
            raise UnavailableError(f"{options.codec} cannot run here: {reason}")
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    findings = [examine(codec, check) for check in CONTRACT if not (check.slow and options.quick)]
    sys.stdout.write(report(str(CODECS.spec(codec)), findings, version("hsc-bench") or "(not installed)"))
    return BROKEN if any(found.state == "failed" for found in findings) else KEPT

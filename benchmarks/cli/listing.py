"""``hsc-bench list``: the plug-ins of a kind, a line each: name, availability, reason."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS
from benchmarks.harness.answers import why_unavailable
from downstream.api import HEADS
from hsc.errors import HscError, SpecError
from hsc.registry import Registry
from hsc.weights.fetching import nothing_fetched, unfetched

REGISTRIES: dict[str, Registry[Any]] = {
    "codecs": CODECS,
    "heads": HEADS,
    "datasets": DATASETS,
    "tasks": TASKS,
    "metrics": METRICS,
}


def listing(registry: Registry[Any]) -> str:
    """Every plug-in of a kind: name, whether it can be used here or why not, and what it is; nothing is fetched to find
    out.
    """
    lines = []
    for name in sorted(registry.names(), key=registry.display_name):
        cls = registry.get(name)
        try:
            with nothing_fetched():
                item = registry.build(name)
                reason = unfetched(item) or (why_unavailable(item) if hasattr(item, "available") else None)
            state = "available" if reason is None else f"unavailable: {reason}"
        except SpecError as error:
            state = str(error)
        summary = (cls.__doc__ or "").strip().splitlines()[0] if cls.__doc__ else ""
        lines.append((registry.display_name(name), state, summary))
    lines += [(name, f"broken: {reason}", "") for name, reason in sorted(registry.broken.items())]
    width = max((len(name) for name, _, _ in lines), default=0)
    return "".join(f"{name:{width}}  {state}  {text}".rstrip() + "\n" for name, state, text in lines)


EXAMPLES = """examples:
  hsc-bench list codecs
  hsc-bench list codecs --codec-file mycodec.toml
      with a program described in TOML among them

exit codes: 0 done, 2 a codec file cannot be read"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench list",
        description="The plug-ins of a kind: name, whether it can be used here or why not, and what it is. Nothing is "
        "fetched to find out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=sorted(REGISTRIES), help="what to list")
    parser.add_argument(
        "--codec-file", metavar="TOML", action="append", default=[], help="a program described in TOML; may be repeated"
    )
    options = parser.parse_args(arguments)
    try:
        if options.codec_file:
            from benchmarks.codecs.command import load_codec_file

            for path in options.codec_file:
                load_codec_file(path)
        sys.stdout.write(listing(REGISTRIES[options.kind]))
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0

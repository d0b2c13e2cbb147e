"""``hsc-bench list``: the plug-ins of a kind, a line each, or one of them in full with its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.api import CODECS, DATASETS, METRICS, RATES, TASKS
from benchmarks.cli.command import DONE, new_parser, run
from benchmarks.cli.options import add_codec_file, load_codec_files
from benchmarks.cli.plugin_text import plugin_text, required
from benchmarks.cli.plugins import MayBeUnavailable
from benchmarks.harness.guard import why_unavailable
from downstream.api import HEADS
from hsc.errors import SpecError
from hsc.networks.network_holder import HOLDER
from hsc.registry import Registry
from hsc.weights.fetching import nothing_fetched, unfetched

REGISTRIES: dict[str, Registry[Any]] = {
    "codecs": CODECS,
    "heads": HEADS,
    "datasets": DATASETS,
    "tasks": TASKS,
    "metrics": METRICS,
    "rates": RATES,
}

EXAMPLES = """
  hsc-bench list
      how many there are of each kind
  hsc-bench list codecs
  hsc-bench list heads onnx
      what the head is, its options with types and defaults, whether it can be used here, and an example
  hsc-bench list codecs --codec-file mycodec.toml
      with an external codec described in TOML among them"""


def listing(registry: Registry[Any]) -> str:
    """Every plug-in of a kind: its name, whether it can be used here or why not, and its summary.

    Nothing is fetched and no network is loaded to find out.
    """
    lines = []
    for name in sorted(registry.names(), key=registry.display_name):
        docstring = registry.get(name).__doc__ or ""
        summary = docstring.strip().splitlines()[0] if docstring else ""
        lines.append((registry.display_name(name), _state(registry, name), summary))
    lines += [(name, f"broken: {reason}", "") for name, reason in sorted(registry.broken.items())]
    width = max((len(name) for name, _, _ in lines), default=0)
    return "".join(f"{name:{width}}  {state}  {summary}".rstrip() + "\n" for name, state, summary in lines)


def _state(registry: Registry[Any], name: str) -> str:
    """Whether a plug-in can be used without arguments, or the reason why it cannot.

    Networks are not loaded to find out: a plug-in that would load one next has its packages and files.
    """
    try:
        with nothing_fetched(), HOLDER.nothing_built() as unbuilt:
            item = registry.build(name)
            reason = unfetched(item) or (why_unavailable(item) if isinstance(item, MayBeUnavailable) else None)
    except SpecError as error:
        missing = required(registry.get(name))
        return f"to be given: {', '.join(missing)}" if missing else str(error)
    return "available" if reason is None or unbuilt else f"unavailable: {reason}"


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "list",
        "List the plug-ins of a kind: name, whether it can be used here or why not, and a summary; or show one plug-in "
        "in full. Nothing is fetched, and no network is loaded: hsc-bench doctor looks deeper.",
        EXAMPLES,
    )
    parser.add_argument(
        "kind",
        choices=sorted(REGISTRIES),
        type=lambda word: f"{word}s" if f"{word}s" in REGISTRIES else word,
        nargs="?",
        help="the kind of plug-in (default: how many there are of each)",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="one of them, to show in full with its options")
    add_codec_file(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _list, argv)


def _list(options: argparse.Namespace) -> int:
    load_codec_files(options.codec_file)
    sys.stdout.write(_asked(options.kind, options.name))
    return DONE


def _asked(kind: str | None, name: str | None) -> str:
    """The text for a kind and a name, each of which may be missing. Raises UnknownNameError."""
    if kind is None:
        counts = "".join(f"  {kind:8}  {len(registry.names()):3}\n" for kind, registry in REGISTRIES.items())
        return f"{counts}hsc-bench list KIND names them, hsc-bench list KIND NAME shows one with its options\n"
    registry = REGISTRIES[kind]
    if name is None:
        return listing(registry)
    name = registry.parse(name).name
    return plugin_text(kind, registry, name, _state(registry, name) if name in registry.names() else "")

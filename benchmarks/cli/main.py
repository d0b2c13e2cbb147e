"""``hsc-bench``: one command, and under it one file of this folder for each thing it does."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "run": ("run", "code a data set with codecs, let heads read what is left, write tables, curves and the page"),
    "list": ("listing", "the plug-ins of a kind: codecs, heads, datasets, tasks, metrics"),
    "verify": ("verify", "check whether a finished run's numbers follow from its records and bitstreams"),
    "report": ("report", "make a finished run's page again"),
    "paper": ("paper", "LaTeX tables, PDF figures and methods from finished runs"),
    "contact-sheet": ("contact_sheet", "draw scenes as several codecs leave them at the same bytes"),
    "complexity": ("complexity", "time, multiplications, parameters and memory from bytes to answers"),
    "doctor": ("doctor", "what is installed, what works here, and the cure for what does not"),
    "check-codec": ("check_codec", "hold a codec of your own to the contract"),
    "export-shards": ("export_shards", "write a data set's images and labels as training shards"),
    "encode-shards": (
        "encode_shards",
        "encode training shards, so that heads can be fine-tuned on what a codec leaves",
    ),
    "relighting": ("relighting", "compare edited scenes with the same scenes rendered in that light"),
    "update-card": ("model_card", "write measured scores into a model card"),
}
"""Name -> module of this package with ``main(arguments) -> exit code``, and what it does."""
USAGE = 2


def usage() -> str:
    """What ``hsc-bench --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: hsc-bench COMMAND [arguments]",
            "",
            "How well do machines see what an image codec leaves, at what rate and cost, and how sure is that number?",
            "",
            *lines,
            "",
            "examples:",
            "  hsc-bench run --task detection",
            "  hsc-bench verify results/reference/detection",
            "  hsc-bench COMMAND --help",
            "",
            "exit codes of all commands: 0 done, 1 something failed or does not hold, 2 the request cannot be met, "
            "130 stopped",
            "",
        ]
    )


def version() -> str:
    """The version of the installed distribution, or that of a checkout."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("hsc-bench")
    except PackageNotFoundError:
        return "unknown (not installed)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0 if words else USAGE
    if words[0] == "--version":
        sys.stdout.write(f"hsc-bench {version()}\n")
        return 0
    if words[0] not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(words[0], COMMANDS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else "hsc-bench --help lists them"
        sys.stderr.write(f"error: hsc-bench has no command {words[0]!r}; {hint}\n")
        return USAGE
    module = importlib.import_module(f"benchmarks.cli.{COMMANDS[words[0]][0]}")
    code: int = module.main(words[1:])
    return code

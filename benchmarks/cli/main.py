"""``hsc-bench``: one command, and under it one file of this folder for each thing it does."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.cli.command import DONE, REFUSED, version


class Command(NamedTuple):
    """A command. module: of this package, with ``parser()`` and ``main(argv)``; summary: what it does."""

    module: str
    summary: str


COMMANDS = {
    "run": Command("run", "encode a data set with codecs, score heads on it, write tables, figures and the page"),
    "advise": Command("advise", "find for each codec the smallest setting that keeps enough of a head's score"),
    "list": Command("listing", "list the plug-ins of a kind: codecs, heads, datasets, tasks, metrics"),
    "recipes": Command("recipes", "list runs that repeat published measurements, and fetch the files they need"),
    "verify": Command("verify", "check that a finished run's numbers follow from its records and bitstreams"),
    "rerun": Command("rerun", "repeat a finished run with its own settings, and compare the numbers"),
    "compare": Command("compare", "compare the numbers of two finished runs, cell by cell"),
    "equal-scores": Command("equal_scores", "compare the bits of codecs at equal scores, at each operating point"),
    "merge": Command("merge", "merge finished runs over the same images and heads into one table"),
    "report": Command("report", "write a finished run's page anew"),
    "paper": Command("paper", "write LaTeX tables, PDF figures and methods from finished runs"),
    "contact-sheet": Command("contact_sheet", "draw images as several codecs decode them at equal bytes"),
    "complexity": Command("complexity", "measure time, MACs, parameters, memory and energy of encoding and of reading"),
    "doctor": Command("doctor", "show what is installed, what works here, and the cure for what does not"),
    "class-map": Command("class_map", "write a class map from a head's classes to a data set's, to be checked"),
    "check-codec": Command("check_codec", "check a codec against the codec contract"),
    "cache": Command("cache", "show what a cache holds, remove what is not needed, or check it"),
    "completion": Command("completion", "print a script that completes hsc-bench in bash, zsh or tcsh"),
    "export-shards": Command("export_shards", "write a data set's images and labels as training shards"),
    "encode-shards": Command(
        "encode_shards", "encode training shards, to fine-tune heads on decoded images or latents"
    ),
    "relighting": Command("relighting", "compare edited scenes with the same scenes rendered in that lighting"),
    "entropy": Command("entropy", "measure what w and F of the hsc codec cost, and what F would cost without w"),
    "update-card": Command("model_card", "write measured scores into a model card"),
}


def usage() -> str:
    """The text of ``hsc-bench --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: hsc-bench COMMAND [arguments]",
            "",
            "How well do machines see what a codec decodes: at what rate and cost, and how certain is the number?",
            "",
            *lines,
            "",
            "examples:",
            "  hsc-bench run --task detection",
            "  hsc-bench verify results/reference/detection",
            "  hsc-bench COMMAND --help",
            "",
            "exit codes of all commands: 0 done, 1 some cells or checks failed, 2 the request cannot be met, "
            "130 stopped (143 by SIGTERM)",
            "",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return DONE if arguments else REFUSED
    name = arguments[0]
    if name == "--version":
        sys.stdout.write(f"hsc-bench {version()}\n")
        return DONE
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else "hsc-bench --help lists them"
        sys.stderr.write(f"error: hsc-bench has no command {name!r}; {hint}\n")
        return REFUSED
    if argv is None and {"-h", "--help"} & set(arguments):  # numpy starts its threads when it is imported
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    module = importlib.import_module(f"benchmarks.cli.{COMMANDS[name].module}")
    code: int = module.main(arguments[1:])
    return code

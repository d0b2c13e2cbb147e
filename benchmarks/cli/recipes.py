"""``hsc-bench recipes``: lists the recipes and what each needs, and fetches what may be fetched."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence

from benchmarks.cli.command import DONE, FAILED, new_parser, run
from benchmarks.text import one_line
from hsc.errors import UsageError

EXAMPLES = """
  hsc-bench recipes
      every recipe, a line each, with what it lacks on this machine
  hsc-bench recipes coco-det
      what it measures, whose figures it is compared with, which files it needs, where they are published, their
      licences, and where to put them
  hsc-bench recipes coco-det --fetch
      fetches those with a published checksum; a download that was interrupted goes on where it stopped
  hsc-bench run --recipe coco-det --limit 100
      runs it, here on a hundred images; any option of hsc-bench run may be added, and wins over the recipe's"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "recipes",
        "List recipes, which repeat published measurements, with the files that each needs. Nothing is fetched unless "
        "--fetch is given; HSC_OFFLINE=1 forbids it.",
        EXAMPLES,
        failed="something could not be fetched (named on standard error)",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a recipe, or the path of one in TOML, to show in full")
    parser.add_argument("--fetch", action="store_true", help="fetch what it lacks, where that may be fetched")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _show, argv, if_stopped="stopped; the same line again goes on where the download stopped")


def _show(options: argparse.Namespace) -> int:
    from benchmarks.recipes.needs import fetch, found
    from benchmarks.recipes.needs_text import screen, summary
    from benchmarks.recipes.recipe_file import find_recipe, names

    if options.name is None:
        if options.fetch:
            raise UsageError("--fetch came without a recipe; name one, as in hsc-bench recipes coco-det --fetch")
        recipes = [find_recipe(name) for name in names()]
        width = max(len(recipe.name) for recipe in recipes)
        sys.stdout.write("".join(f"{recipe.name:{width}}  {summary(recipe)}\n" for recipe in recipes))
        return DONE
    recipe = find_recipe(options.name)
    failed = []
    if options.fetch:
        with _shown_progress():
            failed = fetch(recipe, _tell)
    sys.stdout.write(screen(recipe, found(recipe)))
    sys.stdout.flush()
    for text in failed:
        sys.stderr.write(f"failed: {one_line(text)}\n")
    return FAILED if failed else DONE


@contextlib.contextmanager
def _shown_progress() -> Iterator[None]:
    """For the length of a ``with`` block, print how much of a download is here: each second on a terminal, else each
    half minute.
    """
    from hsc.weights.download import cache_folder

    folder, ended = cache_folder(), threading.Event()
    on_terminal = sys.stderr.isatty()

    def watch() -> None:
        while not ended.wait(1 if on_terminal else 30):
            for part in folder.glob("*/*.part"):
                with contextlib.suppress(OSError):
                    text = f"{part.stem}: {part.stat().st_size / 1e6:,.0f} MB so far"
                    sys.stderr.write(f"\r{text}\x1b[K" if on_terminal else f"{text}\n")
                    sys.stderr.flush()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        if on_terminal:
            sys.stderr.write("\r\x1b[K")


def _tell(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")
    sys.stderr.flush()

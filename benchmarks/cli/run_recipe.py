"""``hsc-bench run --recipe``: a recipe's options, what it lacks here, and its published figures beside ours."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cli import run_file
from benchmarks.cli.command import REFUSED
from hsc.weights.fetching import nothing_fetched

if TYPE_CHECKING:
    from benchmarks.runs.results import Results


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a recipe's run by the long names of their options.

    Raises:
        UsageError: there is no such recipe, or it is damaged.
    """
    from benchmarks.recipes.recipe_file import find_recipe

    return run_file.checked(find_recipe(name).run, f"the recipe {name}")


def stopped_by_needs(options: argparse.Namespace) -> int | None:
    """Print what a recipe lacks where it stands in the way of a run; the exit code, or None where the run goes on.

    A dry run says all that is missing; a run itself is stopped only by what it cannot do without or fetch by itself.
    """
    from benchmarks.recipes.needs import found
    from benchmarks.recipes.needs_text import screen
    from benchmarks.recipes.recipe_file import find_recipe

    recipe = find_recipe(options.recipe)
    if options.dataset != recipe.run.get("dataset"):
        return None
    states = found(recipe)
    lacking = [state.need for state in states if state.status == "missing"]
    required = [need for need in lacking if need.required and (options.dry_run or need.means != "run")]
    for state in states:
        if state.status == "other" and not options.dry_run:
            sys.stderr.write(f"warning: {state.need.what} is not the file that was published: {state.text}\n")
    if options.dry_run or required:
        sys.stdout.write(screen(recipe, states) + ("\n" if not required else ""))
        sys.stdout.flush()
    if not required:
        return None
    names = ", ".join(need.what for need in required)
    sys.stderr.write(
        f"error: {names} must be here before {recipe.name} can be run; get it as shown above, and run the same line "
        f"again\n"
    )
    return REFUSED


def fetching(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Forbids downloads in a dry run of a recipe, whose files may be large."""
    return nothing_fetched() if options.recipe and options.dry_run else contextlib.nullcontext()


def compared(name: str, results: Results, folder: Path) -> str:
    """Write the published figures beside those of the run into its folder; returns them as a table for the terminal."""
    from benchmarks.recipes.comparison import compare
    from benchmarks.recipes.comparison_text import table, write
    from benchmarks.recipes.recipe_file import find_recipe

    rows = compare(find_recipe(name), results)
    if rows:
        write(rows, folder)
    return table(rows, results) + ("\n" if rows else "")

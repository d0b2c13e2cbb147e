"""The arrows between the folders run one way, read from the imports themselves.

hsc <- downstream <- benchmarks;   in benchmarks: api <- plug-ins, store, timing <- harness <- evaluation <- run
"""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hsc", "downstream", "benchmarks")
PLUGIN_FOLDERS = ("benchmarks.codecs", "benchmarks.datasets", "benchmarks.tasks", "benchmarks.metrics")
TOP = ("benchmarks.harness", "benchmarks.evaluation", "benchmarks.run")
"""What nothing below may reach, not even by way of others."""
BANNED_NAMES = {"utils", "util", "misc", "helpers", "helper", "common"}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


def absolute(node: ast.ImportFrom, module: str) -> str:
    """The module an ``import from`` names, leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if FILES[module].name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


@functools.cache
def imports(module: str, *, at_import: bool = False) -> set[str]:
    """Modules of ours that ``module`` imports; with ``at_import`` only those it imports when it is itself imported."""
    tree = ast.parse(FILES[module].read_text("utf-8"))
    lazy = (
        {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) for n in ast.walk(f)} if at_import else set()
    )
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in lazy:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, module)
            below = {f"{source}.{alias.name}" for alias in node.names}
            found |= (below & set(FILES)) or {source}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def plugin(module: str) -> str | None:
    """The plug-in a module belongs to: the file or folder right below one of the plug-in folders."""
    for folder in PLUGIN_FOLDERS:
        if module.startswith(folder + "."):
            return ".".join(module.split(".")[: folder.count(".") + 2])
    return None


def test_the_tree_was_found() -> None:
    assert {"hsc.api", "downstream.api", "benchmarks.api", "benchmarks.codecs.jpeg"} <= set(FILES)
    assert "hsc.registry" in imports("benchmarks.api")


@pytest.mark.parametrize(("package", "allowed"), [("hsc", {"hsc"}), ("downstream", {"hsc", "downstream"})])
def test_folders(package: str, allowed: set[str]) -> None:
    for module in FILES:
        if module.split(".")[0] == package:
            assert {name.split(".")[0] for name in imports(module)} <= allowed, module


def test_plugins_never_import_each_other() -> None:
    for module in FILES:
        own = plugin(module)
        if own:
            others = {name for name in imports(module) if plugin(name) not in (None, own)}
            assert not others, f"{module} imports {others}"


def test_what_plugins_stand_on_knows_no_plugin() -> None:
    """Beside the registries, which find plug-ins by folder; command lines load codec files by name."""
    for module in FILES:
        if (
            module.split(".")[0] == "benchmarks"
            and not plugin(module)
            and module not in ("benchmarks.run", "benchmarks.check_codec", "benchmarks.verify")
        ):
            known = {name for name in imports(module) if plugin(name)}
            assert not known, f"{module} imports {known}"


def reach(module: str) -> set[str]:
    """Every module of ours that ``module`` imports, or that those import."""
    found: set[str] = set()
    ahead = [module]
    while ahead:
        new = {name for name in imports(ahead.pop()) if name in FILES} - found
        found |= new
        ahead += new
    return found


def test_nothing_below_the_harness_reaches_it() -> None:
    for module in FILES:
        if plugin(module) or module in ("benchmarks.api", "benchmarks.store", "benchmarks.timing"):
            assert not reach(module) & set(TOP), module


def test_the_harness_knows_no_command_line() -> None:
    assert not reach("benchmarks.harness") & {"benchmarks.evaluation", "benchmarks.run"}
    assert "benchmarks.run" not in reach("benchmarks.evaluation")


def test_benchmarks_api_stands_on_contracts_only() -> None:
    assert imports("benchmarks.api") <= {"hsc.api", "hsc.registry", "hsc.errors", "downstream.api"}


def test_no_circle() -> None:
    graph = {module: imports(module, at_import=True) for module in FILES if module not in PACKAGES}
    graphlib.TopologicalSorter(graph).prepare()


def test_files_are_named_for_what_they_hold() -> None:
    for file in (*FILES.values(), *(ROOT / "tests").rglob("*.py")):
        assert not BANNED_NAMES & set(file.relative_to(ROOT).with_suffix("").parts), file

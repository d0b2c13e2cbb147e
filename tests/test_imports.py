"""The arrows between packages and rooms run one way, read from the imports themselves.

hsc <- downstream <- benchmarks; inside each package, a room imports rooms of lower floors alone (``FLOORS``).
"""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hsc", "downstream", "benchmarks")
PLUGIN_FOLDERS = (
    "benchmarks.codecs",
    "benchmarks.datasets",
    "benchmarks.tasks",
    "benchmarks.metrics",
    "benchmarks.rates",
    "downstream.heads",
)
FLOORS: dict[str, tuple[set[str], ...]] = {
    "hsc": (
        {"api", "errors", "lazy_exports"},
        {"specs", "devices", "files", "entropy_coding"},
        {"registry"},
        {"networks"},
        {"codec", "weights"},
        {"cli", "training"},
    ),
    "downstream": (
        {"device", "packed_arrays"},
        {"array_bytes"},
        {"api"},
        {"ops", "weights"},
        {"networks", "label_spaces"},
        {"class_maps"},
        {"compatibility"},
        {"heads", "training"},
    ),
    "benchmarks": (
        {"text", "files"},
        {"api", "imaging", "programs"},
        {"formats", "learned", "stats", "rates"},
        {"codecs", "datasets", "metrics", "harness"},
        {"runs", "conformance", "training_data", "studies", "rivals"},
        {"errors"},
        {"reporting"},
        {"evaluation", "tasks", "verify", "cache", "recipes"},
        {"advice"},
        {"cli"},
        {"run"},
    ),
}
"""The rooms of each package, lowest floor first. A room is a folder below the package, or a file beside the folders."""
MOST_FILES = {"hsc": 9, "downstream": 9, "benchmarks": 6}
"""How many ``.py`` files may lie at a package's root."""
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
        {
            n
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for n in ast.walk(f)
        }
        if at_import
        else set()
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
    """The plug-in a module belongs to: the file or folder right below a plug-in folder; a name with ``_`` is shared by
    its neighbours.
    """
    for folder in PLUGIN_FOLDERS:
        if module.startswith(folder + "."):
            name = module.split(".")[folder.count(".") + 1]
            return None if name.startswith("_") else f"{folder}.{name}"
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
    """Beside the registries, which find plug-ins by folder; ``--codec-file`` loads one by name."""
    for module in FILES:
        if module.startswith("benchmarks.") and not plugin(module) and module != "benchmarks.cli.options":
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


def room(module: str) -> str:
    """The room of a module; empty for a package itself, and for doors (``__main__``), which stand outside the rooms."""
    name = [*module.split("."), ""][1]
    return "" if module.endswith(".__main__") or name == "pretrained" else name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_stands_on_a_floor(package: str) -> None:
    rooms = {room(module) for module in FILES if module.split(".")[0] == package} - {""}
    assert rooms == set().union(*FLOORS[package])
    assert sum(map(len, FLOORS[package])) == len(rooms), "a room stands on two floors"


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_lower_floors_alone(package: str) -> None:
    floor = {name: height for height, rooms in enumerate(FLOORS[package]) for name in rooms}
    upward = [
        f"{module} imports {target}"
        for module in FILES
        for target in imports(module)
        if module.split(".")[0] == target.split(".")[0] == package
        and "" not in (room(module), room(target))
        and room(module) != room(target)
        and floor[room(target)] >= floor[room(module)]
    ]
    assert not upward, "\n".join(upward)


def test_stats_stand_on_the_contracts_alone() -> None:
    for module in FILES:
        if module.startswith("benchmarks.stats"):
            ours = {name for name in imports(module) if name.split(".")[0] == "benchmarks"}
            assert {name for name in ours if not name.startswith("benchmarks.stats")} <= {"benchmarks.api"}, module


@pytest.mark.parametrize("package", PACKAGES)
def test_a_packages_root_is_read_at_a_glance(package: str) -> None:
    assert len(list((ROOT / package).glob("*.py"))) <= MOST_FILES[package]


def test_benchmarks_api_stands_on_contracts_only() -> None:
    assert imports("benchmarks.api") <= {"hsc.api", "hsc.registry", "hsc.errors", "downstream.api"}


def test_no_circle() -> None:
    graph = {module: imports(module, at_import=True) for module in FILES if module not in PACKAGES}
    graphlib.TopologicalSorter(graph).prepare()


def test_files_are_named_for_what_they_hold() -> None:
    for file in (*FILES.values(), *(ROOT / "tests").rglob("*.py")):
        assert not BANNED_NAMES & set(file.relative_to(ROOT).with_suffix("").parts), file

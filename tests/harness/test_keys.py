"""What a plug-in is: its config, what it says of itself, and its source where it states no version."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from benchmarks.api import CODECS, METRICS
from benchmarks.harness.keys import identity, key_of, metric_identity
from benchmarks.harness.plugin_source import source_sha256
from downstream.device import device_facts

PLUGIN = """
from dataclasses import dataclass
{extra}
@dataclass(frozen=True)
class Mine:
    size: int = 4

    def encode(self, image):
        return {value}

    def provenance(self):
        return {facts}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from; what was imported from it is forgotten at the end."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith("written_"):
            del sys.modules[name]


def write(file: Path, value: str = "b'1'", facts: str = "{}", extra: str = "") -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(PLUGIN.format(value=value, facts=facts, extra=extra))
    importlib.invalidate_caches()


def key(name: str, *, anew: bool = True) -> str:
    """The key of ``Mine`` of that module; anew: as a process that starts now has it."""
    if anew:
        for known in [module for module in sys.modules if module.partition(".")[0] == name.partition(".")[0]]:
            del sys.modules[known]
    return key_of(identity(importlib.import_module(name).Mine()))


def test_an_edited_plugin_without_a_version_is_another(folder: Path) -> None:
    write(folder / "written_a.py")
    first = key("written_a")
    assert key("written_a") == first
    write(folder / "written_a.py", "b'2'")
    assert key("written_a") != first
    write(folder / "written_a.py")
    assert key("written_a") == first


@pytest.mark.parametrize("facts", ["{'code': '1'}", "{'version': '1'}"])
def test_a_stated_version_stands_for_the_source(facts: str, folder: Path) -> None:
    write(folder / "written_b.py", facts=facts)
    first = key("written_b")
    write(folder / "written_b.py", "b'2'", facts)
    assert key("written_b") == first


def test_weights_are_no_version(folder: Path) -> None:
    write(folder / "written_c.py", facts="{'weights_sha256': '1'}")
    first = key("written_c")
    write(folder / "written_c.py", "b'2'", "{'weights_sha256': '1'}")
    assert key("written_c") != first


def test_all_of_a_package_counts(folder: Path) -> None:
    write(folder / "written_d" / "codec.py")
    (folder / "written_d" / "__init__.py").touch()
    (folder / "written_d" / "net.py").write_text("width = 1\n")
    first = key("written_d.codec")
    (folder / "written_d" / "net.py").write_text("width = 2\n")
    second = key("written_d.codec")
    (folder / "written_d" / "notes.txt").write_text("nothing that runs")
    assert first != second == key("written_d.codec")


def test_modules_beside_a_module_count_where_it_imports_them(folder: Path) -> None:
    (folder / "written_net.py").write_text("import written_deep\n")
    (folder / "written_deep.py").write_text("width = 1\n")
    (folder / "written_other.py").write_text("width = 1\n")
    write(folder / "written_e.py", extra="import written_net")
    first = key("written_e")
    (folder / "written_other.py").write_text("width = 2\n")
    assert key("written_e") == first
    (folder / "written_deep.py").write_text("width = 2\n")
    assert key("written_e") != first


def test_within_a_process_it_is_the_source_that_was_imported(folder: Path) -> None:
    """A file edited since is not what runs, until the module is loaded again."""
    write(folder / "written_f.py")
    first = key("written_f")
    write(folder / "written_f.py", "b'22'")
    assert key("written_f", anew=False) == first
    importlib.reload(sys.modules["written_f"])
    assert key("written_f", anew=False) != first


def typed(value: str, helper: str) -> type:
    """A class as a notebook defines it: its module has no file."""
    module = sys.modules["written_nowhere"] = ModuleType("written_nowhere")
    exec(
        f"def helper(x):\n    return x in {helper}\n" + PLUGIN.format(value=f"helper({value})", facts="{}", extra=""),
        vars(module),
    )
    cls: type = vars(module)["Mine"]
    return cls


def test_a_class_that_was_typed_in_is_known_by_its_code() -> None:
    first = source_sha256(typed("1", "{1, 2}"))
    assert source_sha256(typed("1", "{1, 2}")) == first
    assert len({first, source_sha256(typed("2", "{1, 2}")), source_sha256(typed("1", "{1, 3}"))}) == 3


def test_its_hash_is_the_same_in_every_process() -> None:
    script = (
        "from dataclasses import dataclass\nfrom benchmarks.harness.plugin_source import source_sha256\n"
        "@dataclass(frozen=True)\nclass Mine:\n    def f(self, x):\n        return x in {'a', 'b', 'c', 'd'}\n"
        "print(source_sha256(Mine))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == 64


def test_ours_have_no_source_in_their_keys() -> None:
    assert identity(CODECS.build("jpeg"))["provenance"].keys() == {"code", "pillow", "libjpeg"}
    assert metric_identity(METRICS.build("coco_ap")) == {"name": "coco_ap", "version": "1"}


class Counting:
    """A metric of others."""

    version: ClassVar[str] = "1"


def test_a_metric_of_others_is_known_by_its_source() -> None:
    known = metric_identity(Counting())
    assert known.keys() == {"name", "version", "source_sha256"}


@pytest.mark.parametrize(
    ("told", "facts"),
    [("", {}), ("cpu", {}), ("cuda", {"device": "cuda"}), ("cuda:1", {"device": "cuda"}), ("mps", {"device": "mps"})],
)
def test_another_device_is_another_answer(told: str, facts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_DEVICE", told)
    assert device_facts() == facts

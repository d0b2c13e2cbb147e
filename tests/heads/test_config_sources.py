"""The files of an mmengine config, found by each of the ways in which a config may name its bases."""

from __future__ import annotations

from pathlib import Path

import pytest

from downstream.weights.config_sources import config_sources, sha256_of_config

CONFIGS = {
    "_base_ in Python": ("top.py", '_base_ = ["bases/a.py", "./bases/b.py"]\nmodel = dict(a=1)\n'),
    "one _base_ in Python": ("top.py", '_base_ = "bases/a.py"\n'),
    "imports": (
        "top.py",
        "from mmengine.config import read_base\nwith read_base():\n    from .bases.a import *\n    from .bases "
        "import b\n",
    ),
    "JSON": ("top.json", '{"_base_": ["bases/a.py"]}'),
    "YAML": ("top.yaml", "_base_:\n  - bases/a.py\nmodel: 1\n"),
    "YAML in one line": ("top.yml", "_base_: ['bases/a.py', bases/b.py]\n"),
}

BOTH = ("_base_ in Python", "imports", "YAML in one line")
"""Those that name b.py too."""


@pytest.mark.parametrize("way", CONFIGS)
def test_bases_and_theirs_are_part_of_a_config(way: str, tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases" / "a.py").write_text('_base_ = "../deep.py"\n')
    (tmp_path / "bases" / "b.py").write_text("x = 1\n")
    (tmp_path / "deep.py").write_text('_base_ = "bases/a.py"\n')  # a circle
    name, text = CONFIGS[way]
    config = tmp_path / name
    config.write_text(text)
    names = {file.resolve().relative_to(tmp_path.resolve()).as_posix() for file in config_sources(config)}
    expected = {name, "bases/a.py", "deep.py"} | ({"bases/b.py"} if way in BOTH else set())
    assert names == expected
    hashes = {sha256_of_config(config)}
    for file in sorted(expected):
        (tmp_path / file).write_text((tmp_path / file).read_text() + " ")
        hashes.add(sha256_of_config(config))
    assert len(hashes) == 1 + len(expected)


def test_what_cannot_be_read_is_left_to_the_loader(tmp_path: Path) -> None:
    config = tmp_path / "top.py"
    config.write_text("_base_ = [")
    assert config_sources(config) == [config]
    config.write_text('_base_ = ["mmseg::no/such.py", "gone.py"]')
    assert config_sources(config) == [config]

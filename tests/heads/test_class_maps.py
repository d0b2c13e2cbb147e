"""Class maps: every file in the tree names classes that exist, and odd files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import downstream.class_maps
from benchmarks.api import DATASETS
from downstream.api import Detections, SegmentationMap
from downstream.class_maps import find_map, find_merge
from downstream.label_spaces import COCO80, SPACES
from hsc.errors import DataError

FILES = sorted(Path(downstream.class_maps.__file__).parent.glob("*.toml"))


def known_spaces() -> dict[str, tuple[str, ...]]:
    """Classes of the label spaces that need no file: those of the common data sets, and of data sets with defaults."""
    spaces = {COCO80.name: COCO80.classes, **{name: space.classes for name, space in SPACES.items()}}
    for name in ("roadscenes", "camvid"):
        if name in DATASETS.names():
            dataset = DATASETS.build(name)
            found = [dataset.label_space(kind) for kind in (Detections, SegmentationMap)]
            spaces |= {space.name: space.classes for space in found if space}
    return spaces


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_file_names_classes_that_exist(file: Path) -> None:
    source, target = file.stem.split("-to-")
    table, merge = find_map(source, target), find_merge(source, target)
    assert table
    spaces = known_spaces()
    assert set(table) <= set(spaces.get(source, table))
    assert set(merge) <= set(spaces.get(target, merge))
    scored = {merge.get(c, c) for c in spaces.get(target, table.values())}
    assert set(table.values()) <= scored
    assert set(merge.values()) <= set(table.values()), "merged classes that nothing maps to are better left out"


def test_the_spaces_are_sound() -> None:
    for name, space in SPACES.items():
        assert space.name == name
        assert len(set(space.classes)) == len(space.classes) == int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))


def test_same_space_none_and_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_map("a", "a") == {}
    assert find_map("a", "b") is None
    assert find_merge("a", "a") == find_merge("a", "b") == {}
    monkeypatch.setenv("HSC_CLASS_MAPS", str(tmp_path))
    (tmp_path / "a-to-b.toml").write_text('[map]\nx = "y"\n')
    assert find_map("a", "b") == {"x": "y"}
    assert find_merge("a", "b") == {}
    (tmp_path / "a-to-b.toml").write_text('[map]\nx = "y"\n[merge]\ny = "z"\n')
    assert find_merge("a", "b") == {"y": "z"}


@pytest.mark.parametrize(
    "text",
    ["", "[map", "map = 3", "[other]\nx = 1", "merge = 3\n[map]\nx = 1", "a = " + "[" * 100_000, "a = " + "9" * 5000],
)
def test_what_is_no_map_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_CLASS_MAPS", str(tmp_path))
    (tmp_path / "a-to-b.toml").write_text(text)
    with pytest.raises(DataError, match=r"a-to-b\.toml is not a class map"):
        find_map("a", "b")

"""Downloads of plug-ins are announced in advance, and happen only in a run that uses them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import DATASETS
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.keys import identity
from downstream.api import HEADS
from hsc.errors import DownloadError, UnavailableError
from hsc.weights.fetching import nothing_fetched, unfetched


@dataclass(frozen=True)
class Distant(FindSquares):
    """A head whose weights are far away until they are fetched. here: what was fetched; broken: the server is gone."""

    here: list[str] = field(default_factory=list)
    broken: bool = False

    def unfetched(self) -> str:
        return "" if self.here else "not fetched yet; would download 5 MB from https://a.example"

    def fetch(self) -> None:
        if self.broken:
            raise DownloadError("the server does not answer; try again")
        self.here.append("weights")

    def available(self) -> str | None:
        return self.unfetched() or None


def outcome(folder: Path, heads: list[Any]) -> Any:
    return run(
        configure("detection", Squares(2), [Blocks(4)], heads, anchors=[], resamples=0), cache=folder, executor=Inline()
    )


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HSC_OFFLINE", raising=False)


def test_a_run_fetches_what_it_uses(tmp_path: Path) -> None:
    head = Distant()
    assert unfetched(head).startswith("not fetched yet")
    assert any(row.head and row.metric == "ap" and row.value > 0 for row in outcome(tmp_path, [head]).scores)
    assert head.here == ["weights"]


def test_what_cannot_be_fetched_is_skipped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        rows = outcome(tmp_path, [FindSquares(), Distant(threshold=100, broken=True)]).scores
    assert "the server does not answer; try again" in caplog.text
    assert [row.reason for row in rows if row.status == "skipped"] == [
        "not fetched yet; would download 5 MB from https://a.example"
    ]


def test_offline_nothing_is_fetched(tmp_path: Path) -> None:
    head = Distant()
    with nothing_fetched(), pytest.raises(UnavailableError, match="would download 5 MB"):
        outcome(tmp_path, [head])
    assert head.here == []


@pytest.mark.parametrize(
    ("registry", "spec", "size"),
    [
        (HEADS, "torchvision", "74 MB"),
        (HEADS, "torchvision(model=maskrcnn_resnet50_fpn)", "170 MB"),
        (HEADS, "torchvision_segmentation", "42 MB"),
        (DATASETS, "coco", "1.1 GB"),
        (DATASETS, "coco(split=train2017)", "19.6 GB"),
        (DATASETS, 'mismatched(of="coco")', "1.1 GB"),
    ],
)
def test_asking_whether_it_is_available_fetches_nothing(
    registry: Any, spec: str, size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HSC_CACHE", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    item = registry.build(spec)
    assert item.available() == unfetched(item)
    assert f"not fetched yet; would download {size} from http" in unfetched(item)
    with nothing_fetched():
        assert "HSC_OFFLINE" in item.available()
    assert not list(tmp_path.rglob("*.*"))


def test_what_is_given_by_path_is_never_to_be_fetched(tmp_path: Path) -> None:
    for spec in (f'torchvision(weights="{tmp_path}/a.pth")', f'torchvision_segmentation(weights="{tmp_path}/a.pth")'):
        head = HEADS.build(spec)
        assert unfetched(head) == ""
        assert "give the path of a state dict" in head.available()


def test_heads_we_ship_are_what_their_names_alone_give() -> None:
    """And the spec that says more gives the same head, so that what was measured is found again."""
    for short, long in (
        ("small_adapted", "small_adapted(arch=hourglass)"),
        ("segmenter_adapted", "segmenter_adapted(arch=context)"),
    ):
        assert HEADS.build(short).available() is None
        assert identity(HEADS.build(short)) == identity(HEADS.build(long))

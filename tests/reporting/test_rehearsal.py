"""Names that people give are drawn as they are, and what cannot be written under them is found before anything is
coded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import SPACE, Blocks, FindSquares, Squares
from latent_testkit import Grid
from map_testkit import Greys, ReadGrey

from benchmarks.api import Counts, Dataset, Scene, ScoreRow, Tile
from benchmarks.evaluation import configure
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from benchmarks.harness.make_plan import make_plan
from benchmarks.harness.progress import Silent
from benchmarks.reporting.figures import figure_files, rate_curves
from benchmarks.reporting.figures.class_curves import class_curves
from benchmarks.reporting.figures.confusion_change import confusion_change
from benchmarks.reporting.images.boxes import draw as draw_boxes
from benchmarks.reporting.images.label_maps import draw as draw_maps
from benchmarks.reporting.made_up_run import make_up, results_of
from benchmarks.reporting.rehearsal import rehearse
from benchmarks.runs import tables
from benchmarks.runs.rows import read_scores
from benchmarks.tasks.detection import Detection
from benchmarks.tasks.segmentation import Segmentation
from downstream.api import LabelSpace, SegmentationMap
from hsc.errors import UsageError

ODD = (
    "$$ cash",
    "a_b^c",
    "50% & more",
    "#1 {x}",
    r"$5-$10 \frac",
    "<b>x</b>",
    "naïve 東",
    "_background_",
    "two\nlines",
    r"\notacommand{",
)


@dataclass(frozen=True)
class OddGreys(Greys):
    """Greys under names that are formulas, markup or odd letters."""

    def label_space(self, kind: type) -> LabelSpace | None:
        return LabelSpace("odd", ODD) if kind is SegmentationMap else None


@dataclass(frozen=True)
class ReadsOdd(ReadGrey):
    """A head of the same classes."""

    spec_name: ClassVar[str] = "reads_odd"

    @property
    def label_space(self) -> LabelSpace:  # type: ignore[override]
        return LabelSpace("odd", ODD)


def plan(tmp_path: Path, dataset: Any, heads: list[Any], task: str = "segmentation", **options: Any) -> Any:
    options = {"noise_floor": False, **options}
    config = configure(task, dataset, [Blocks(8), Blocks(4), Blocks(4, slow_s=0.001)], heads, **options)
    with Store(tmp_path / "store.sqlite") as store:
        return make_plan(config, store, Inline(), Silent())


def texts(figure: Any) -> set[str]:
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text)}


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every figure that is saved, as it was."""
    kept: list[Any] = []
    for module in ("class_curves", "confusion_change", "rate_curves"):
        real, name = figure_files.save_both, f"benchmarks.reporting.figures.{module}.save_both"
        monkeypatch.setattr(name, lambda figure, path, real=real: (kept.append(texts(figure)), real(figure, path)))
    return kept


def test_odd_names_are_drawn_as_they_are(tmp_path: Path, figures: list[set[str]]) -> None:
    odd = plan(tmp_path, OddGreys(), [ReadsOdd()])
    made_up = make_up(odd)
    results = results_of(odd, made_up)
    assert class_curves(results.scores, "iou", {}, tmp_path / "classes")
    confusion_change(results.scores, made_up.counts, tmp_path)
    rate_curves.curves(results, tmp_path / "curves")
    for name in ("classes", "confusion_change", "curves"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
        assert (tmp_path / f"{name}.pdf").read_bytes()[:4] == b"%PDF"
    drawn = set().union(*figures)
    for name in ODD[:6]:
        assert name in drawn
    for name in ("naïve (U+6771)", " _background_", "two(U+000A)lines", r"\notacommand{"):
        assert name in drawn


def test_sheets_draw_odd_names(tmp_path: Path) -> None:
    image = Squares().load(0).image
    (found,) = FindSquares().predict([image])
    tiles = tuple(Tile(name, image, "note=$$ {x_1} 5% #&", 10, found) for name in ("original", "$a$ $"))
    draw_boxes([Scene(0, "$id", tiles)], ("$$ cash", "_void_"), 0.1, tmp_path / "boxes.png")
    greys = OddGreys()
    picture = greys.load(0).image
    (seen,) = ReadsOdd().predict([picture])
    tiles = tuple(Tile(name, picture, "$", 10, seen) for name in ("original", r"\frac $x$ $"))
    draw_maps([Scene(0, "$$ picture", tiles)], greys, ReadsOdd(), Segmentation(), tmp_path / "maps.png")
    for name in ("boxes", "maps"):
        assert (tmp_path / f"{name}.png").stat().st_size > 2000


def test_a_first_underscore_is_not_left_out_of_legends() -> None:
    plt = figure_files.pyplot()
    with plt.rc_context(figure_files.TEXT):
        made, axis = plt.subplots()
        axis.plot([1, 2], label=figure_files.readable("_background_"))
        assert axis.get_legend_handles_labels()[1] == [" _background_"]
        plt.close(made)


@pytest.mark.parametrize(
    ("task", "dataset", "head"), [("segmentation", Greys(), ReadGrey()), ("detection", Squares(), FindSquares())]
)
def test_every_name_is_rehearsed(tmp_path: Path, task: str, dataset: Dataset, head: Any) -> None:
    of_run = plan(tmp_path, dataset, [head, *([FindSquares(90)] if task == "detection" else [])], task)
    scores, comparisons, counts = make_up(of_run)
    assert {row.codec for row in scores if row.head} == {cell.curve for cell in of_run.cells}
    assert {row.head for row in scores if row.head} == {reader.label for reader in of_run.config.readers}
    space = head.label_space if task == "segmentation" else SPACE
    assert {row.part for row in scores} >= set(space.classes)
    assert bool(counts) == (task == "segmentation")
    assert ("heads_apart" in {comparison.kind for comparison in comparisons}) == (task == "detection")
    rehearse(of_run)


def test_one_comparison_of_each_kind_is_rehearsed(tmp_path: Path) -> None:
    """Under the run's own names, so that tables, page and figures print each name in every sentence that holds it."""
    codecs = [Blocks(size) for size in Blocks.ladder] + [Grid(size) for size in Grid.ladder] + ["original"]
    options: dict[str, Any] = {"anchors": ["blocks"], "resamples": 40, "noise_floor": True}
    config = configure("detection", Squares(12), codecs, [FindSquares(), FindSquares(90)], **options)
    with Store(tmp_path / "store.sqlite") as store:
        of_run = make_plan(config, store, Inline(), Silent())
    made_up = make_up(of_run)
    kinds = {comparison.kind for comparison in made_up.comparisons}
    assert kinds >= {"bd_rate", "bd_metric", "difference_at_rate", "heads_apart", "score_at_rate"}
    assert kinds >= {"noise_floor_rate", "noise_floor_metric"}
    named = {(row.codec, row.ladder) for row in made_up.scores}
    assert named == {("original", ""), ("blocks", ""), ("grid", ""), ("blocks", "second")}
    assert {row.codec for row in made_up.comparisons} <= {"blocks", "grid", "original"}
    text = tables.blocks(results_of(of_run, made_up), "github")
    for sentence in ("BD-rate (AP) vs blocks", "Noise floor, squares", "Verdict (95 % CI), squares against blocks"):
        assert sentence in text
    assert "AP of squares(threshold=90), pixel domain, less squares, pixel domain" in text
    assert "grid against blocks, AP at 0.2500 bpp: 40.0% against 50.0%" in text
    assert "grid against blocks, BD-AP: 1 of 40 resamples refused, the others give -200 to -50" in text
    rehearse(of_run)


@dataclass(frozen=True)
class Picky(Detection):
    """A task whose figures cannot be drawn."""

    spec_name: ClassVar[str] = "picky"

    def figures(
        self, scores: Sequence[ScoreRow], counts: Sequence[Counts], folder: Path, names: Mapping[str, str]
    ) -> None:
        raise KeyError("square")


def test_what_cannot_be_written_is_refused_before_anything_is_coded(tmp_path: Path) -> None:
    of_run = plan(tmp_path, Squares(), [FindSquares()], "detection")
    rehearse(of_run)
    object.__setattr__(of_run.config, "task", Picky())
    with pytest.raises(
        UsageError, match=r"the figures of the task of this run could not be written at its end: KeyError: 'square'"
    ):
        rehearse(of_run)
    for cell in of_run.cells:
        cell.todo = 0
    rehearse(of_run)  # nothing is left to do, so nothing is lost


def test_text_that_matplotlib_would_take_for_a_formula_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard behind the setting: were formulas read again, the rehearsal would say so."""
    monkeypatch.setitem(figure_files.SETTINGS, "text.parse_math", True)
    of_run = plan(tmp_path, OddGreys(), [ReadsOdd()])
    with pytest.raises(UsageError, match=r"could not be written at its end: ValueError"):
        rehearse(of_run)


def test_a_name_that_no_file_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a surrogate pair, as JSON may hold it, is no text in any encoding."""
    monkeypatch.setitem(globals(), "ODD", (*ODD[:-1], "\udcff"))
    with pytest.raises(UsageError, match=r"the tables of this run could not be written at its end: UnicodeEncodeError"):
        rehearse(plan(tmp_path, OddGreys(), [ReadsOdd()]))


def test_the_page_and_tables_take_odd_names(tmp_path: Path) -> None:
    from PIL import Image

    from benchmarks.cli.run import main

    (tmp_path / "pictures").mkdir()
    data = Squares().coco()
    names = ("$$ cash", "<b>x</b>")
    data["categories"] = [{"id": n + 1, "name": name} for n, name in enumerate(names)]
    for index, record in enumerate(data["images"]):
        Image.fromarray(Squares().load(index).image).save(tmp_path / "pictures" / record["file_name"])
    (tmp_path / "labels.json").write_text(json.dumps(data))
    dataset = f'coco(images="{tmp_path}/pictures", annotations="{tmp_path}/labels.json", space=odd)'
    where = [
        "--cache",
        str(tmp_path / "cache"),
        "--out",
        str(tmp_path / "run"),
        "--workers",
        "1",
        "--quiet",
        "--resamples",
        "0",
    ]
    assert (
        main(
            [
                "--dataset",
                dataset,
                "--head",
                'hostile(names=("$$ cash", "<b>x</b>"))',
                "--codec",
                "blocks(size=[8, 4])",
                *where,
            ]
        )
        == 0
    )
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<b>x</b>" not in page
    assert np.isfinite(read_scores(tmp_path / "run" / "scores.csv")["value"].iloc[0])

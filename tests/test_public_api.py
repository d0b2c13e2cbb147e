"""The names that the three packages export, and what a notebook does with them."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import typing
from pathlib import Path
from types import FunctionType
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares

import benchmarks
import downstream
import hsc
from benchmarks.api import Comparison, ScoreRow
from benchmarks.harness.executors import Inline
from benchmarks.runs import records
from benchmarks.runs.rows import read_comparisons, read_scores

PACKAGES = (benchmarks, downstream, hsc)
EXPORTED = {
    "benchmarks": """Advice CODECS DATASETS METRICS TASKS advise Comparison Config Dataset Difference HasBoxes
        HasClassLabels HasLabelMaps HasMasks HasRegions Metric MetricFacts Outcome Region Resampled Sample SavedRun
        Score ScoreRow Task Truth __version__ bd_metric bd_rate configure evaluate load run_config""",
    "downstream": """HEADS NO_CLASS VOID AdaptedHead Classification ComparesWithOriginals Detections FeaturePair
        Fidelity FidelityHead GivesMasks Head ImageHead LabelSpace LatentHead Masks Prediction PredictsFromImages
        PredictsFromLatents Route SegmentationMap ranked routes_of why_not""",
    "hsc": """AnnotationError BitstreamError Codec CodecError DataError DataOnly DecodesLatents DownloadError Edits
        EstimatesBits HeadError HscCodec HscError Image ImageError Info LatentSpec Latents LayerInfo Layered PluginError
        ProcessError Ranged ResultsError SpecError Staged StagedEncoding StagedLatents UnavailableError UnknownNameError
        UsageError __version__ current_device held load use_device""",
}
ANCHOR = [(0.1, 20.0), (0.2, 26.0), (0.4, 30.0), (0.8, 32.0)]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_exported_names(package: Any) -> None:
    assert sorted(package.__all__) == sorted(EXPORTED[package.__name__].split())
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is getattr(package, name)
    with pytest.raises(AttributeError, match="has no attribute 'evaluate_all'"):
        package.evaluate_all  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_no_exported_name_is_a_module(package: Any) -> None:
    """Importing a module sets its name in the package, so a function of that name would be replaced."""
    modules = {info.name for info in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(package.__all__)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_functions_and_errors_say_where_users_find_them(package: Any) -> None:
    values = [getattr(package, name) for name in package.__all__]
    functions = [value for value in values if isinstance(value, FunctionType)]
    errors = [value for value in values if isinstance(value, type) and issubclass(value, Exception)]
    assert functions
    assert {value.__module__ for value in (*functions, *errors)} == {package.__name__}
    for value in values:  # other classes keep the module in which the names of their annotations are found
        if isinstance(value, type) and value not in errors:
            typing.get_type_hints(value)


def test_a_module_of_commands_replaces_no_function() -> None:
    before = benchmarks.run_config
    importlib.import_module("benchmarks.run")
    importlib.import_module("benchmarks.evaluation")
    assert benchmarks.run_config is before
    assert isinstance(benchmarks.evaluate, FunctionType)


def test_importing_the_packages_is_light() -> None:
    code = (
        "import sys, hsc, downstream, benchmarks\n"
        "heavy = {'torch', 'pandas', 'numpy', 'scipy', 'matplotlib', 'PIL', 'numba', 'onnxruntime'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "import benchmarks.api, downstream.api, hsc.api, benchmarks.evaluation\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("module", ["benchmarks.stats.point_lists", "hsc.lazy_exports"])
def test_examples_in_docstrings(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_bd_rate_of_two_lists_of_points() -> None:
    cheaper = [(rate * 0.8, score) for rate, score in ANCHOR]
    assert benchmarks.bd_rate(ANCHOR, cheaper).value == pytest.approx(-20)
    assert benchmarks.bd_rate(cheaper, ANCHOR).value == pytest.approx(25)
    table = pd.DataFrame(cheaper, columns=["bpp", "ap"])
    assert benchmarks.bd_rate(np.array(ANCHOR), table).value == pytest.approx(-20)
    assert benchmarks.bd_rate(iter(ANCHOR), reversed(cheaper)).value == pytest.approx(-20)


def test_bd_of_scores_where_lower_is_better() -> None:
    """A distance that is smaller by 1.5 at each rate."""
    distances = [(rate, 50 - score) for rate, score in ANCHOR]
    nearer = [(rate, distance - 1.5) for rate, distance in distances]
    by_metric = benchmarks.bd_metric(distances, nearer, higher_is_better=False, bounds=(0, float("inf")))
    assert by_metric.value == pytest.approx(-1.5)
    halved = [(rate / 2, distance) for rate, distance in distances]
    assert benchmarks.bd_rate(distances, halved, higher_is_better=False).value == pytest.approx(-50)


def test_bd_without_a_number_has_a_reason() -> None:
    difference = benchmarks.bd_rate(ANCHOR, ANCHOR[:3])
    assert (difference.value, difference.reason) == (
        None,
        "the test codec's curve has 3 points, at least 4 are needed",
    )
    assert benchmarks.bd_rate([], ANCHOR).value is None


@pytest.mark.parametrize(
    ("points", "words"),
    [([1, 2, 3], "shape (3,)"), ([(1, 2, 3)], "shape (1, 3)"), ([("a", 1)], "could not convert"), (5, "shape ()")],
)
def test_points_that_are_none_are_refused(points: Any, words: str) -> None:
    with pytest.raises(hsc.UsageError, match=re.escape(words)):
        benchmarks.bd_rate(ANCHOR, points)


def test_bounds_in_falling_order_are_refused() -> None:
    with pytest.raises(hsc.UsageError, match="lower one first"):
        benchmarks.bd_metric(ANCHOR, ANCHOR, bounds=(1, 0))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> benchmarks.Outcome:
    return benchmarks.evaluate(
        "detection",
        Squares(12),
        [*map(Blocks, Blocks.ladder), "jpeg(quality=[5, 20, 60, 95])"],
        [FindSquares()],
        anchors=["blocks"],
        resamples=50,
        cache=tmp_path_factory.mktemp("cache"),
        executor=Inline(),
        keep_streams=2,
    )


@pytest.fixture(scope="module")
def folder(outcome: benchmarks.Outcome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return outcome.save(tmp_path_factory.mktemp("saved") / "run", pictures=1)


def test_an_outcome_holds_tables(outcome: benchmarks.Outcome) -> None:
    assert list(outcome.scores.columns) == list(ScoreRow.__dataclass_fields__)
    assert list(outcome.comparisons.columns) == list(Comparison.__dataclass_fields__)
    assert (len(outcome.scores), len(outcome.comparisons)) == (len(outcome.score_rows), len(outcome.comparison_rows))
    assert outcome.failed == []


def test_records_name_their_operating_points(outcome: benchmarks.Outcome) -> None:
    table = outcome.records
    assert set(table["codec"]) == {"original", "blocks", "jpeg"}
    of_point = table[(table["codec"] == "blocks") & (table["point"] == "size=4") & (table["ladder"] == "")]
    assert len(of_point) == 12
    rate = outcome.scores.query("codec == 'blocks' and point == 'size=4' and metric == 'bpp' and ladder == ''")
    assert 8 * of_point["size_bytes"].sum() / (12 * 56 * 144) == pytest.approx(rate["value"].item())
    assert of_point["bpp"].mean() == pytest.approx(rate["value"].item())


def test_the_summary_is_that_of_the_comparisons(outcome: benchmarks.Outcome) -> None:
    table = outcome.summary.set_index("codec")
    assert set(table.index) == {"blocks", "jpeg"}
    bd = outcome.comparisons.query("kind == 'bd_rate' and codec == 'jpeg'").iloc[0]
    assert (table["metric"] == "ap").all()
    assert table.loc["jpeg", "anchor"] == bd["anchor"] == "blocks"
    np.testing.assert_equal(table.loc["jpeg", "bd_rate"], bd["value"])
    np.testing.assert_equal(table.loc["jpeg", "bd_rate_low"], bd["low"])
    assert bool(table.loc["jpeg", "reason"]) == np.isnan(bd["value"])
    assert table.loc["blocks", "reason"] == "the anchor itself"
    times = outcome.scores.query("codec == 'jpeg' and metric == 'decode_s' and ladder == ''")["value"]
    assert table.loc["jpeg", "decode_ms"] == pytest.approx(1000 * times.median())
    at_rate = outcome.comparisons.query("kind == 'score_at_rate' and codec == 'blocks'")
    for rate, value in zip(at_rate["at_bpp"], at_rate["value"], strict=True):
        if f"ap@{rate:g}bpp" in table:
            np.testing.assert_equal(table.loc["blocks", f"ap@{rate:g}bpp"], value)


def test_a_saved_outcome_is_a_run(outcome: benchmarks.Outcome, folder: Path) -> None:
    written = {path.name for path in folder.iterdir()}
    assert {
        "scores.csv",
        "comparisons.csv",
        "records.csv",
        "table.md",
        "run.json",
        "curves.pdf",
        "report.html",
    } <= written
    assert "streams.zip" in written
    pd.testing.assert_frame_equal(read_scores(folder / "scores.csv"), outcome.scores)
    pd.testing.assert_frame_equal(read_comparisons(folder / "comparisons.csv"), outcome.comparisons)
    assert records.read(folder) == list(outcome.record_rows)


def test_a_loaded_run_has_the_outcomes_tables(outcome: benchmarks.Outcome, folder: Path) -> None:
    run = benchmarks.load(folder)
    for name in ("scores", "comparisons", "records", "summary"):
        pd.testing.assert_frame_equal(getattr(run, name), getattr(outcome, name))
    assert run.failed == []
    assert run.name == "run"
    command = run.about["arguments"]["command"]
    assert (
        "--dataset 'squares(images=12)' --codec blocks --codec 'jpeg(quality=[5, 20, 60, 95])' --head squares"
        in command
    )
    assert "--anchor blocks --resamples 50 --keep-streams 2 --cache " in command
    assert command.endswith("--gallery 1")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(hsc.ResultsError, match="holds no run"):
        benchmarks.load(str(tmp_path))


def test_another_run_is_not_replaced_unasked(outcome: benchmarks.Outcome, tmp_path: Path) -> None:
    other = benchmarks.evaluate(
        "detection", Squares(4), [Blocks(4)], [FindSquares()], cache=tmp_path / "cache", executor=Inline(), resamples=0
    )
    kept = other.save(tmp_path / "run", pictures=0)
    assert other.save(kept, pictures=0) == kept  # the same settings
    with pytest.raises(hsc.UsageError, match="holds a run of other settings"):
        outcome.save(kept, pictures=0)
    assert set(benchmarks.load(kept).scores["images"]) == {4}
    outcome.save(kept, overwrite=True, pictures=0)
    assert benchmarks.load(kept).scores["images"].max() == 12


def test_a_plan_alone_is_not_saved(tmp_path: Path) -> None:
    plan = benchmarks.evaluate("detection", Squares(2), [Blocks(4)], [FindSquares()], cache=tmp_path, dry=True)
    with pytest.raises(hsc.UsageError, match="nothing to save"):
        plan.save(tmp_path / "run")
    assert "nothing was measured" in plan._repr_html_()


def test_a_notebook_shows_the_summary_and_the_curves(outcome: benchmarks.Outcome, folder: Path) -> None:
    mpl.use("svg")
    html = outcome._repr_html_()
    assert mpl.get_backend() == "svg"  # a notebook's own figures are drawn as before
    assert "<script" not in html
    assert html.count("<table>") == 1
    assert "BD-rate vs blocks [%]" in html
    assert '<img alt="score against rate' in html
    assert 'src="data:image/png;base64,iVBORw0KGgo' in html
    loaded = benchmarks.load(folder)._repr_html_()
    assert loaded.startswith('<div class="hsc-bench"><p><b>run: detection on squares (test, 12 images)</b></p>')
    assert re.findall("<table>.*</table>", loaded) == re.findall("<table>.*</table>", html)


def test_names_are_text_in_a_notebook(folder: Path) -> None:
    run = benchmarks.load(folder)
    run.scores["codec"] = run.scores["codec"].replace("jpeg", "<script>alert(1)</script>")
    assert "<script" not in run._repr_html_()


def test_a_string_where_a_list_belongs_is_refused() -> None:
    for words in ({"codecs": "jpeg"}, {"heads": "small"}, {"anchors": "jpeg"}, {"metrics": "agreement"}):
        (name,) = words
        with pytest.raises(hsc.UsageError, match=re.escape(f"{name} came as the text {words[name]!r}")):
            benchmarks.configure("detection", "squares", **words)


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(hsc.UsageError, match="tpu"):
        hsc.load(device="tpu")
    with pytest.raises(hsc.UsageError, match="tpu"), hsc.use_device("tpu"):
        hsc.load()
    with pytest.raises(hsc.UsageError, match="tpu"):
        benchmarks.evaluate("detection", Squares(2), [Blocks(4)], [FindSquares()], device="tpu")


def test_hsc_codes_and_decodes_at_its_quality(photo: Any) -> None:
    image = photo(64, 96)
    codec = hsc.load("roadscenes", quality=2)
    data = codec.encode(image)
    assert codec.info(data).quality == 2
    assert data == hsc.load(quality=6).encode(image, 2)
    assert len(data) < len(codec.encode(image, quality=6))
    assert (codec.decode(data).shape, codec.decode(data).dtype) == (image.shape, np.uint8)
    latents = codec.decode_latents(data, ["w_hat"])
    assert latents.image_hw == (64, 96)
    assert set(latents.maps) == {"w_hat"}
    registered = benchmarks.CODECS.build("hsc(quality=2)")
    assert registered.encode(image) == data


@pytest.mark.parametrize("quality", [-1, 8.5, float("nan")])
def test_hsc_refuses_a_quality_out_of_range(quality: float) -> None:
    with pytest.raises(hsc.UsageError, match="quality"):
        hsc.load(quality=quality)


def test_hsc_refuses_weights_that_are_not_here() -> None:
    with pytest.raises(hsc.UnavailableError, match="roadscenes"):
        hsc.load("roadscene")

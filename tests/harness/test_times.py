"""Times and the conditions they are taken under: kept apart, told truly, never pooled."""

from __future__ import annotations

import json
import logging
import sqlite3
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares

from benchmarks.api import ScoreRow
from benchmarks.cli.plan_text import planned
from benchmarks.cli.run import main
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness import conditions as conditions_module
from benchmarks.harness.cache import Store, latents_kind
from benchmarks.harness.conditions import Conditions, conditions_of
from benchmarks.harness.executors import Inline, Processes
from benchmarks.harness.plan import Plan
from benchmarks.harness.progress import Silent
from benchmarks.harness.scorer import score
from benchmarks.reporting.html.origin import provenance
from benchmarks.reporting.paper.settings import _times
from benchmarks.runs.provenance import describe
from benchmarks.runs.rows import frame
from benchmarks.runs.tables import blocks
from benchmarks.stats.bootstrap import Bootstrap

TIMES = ("encode_s", "decode_s", "head_s")


class Several(Inline):
    """Says that it is several processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers


@dataclass(frozen=True)
class Logged(Blocks):
    """Blocks that write down their calls. fault: at what it fails or lies once the file of that name is there."""

    log: str = ""
    fault: str = ""

    def _now(self, what: str) -> bool:
        with Path(self.log).open("a") as log:
            log.write(what + "\n")
        return Path(self.log).with_suffix(".fault").exists()

    def encode(self, image: np.ndarray) -> bytes:
        late = self._now("encode")
        if late and self.fault == "encode":
            raise ValueError("no luck this time")
        if late and self.fault == "bytes":
            return replace(self, size=self.size + 1, fault="").encode(image)
        return super().encode(image)

    def decode(self, data: bytes) -> np.ndarray:
        self._now("decode")
        return super().decode(data)


@dataclass(frozen=True)
class Failing(FindSquares):
    """Finds squares until the file is there."""

    stop: str = ""

    def predict(self, images: Any) -> list[Any]:
        if Path(self.stop).exists():
            raise RuntimeError("out of memory")
        return super().predict(images)


def done(
    tmp_path: Path, codecs: list[Any] | None = None, heads: list[Any] | None = None, workers: int = 1, **options: Any
) -> Outcome:
    how = {name: options.pop(name) for name in ("dry", "keep_streams", "device") if name in options}
    config = configure(
        "detection",
        Squares(),
        codecs or [Blocks(4)],
        heads or [FindSquares()],
        **{"anchors": [], "resamples": 0, **options},
    )
    return run(config, cache=tmp_path / "cache", executor=Several(workers), **how)


def times(outcome: Outcome) -> dict[tuple[str, str, str, str], float]:
    return {
        (r.codec, r.point, r.route, r.metric): r.value
        for r in outcome.score_rows
        if r.metric in TIMES and r.status == "ok"
    }


def others(outcome: Outcome) -> pd.DataFrame:
    table = frame(outcome.score_rows, ScoreRow)
    return table[~table["metric"].isin(TIMES)].reset_index(drop=True)


def calls(log: Path, what: str = "encode") -> int:
    return log.read_text().split().count(what) if log.exists() else 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"repeats": 1}, {"repeats": 3}),
        ({"workers": 1}, {"workers": 2}),
        ({"repeats": 5, "workers": 2}, {"repeats": 1, "workers": 4}),
    ],
)
def test_a_run_shows_times_of_its_own_conditions_alone(
    tmp_path: Path, first: dict[str, int], second: dict[str, int]
) -> None:
    log = tmp_path / "log"
    codec = Logged(4, log=str(log))
    one = done(tmp_path, [codec], **first)
    before = calls(log)
    two = done(tmp_path, [codec], **second)
    assert calls(log) - before in (6 * second.get("repeats", 1), 6 * second.get("repeats", 1) + 1)
    assert len(times(one)) == len(times(two)) == 6  # three times of each of two codecs
    assert all(times(one)[key] != times(two)[key] for key in times(one))
    pd.testing.assert_frame_equal(others(one), others(two))
    before = calls(log)
    again = done(tmp_path, [codec], **first)
    assert calls(log) == before
    assert times(again) == times(one)


def test_each_time_says_its_conditions_in_rows_tables_run_json_paper_and_page(tmp_path: Path) -> None:
    done(tmp_path)
    outcome = done(tmp_path, repeats=5, workers=2)
    shown = [r for r in outcome.score_rows if r.metric in TIMES]
    assert len(shown) == 6
    assert {r.reason for r in shown} == {str(outcome.plan.conditions)}
    assert all(r.reason.startswith("measured 5 times, the median kept; 2 processes of 1 thread; cpu; ") for r in shown)
    assert f"\n\nTimes: {shown[0].reason}." in blocks(outcome.results, "github")
    about = json.loads(json.dumps(describe(outcome.plan, 2, "cpu", {"command": "x"}), default=str))
    assert (
        about["times"]["repeats"],
        about["times"]["processes"],
        about["times"]["threads"],
        about["times"]["device"],
    ) == (5, 2, 1, "cpu")
    about["repeats"] = 1  # what the run says of itself is not what its times are told by
    assert "each measured 5 times, the median kept: " in _times(about)
    assert "2 processes of 1 thread each, device cpu." in _times(about)
    page = str(provenance(about))
    assert "Conditions of the times" in page
    assert "<dt>processes</dt><dd>2</dd>" in page


def test_an_older_runs_methods_tell_what_it_declares() -> None:
    about = {
        "repeats": 3,
        "environment": {
            "workers": 4,
            "threads_per_worker": 1,
            "device": "cuda",
            "machine": {"cores": 8, "processor": "P"},
        },
    }
    assert "each measured 3 times, the median kept: P, 8 cores, 4 processes of 1 thread each, device cuda." in _times(
        about
    )


def test_the_median_is_of_all_images_and_of_one_kind(tmp_path: Path) -> None:
    outcome = done(tmp_path, repeats=2)
    done(tmp_path, repeats=3)
    assert outcome.plan.conditions is not None
    (cell,) = (cell for cell in outcome.plan.cells if cell.curve == "blocks")
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        predictions = cell.predictions["squares", "image"]
        for kind, keys in (("encode_s", cell.streams), ("decode_s", cell.streams), ("head_s", predictions)):
            kept = store.times(kind, keys, outcome.plan.conditions)
            assert len(kept) == 6
            assert times(outcome)["blocks", "size=4", "image", kind] == statistics.median(kept.values())
        assert store.times("encode_s", cell.streams, replace(outcome.plan.conditions, repeats=4)) == {}
        told = dict(store._db.execute("SELECT id, text FROM conditions"))
    assert {json.loads(text)["repeats"] for text in told.values()} == {2, 3}
    assert json.loads(told[outcome.plan.conditions.id]) == outcome.plan.conditions.plain()


@pytest.mark.parametrize(
    "change",
    [
        {"repeats": 2},
        {"processes": 2},
        {"threads": 2},
        {"device": "cuda"},
        {"accelerator": "H"},
        {"host": "other"},
        {"processor": "other"},
        {"cores": 3},
    ],
)
def test_whatever_a_time_depends_on_is_a_condition(change: dict[str, Any]) -> None:
    base = Conditions(1, 1, 1, "cpu", "", "host", "processor", 2)
    assert replace(base, **change).id != base.id
    assert str(replace(base, **change)) != str(base)


def test_conditions_are_read_off_executor_device_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delenv("HSC_DEVICE", raising=False)
    here = conditions_of(3, Processes(7))
    assert (here.repeats, here.processes, here.threads, here.device, here.accelerator) == (3, 7, 1, "cpu", "")
    assert conditions_of(3, Inline()).processes == 1
    assert "? processes" in str(conditions_of(3, object()))
    monkeypatch.setattr(conditions_module.platform, "node", lambda: "another machine")
    assert conditions_of(3, Processes(7)).host != here.host
    assert "another" not in str(conditions_of(3, Processes(7)))
    monkeypatch.setenv("HSC_DEVICE", "cuda:1")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: f"GPU of {where}")
    assert (conditions_of(1, Inline()).device, conditions_of(1, Inline()).accelerator) == ("cuda:1", "GPU of cuda:1")


def test_never_leaves_times_of_other_conditions_out_with_the_reason(tmp_path: Path) -> None:
    one = done(tmp_path)
    two = done(tmp_path, repeats=7, overwrite="never")
    assert times(two) == {}
    lacking = [r for r in two.score_rows if r.metric in TIMES]
    assert {r.status for r in lacking} == {"missing"}
    assert len(lacking) == 6
    assert all(
        np.isnan(r.value)
        and r.reason.startswith("6 of 6 images have no time of this run's conditions (measured 7 times")
        for r in lacking
    )
    pd.testing.assert_frame_equal(others(one), others(two))
    assert times(done(tmp_path, overwrite="never")) == times(one)


def test_always_replaces_times_and_keeps_those_of_other_conditions(tmp_path: Path) -> None:
    one, other = done(tmp_path), done(tmp_path, repeats=2)
    again = done(tmp_path, overwrite="always")
    assert all(times(again)[key] != times(one)[key] for key in times(one))
    assert times(done(tmp_path)) == times(again)
    assert times(done(tmp_path, repeats=2)) == times(other)


def test_the_plan_says_what_is_only_timed_anew(tmp_path: Path) -> None:
    done(tmp_path)
    plan = done(tmp_path, [Blocks(4), Blocks(8)], repeats=2, dry=True)
    shown = planned(plan)
    assert "blocks size=4: 6 of 6 images known, 6 of them to be timed anew\n" in shown
    assert "blocks size=8: 0 of 6 images known\n" in shown
    assert (
        "18 images to code or read\n12 of them are known and are only timed anew: no times of these conditions are "
        "kept (measured 2 times" in shown
    )
    assert (plan.plan.todo, plan.plan.retimed) == (18, 12)
    assert "timed anew" not in planned(done(tmp_path, dry=True))


def test_a_codec_that_gives_other_bytes_keeps_its_first_ones_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "log"
    codec = Logged(4, log=str(log), fault="bytes")
    one = done(tmp_path, [codec])
    log.with_suffix(".fault").touch()
    with caplog.at_level(logging.WARNING):
        two = done(tmp_path, [codec], repeats=2)
    pd.testing.assert_frame_equal(others(one), others(two))
    assert len(times(two)) == 6
    assert [r.getMessage() for r in caplog.records if "other bytes" in r.getMessage()] == [
        f"{two.plan.cells[1].curve} size=4 gives other bytes than before for 6 images; the first are kept, their "
        f"times are new"
    ]
    assert two.plan.cells[1].differing == 6


def test_a_codec_or_head_that_fails_to_be_timed_loses_its_times_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    codec, head = Logged(4, log=str(log), fault="encode"), Failing(stop=str(tmp_path / "log.fault"))
    one = done(tmp_path, [codec], [head])
    log.with_suffix(".fault").touch()
    two = done(tmp_path, [codec], [Failing(stop=str(tmp_path / "log.fault"))], repeats=2)
    bad = {("blocks" if "blocks" in r.codec else r.codec, r.metric): r for r in two.score_rows if r.status == "failed"}
    assert set(bad) == {*(("blocks", metric) for metric in TIMES), ("original", "head_s")}
    assert all(
        r.reason.startswith("6 of 6 images failed: image ") and "ValueError: no luck this time" in r.reason
        for (codec, _), r in bad.items()
        if codec == "blocks"
    )
    assert "6 of 6 images failed: image squares-0: RuntimeError: out of memory" in bad["original", "head_s"].reason
    assert len(two.failed) == 3  # a line for each pair of codec and head, or codec alone
    pd.testing.assert_frame_equal(others(one), others(two))


def test_a_cache_from_before_conditions_is_read_and_its_times_are_measured_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    codec = Logged(4, log=str(log))
    one = done(tmp_path, [codec])
    with sqlite3.connect(tmp_path / "cache" / "store.sqlite") as db:
        for table in ("times", "conditions", "checksums"):
            db.execute(f"DROP TABLE {table}")
        db.execute("UPDATE streams SET encode_s = 123.0, decode_s = 123.0")
        db.execute("UPDATE predictions SET head_s = 123.0")
        db.execute("CREATE TABLE latents (key TEXT PRIMARY KEY, decode_s REAL)")
        size = [row for (row,) in db.execute("SELECT data FROM streams ORDER BY key")]
    db.close()
    assert planned(done(tmp_path, [codec], dry=True)).count("6 of 6 images known, 6 of them to be timed anew") == 2
    two = done(tmp_path, [codec])
    pd.testing.assert_frame_equal(others(one), others(two))
    assert len(times(two)) == 6
    assert max(times(two).values()) < 100
    with sqlite3.connect(tmp_path / "cache" / "store.sqlite") as db:
        assert [row for (row,) in db.execute("SELECT data FROM streams ORDER BY key")] == size
    db.close()
    before = calls(log)
    assert times(done(tmp_path, [codec])) == times(two)
    assert calls(log) == before


def test_a_further_head_leaves_the_times_of_streams_as_they_are(tmp_path: Path) -> None:
    one = done(tmp_path)
    two = done(
        tmp_path, heads=[FindSquares(), FindSquares(90)]
    )  # the originals, too large to keep, are coded again for it
    streams = {key: value for key, value in times(one).items() if key[3] != "head_s"}
    assert len(streams) == 4
    assert streams.items() <= times(two).items()


def test_keeping_streams_changes_no_time(tmp_path: Path) -> None:
    one = done(tmp_path)
    kept = done(tmp_path, keep_streams=3)
    assert times(kept) == times(one)
    assert kept.keeping is not None
    assert not any(s.metric in TIMES for s in kept.keeping.kept.scores)


def test_the_gallery_and_the_command_line_tell_the_times_of_the_run(tmp_path: Path) -> None:
    def made(*more: str) -> dict[str, Any]:
        line = [
            "--dataset",
            "squares",
            "--head",
            "squares",
            "--codec",
            "blocks(size=[8, 4])",
            "--no-noise-floor",
            "--resamples",
            "0",
            "--quiet",
        ]
        assert (
            main([*line, "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--workers", "1", *more])
            == 0
        )
        found = pd.read_csv(tmp_path / "run" / "scores.csv", keep_default_na=False)
        found = found[found["metric"].isin(TIMES)]
        return {f"{r.codec} {r.point} {r.metric}": r.value for r in found.itertuples()}

    one = made("--gallery", "0")
    assert (
        made("--gallery", "2") == one
    )  # its pictures are coded between points, and again where they were too large to keep
    assert made("--gallery", "2", "--overwrite", "never") == one
    assert not set(made("--gallery", "0", "--repeats", "2").values()) & set(one.values())
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (about["times"]["repeats"], about["times"]["processes"], about["repeats"]) == (2, 1, 2)


def test_a_search_for_rates_times_what_it_finds_under_the_runs_conditions(tmp_path: Path) -> None:
    log = tmp_path / "log"
    codecs = [Logged(size, log=str(log)) for size in (16, 4)]
    first = done(tmp_path, codecs, match_bpp=[0.5])
    assert all(r.reason == str(first.plan.conditions) for r in first.score_rows if r.metric in TIMES)
    found = len({r.point for r in first.score_rows if r.metric == "encode_s" and r.codec != "original"})
    before = calls(log)
    second = done(tmp_path, codecs, match_bpp=[0.5], repeats=2)
    assert calls(log) - before <= 6 * 2 * found + 1  # what the search passes by is not timed anew
    assert len(times(second)) == len(times(first)) == 3 * (1 + found)
    assert all(times(first)[key] != times(second)[key] for key in times(first))


@dataclass(frozen=True)
class TwoMaps(Grid):
    """A grid with its maps under a second name as well."""

    def latent_specs(self) -> Any:
        (spec,) = super().latent_specs()
        return (spec, replace(spec, name="z_hat"))

    def decode_latents(self, data: bytes, names: Any = None) -> Any:
        found = super().decode_latents(data)
        maps = {"y_hat": found.maps["y_hat"], "z_hat": found.maps["y_hat"]}
        return replace(found, maps={name: maps[name] for name in names or maps})


@dataclass(frozen=True)
class OfSecond(GridSquares):
    """Reads the other map."""

    @property
    def needs(self) -> Any:
        return (TwoMaps().latent_specs()[1],)

    def predict_latents(self, latents: Any) -> list[Any]:
        return [self._one(one.maps["z_hat"].mean(0)) for one in latents]


def test_times_to_latents_are_of_the_latents_that_the_run_reads(tmp_path: Path) -> None:
    assert len({latents_kind(names) for names in (("y",), ("w", "y"), ("w",))}) == 3
    found = {}
    for name, heads in (
        ("first", [GridSquares()]),
        ("second", [OfSecond(90)]),
        ("both", [GridSquares(), OfSecond(90)]),
    ):
        found[name] = times(done(tmp_path, [TwoMaps()], heads, repeats=2))
    (key,) = [key for key in found["first"] if key[2] == "latent" and key[3] == "decode_s"]
    assert len({found[name][key] for name in found}) == 3
    assert times(done(tmp_path, [TwoMaps()], [GridSquares()], repeats=2)) == found["first"]
    assert times(done(tmp_path, [TwoMaps()], [GridSquares()]))[key] != found["first"][key]


def test_a_plan_without_conditions_has_no_times_and_the_same_scores(tmp_path: Path) -> None:
    outcome = done(tmp_path)
    plan = Plan(outcome.plan.config, outcome.plan.images, outcome.plan.cells)
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        rows = score(plan, store, Bootstrap(6, 0, 0), Inline(), Silent()).rows
    assert not [r for r in rows if r.metric in TIMES]
    pd.testing.assert_frame_equal(others(outcome), frame(rows, ScoreRow))

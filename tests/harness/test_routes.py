"""Two routes from the same bytes: heads on images and heads on latents in one run, with keys, times and rows of their
own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import FINGERPRINT, Grid, GridSquares

import benchmarks
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline
from benchmarks.runs.comparison_tables import bd_tables
from benchmarks.runs.provenance import describe
from benchmarks.runs.results import Results
from benchmarks.runs.tables import blocks
from benchmarks.runs.wide_table import wide
from hsc.api import Latents
from hsc.errors import BitstreamError, UsageError


@dataclass(frozen=True)
class Counting(Grid):
    """A grid that writes down what is asked of it, and can hand out latents of another size or none."""

    log: str = ""
    fault: str = ""

    def encode(self, image: np.ndarray) -> bytes:
        self._note("e")
        return super().encode(image)

    def decode(self, data: bytes) -> np.ndarray:
        self._note("d")
        return super().decode(data)

    def decode_latents(self, data: bytes, names: Any = None) -> Latents:
        self._note("l")
        if self.fault == "size":
            return Latents(super().decode_latents(data).maps, (1, 1))
        if self.fault == "raise":
            raise BitstreamError("damaged on purpose")
        return super().decode_latents(data)

    def _note(self, letter: str) -> None:
        with Path(self.log).open("a") as log:
            log.write(letter)


class Both(FindSquares):
    """A head of both routes."""

    needs = GridSquares().needs

    def predict_latents(self, latents: Any) -> Any:
        return GridSquares().predict_latents(latents)


def outcome(tmp_path: Path, codecs: list[Any], heads: list[Any], **options: Any) -> Outcome:
    config = configure("detection", options.pop("dataset", Squares()), codecs, heads, **options)
    return run(config, cache=tmp_path / "cache", executor=Inline())


def rows(tmp_path: Path, codecs: list[Any], heads: list[Any], **options: Any) -> pd.DataFrame:
    return benchmarks.evaluate(
        "detection", Squares(), codecs, heads, cache=tmp_path / "cache", executor=Inline(), **options
    ).scores


def results(tmp_path: Path, codecs: list[Any], heads: list[Any], **options: Any) -> Results:
    return outcome(tmp_path, codecs, heads, **options).results


def letters(codec: Counting) -> str:
    path = Path(codec.log)
    found = path.read_text() if path.exists() else ""
    path.write_text("")
    return found


def test_the_same_bytes_give_two_rows(tmp_path: Path) -> None:
    found = results(tmp_path, [Grid(8), Blocks(4)], [FindSquares(), GridSquares()])
    table = found.scores
    scored = table[(table["metric"] == "ap") & (table["part"] == "")]
    assert set(zip(scored["route"], scored["regime"], scored["codec"], strict=True)) == {
        ("image", "frozen", "original"),
        ("image", "frozen", "grid"),
        ("image", "frozen", "blocks"),
        ("latent", "adapted", "grid"),
    }
    of_grid = scored[scored["codec"] == "grid"].set_index("route")["value"]
    assert of_grid["latent"] == pytest.approx(of_grid["image"], abs=0.02)  # its pixels are its means
    decode = table[(table["metric"] == "decode_s") & (table["codec"] == "grid")].set_index("route")["value"]
    assert set(decode.index) == {"image", "latent"}
    lines = wide(found).set_index(["route", "codec"])
    assert lines.loc[("latent", "grid"), "bpp"] == lines.loc[("image", "grid"), "bpp"] > 0
    assert lines.loc[("latent", "grid"), "decode_s"] == decode["latent"]
    assert np.isnan(lines.loc[("latent", "grid"), "psnr"])
    assert lines.loc[("image", "grid"), "decode_s"] == decode["image"]


def test_a_route_can_be_left_out(tmp_path: Path) -> None:
    heads = [FindSquares(), GridSquares()]
    assert set(rows(tmp_path, [Grid(8)], heads, route="latent")["head"]) - {""} == {"grid_squares"}
    assert set(rows(tmp_path, [Grid(8)], heads, route="image")["head"]) - {""} == {"squares"}
    with pytest.raises(UsageError, match="no head of this run takes the route latent: squares"):
        configure("detection", Squares(), [Grid(8)], [FindSquares()], route="latent")


def test_a_head_of_both_routes_stands_twice(tmp_path: Path) -> None:
    table = rows(tmp_path, [Grid(s) for s in Grid.ladder], [Both()], anchors=["grid"])
    own = table[(table["codec"] == "grid") & (table["ladder"] == "")]
    scored = own[(own["metric"] == "ap") & (own["part"] == "")]
    assert sorted(scored["route"]) == ["image"] * 6 + ["latent"] * 6
    assert len(set(scored["cell"])) == 12


def test_only_what_is_missing_is_decoded(tmp_path: Path) -> None:
    codec = Counting(8, log=str(tmp_path / "log"))
    rows(tmp_path, [codec], [FindSquares()])
    assert letters(codec).count("l") == 0
    table = rows(tmp_path, [codec], [FindSquares(), GridSquares()])
    assert set(letters(codec)) == {"l"}  # known bytes, no image made
    assert set(table["status"]) == {"ok"}
    again = rows(tmp_path, [codec], [FindSquares(), GridSquares()])
    assert letters(codec) == ""
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize(("fault", "reason"), [("size", "gave an image size"), ("raise", "damaged on purpose")])
def test_latents_that_fail_cost_the_latent_route_alone(tmp_path: Path, fault: str, reason: str) -> None:
    codec = Counting(8, log=str(tmp_path / "log"), fault=fault)
    table = rows(tmp_path, [codec], [FindSquares(), GridSquares()])
    bad = table[table["status"] == "failed"]
    assert set(bad["route"]) == {"latent"}
    assert bad["reason"].str.contains(reason).all()
    assert table[(table["metric"] == "ap") & (table["route"] == "image") & (table["part"] == "")]["value"].notna().all()


def test_where_no_codec_fits_the_reason_is_a_row(tmp_path: Path) -> None:
    found = outcome(tmp_path, [Grid(8)], [FindSquares(), GridSquares(space="0" * 64)])
    skipped = [r for r in found.score_rows if r.status == "skipped"]
    assert {r.route for r in skipped} == {"latent"}
    assert any("trained in the latent space 000000000000" in r.reason for r in skipped)
    unlabelled = outcome(tmp_path, [Grid(8)], [FindSquares(), GridSquares()], dataset=Squares(labels=False))
    assert any("no labels" in r.reason for r in unlabelled.score_rows if r.status == "skipped")


def test_tables_and_provenance_name_the_route(tmp_path: Path) -> None:
    codecs = [*(Grid(s) for s in Grid.ladder), *(Blocks(s) for s in Blocks.ladder)]
    found = outcome(tmp_path, codecs, [FindSquares(), GridSquares()], anchors=["blocks"])
    text = blocks(found.results, "github")
    assert "head squares, pixel domain, frozen" in text
    assert "head grid_squares, compressed domain, adapted" in text
    cells = describe(found.plan, 1, "cpu", {})["cells"].values()
    assert {c["route"] for c in cells if "route" in c} == {"image", "latent"}
    assert {r.route for r in found.comparison_rows if r.kind == "bd_rate"} == {"image"}
    assert [set(table["route"]) for table in bd_tables(found.results)] == [{"image"}]


class Adapted(FindSquares):
    """A head on images that was adapted to the grid's."""

    regime = "adapted"
    adapted_to = FINGERPRINT


def test_adapted_heads_are_compared_on_the_same_bytes(tmp_path: Path) -> None:
    found = outcome(
        tmp_path,
        [Grid(64), Grid(8), Blocks(8)],
        [Adapted(), GridSquares(), GridSquares(threshold=200)],
        dataset=Squares(12),
    )
    apart = [r for r in found.comparison_rows if r.kind == "heads_apart"]
    value = {(r.head, r.route, r.codec, r.point): r.value for r in found.score_rows if r.metric == "ap" and not r.part}
    assert [(r.head, r.point) for r in apart] == [
        (h, f"step={s}") for h in ("grid_squares", "grid_squares(threshold=200)") for s in (64, 8)
    ]
    assert {(r.metric, r.other, r.other_route, r.route, r.codec) for r in apart} == {
        ("ap", "squares", "image", "latent", "grid")
    }
    for row in apart:
        assert row.value == pytest.approx(
            value[row.head, "latent", "grid", row.point] - value["squares", "image", "grid", row.point]
        )
        assert row.low <= row.value <= row.high
    blind = [r for r in apart if "200" in r.head]
    assert all(r.high < 0 for r in blind)  # it finds nothing, on every resample
    text = blocks(found.results, "github")
    assert "AP of grid_squares, compressed domain, less squares, pixel domain" in text


def test_frozen_heads_are_compared_with_no_adapted_one(tmp_path: Path) -> None:
    frozen = results(tmp_path, [Grid(8)], [FindSquares(), GridSquares()]).comparisons
    assert "heads_apart" not in set(frozen["kind"])
    controls = results(tmp_path, [Grid(8)], [GridSquares(), GridSquares(threshold=200)]).comparisons
    apart = controls[controls["kind"] == "heads_apart"]
    assert list(zip(apart["metric"], apart["head"], apart["other"], apart["other_route"], strict=True)) == [
        ("ap", "grid_squares(threshold=200)", "grid_squares", "latent")
    ]

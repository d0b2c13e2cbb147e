"""Controls and the hierarchy: files cut after some layers, and labels of another image, each on both routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hsc_testkit import FindSquares, Squares
from latent_testkit import Grid, GridSquares

import benchmarks
from benchmarks.api import CODECS, DATASETS
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Inline
from downstream.api import Detections
from downstream.compatibility import why_not
from hsc.errors import CodecError, DataError, SpecError, UsageError

HEADS = [FindSquares(), GridSquares()]


def rows(tmp_path: Path, dataset: Any, codecs: list[Any]) -> pd.DataFrame:
    return benchmarks.evaluate("detection", dataset, codecs, HEADS, cache=tmp_path / "cache", executor=Inline()).scores


def of(table: pd.DataFrame, metric: str, route: str = "image") -> pd.Series:
    found = table[
        (table["metric"] == metric) & (table["route"] == route) & (table["part"] == "") & (table["codec"] != "original")
    ]
    return found.set_index("point")["value"]


def test_a_cut_file_is_the_codecs_own(photo: Any) -> None:
    image = photo(33, 57)
    cut: Any = CODECS.build("cut(of=grid, layers=1)")
    data = cut.encode(image)
    assert data == Grid().cut(Grid().encode(image), 1)
    assert cut.decode(data).shape == image.shape
    assert cut.latent_specs() == Grid().latent_specs()
    np.testing.assert_array_equal(
        cut.decode_latents_batch([data])[0].maps["y_hat"], Grid().decode_latents(data).maps["y_hat"]
    )
    assert cut.provenance()["code"] == "grid-1"


def test_accuracy_by_layers_received_is_a_curve_of_both_routes(tmp_path: Path) -> None:
    table = rows(tmp_path, Squares(), ["cut(of=grid, layers=[1, 2])"])
    rate = of(table, "bpp")
    assert rate["layers=1"] < rate["layers=2"]
    for route in ("image", "latent"):
        value = of(table, "ap", route)
        assert value["layers=2"] > value["layers=1"]
        assert set(table[table["route"] == route]["status"]) == {"ok"}
    whole = rows(tmp_path, Squares(), [Grid(8)])
    assert of(whole, "ap", "latent")["step=8"] == of(table, "ap", "latent")["layers=2"]


def test_what_cannot_be_cut_is_told() -> None:
    assert "have 2 layers, 5 were asked for" in str(CODECS.build("cut(of=grid, layers=5)").available())
    assert "no layers to cut" in str(CODECS.build("cut(of=jpeg)").available())
    blocks: Any = CODECS.build("cut(of=blocks)")
    assert "the codec offers none" in str(why_not(_available(blocks), GridSquares(), Squares()))
    with pytest.raises(CodecError, match="hands out no latents"):
        blocks.decode_latents(b"")
    with pytest.raises(CodecError, match="no layers"):
        blocks.encode(np.zeros((8, 8, 3), np.uint8))
    for wrong in ("cut(layers=0)", 'cut(of="cut(of=grid)")'):
        with pytest.raises(SpecError):
            CODECS.build(wrong)


class _available:  # noqa: N801  reads as what it does
    """A codec that says it can run."""

    def __init__(self, codec: Any) -> None:
        self.codec = codec
        self.decode_latents, self.decode_latents_batch, self.latent_specs = (
            codec.decode_latents,
            codec.decode_latents_batch,
            codec.latent_specs,
        )

    def available(self) -> None:
        return None


def test_labels_of_another_image_bring_heads_down_and_code_nothing(tmp_path: Path) -> None:
    right = rows(tmp_path, Squares(), [Grid(8)])
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        before = {
            table: store._db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("streams", "predictions")
        }
    wrong = rows(tmp_path, "mismatched(of=squares)", [Grid(8)])
    with Store(tmp_path / "cache" / "store.sqlite") as store:
        after = {
            table: store._db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("streams", "predictions")
        }
    assert before == after
    assert set(wrong["dataset"]) == {"mismatched"}
    for route in ("image", "latent"):
        assert of(wrong, "ap", route)["step=8"] < 0.5 * of(right, "ap", route)["step=8"]


def test_every_label_is_moved_to_the_image_before_it() -> None:
    data: Any = DATASETS.build("mismatched(of=squares)")
    assert data.label_space(Detections) == Squares().label_space(Detections)
    before, after = Squares().coco()["annotations"], data.coco()["annotations"]
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert other["image_id"] == (one["image_id"] - 2) % 6 + 1
        assert other["bbox"] == one["bbox"]
    with pytest.raises(DataError, match="has no label maps"):
        data.label_map(0)
    roads: Any = DATASETS.build('mismatched(of="roadscenes(images=3)")')
    own: Any = DATASETS.build("roadscenes(images=3)")
    np.testing.assert_array_equal(roads.label_map(2).labels, own.label_map(0).labels)
    assert roads.revision == own.revision


def test_an_image_alone_of_its_size_is_told(tmp_path: Path) -> None:
    with pytest.raises((DataError, UsageError), match="alone of"):
        DATASETS.build('mismatched(of="squares(images=1)")').coco()  # type: ignore[attr-defined]

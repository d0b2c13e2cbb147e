"""What w is worth: numbers that can be worked out by hand, a control that codes no w, and the packaged weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch

from benchmarks.api import DATASETS
from benchmarks.cli.entropy import main
from benchmarks.conformance.codec_rules import photo
from benchmarks.datasets.roadscenes.dataset import Roadscenes
from benchmarks.studies.entropy import CONTROL, MEAN, OTHER, OWN, Measured, Part, Point, measure, steps_of
from benchmarks.studies.entropy_rows import Row, bootstrap_of, rows, table
from hsc.codec import HscCodec
from hsc.errors import UsageError
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.model import HscModel
from hsc.networks.profiles import SMALL, TOY
from hsc.weights import files

PICTURES = 12
SILENT = replace(
    SMALL,
    name="silent-narrow",
    feature=replace(SMALL.feature, slices=(4, 8), width=16, depth=1, hidden=((8, 8), (8, 8))),
    coarse_map=CoarseMapConfig(symbols=64, grid=(4, 4), silent=True),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small pictures, random weights of the profile "toy", and such without w."""
    folder = tmp_path_factory.mktemp("entropy")
    (folder / "pictures").mkdir()
    for index in range(3):
        image = np.roll(photo(48, 64), 7 * index, axis=1)
        PIL.Image.fromarray(image).save(folder / "pictures" / f"{index}.png")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, profile in (("toy", TOY), ("silent", SILENT)):
            files.save(HscModel(profile).freeze(), folder / f"{name}.safetensors")
    return folder


def worked_out() -> Measured:
    """Twelve pictures of 100 pixels: w costs 10 bits; F costs 100, 101, ... bits in two slices, and without w 30 more
    in the second slice at even pictures, 50 at odd ones.
    """
    measured = Measured([f"{index}" for index in range(PICTURES)], [100] * PICTURES)
    for index in range(PICTURES):
        more = 50 if index % 2 else 30
        for given, second in ((OWN, 60 + index), (OTHER, 60 + index + more)):
            point = Point(2.0, given)
            for layer, bits in (("slice1", 40), ("slice2", second), ("F", 40 + second)):
                measured.add(Part(point, layer), bits)
        for layer, bits in (("w", 10), ("file", 256)):
            measured.add(Part(Point(2.0, OWN), layer), bits)
    measured.psnr_db[Point(2.0, OWN)] = [20.0, 30.0] * (PICTURES // 2)
    return measured


def one(found: list[Row], given: str, measure: str, layer: str) -> Row:
    (row,) = [row for row in found if (row.given, row.measure, row.layer) == (given, measure, layer)]
    return row


def test_rows_are_means_and_paired_differences() -> None:
    measured = worked_out()
    found = rows(measured, bootstrap_of(measured))
    feature = one(found, OWN, "cost", "F")
    assert (feature.bits, feature.images, feature.bpp) == (105.5, 12, pytest.approx(1.055))
    assert one(found, OWN, "cost", "file").psnr_db == 25.0
    saved = one(found, OTHER, "saved", "F")
    assert (saved.bits, saved.share) == (40.0, pytest.approx(40 / 145.5))
    assert one(found, OTHER, "saved", "slice1").bits == 0.0
    assert one(found, OTHER, "saved", "slice2").bits == 40.0
    net = one(found, OTHER, "net", "F")
    assert (net.bits, net.share) == (30.0, pytest.approx(30 / 145.5))
    # paired: what pictures cost apart from w drops out, so the interval is that of twelve draws of 30 or 50
    assert 30 <= saved.low < 40 < saved.high <= 50
    assert saved.high - saved.low < 14
    assert (net.low, net.high) == (pytest.approx(saved.low - 10), pytest.approx(saved.high - 10))
    text = table(found, "toy", "pictures")
    assert "+40.0 [" in text
    assert "25.00" in text


def test_few_pictures_have_no_interval_and_the_reason() -> None:
    measured = worked_out()
    measured.pixels_sha256 = ["same"] * PICTURES
    bootstrap = bootstrap_of(measured)
    found = rows(measured, bootstrap)
    assert all(np.isnan(row.low) and np.isnan(row.high) for row in found)
    assert "1 distinct image" in table(found, "toy", "pictures", bootstrap.reason)


def test_the_command_writes_table_csv_and_figure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = [str(folder / f"{name}.safetensors") for name in ("toy", "silent")]
    arguments = ["--model", weights[0], "--control", weights[1], "--dataset", f"images(path='{folder / 'pictures'}')"]
    out = folder / "out"
    assert main([*arguments, "--images", "3", "--quality", "2", "4.5", "--whole", "--quiet", "--out", str(out)]) == 0
    assert (out / "entropy.md").read_text() == capsys.readouterr().out
    found = pd.read_csv(out / "entropy.csv")
    assert sorted(found["quality"].unique()) == [2.0, 4.5]
    assert list(found["given"].unique()) == ["w", "other", "mean", "other_file", "mean_file", "control"]
    costs = found[(found["measure"] == "cost") & (found["quality"] == 4.5)].set_index(["given", "layer"])["bits"]
    for given in ("w", "other", "mean", "other_file", "mean_file", "control"):
        assert sum(costs[given].filter(like="slice")) == pytest.approx(costs[given, "F"])
    model = HscCodec(files.load(weights[0]))
    images = [DATASETS.build(f"images(path='{folder / 'pictures'}')").load(index).image for index in range(3)]
    assert costs["w", "file"] == pytest.approx(np.mean([8 * len(model.encode(image, 4.5)) for image in images]))
    assert costs["w", "w"] + costs["w", "F"] == pytest.approx(np.mean([model.estimate_bits(i, 4.5) for i in images]))
    assert costs["control", "w"] < 1  # all its symbols are certain
    saved = found[(found["measure"] == "saved") & (found["layer"] == "F") & (found["quality"] == 4.5)]
    for row in saved.itertuples():
        assert row.bits == pytest.approx(costs[row.given, "F"] - costs["w", "F"])
    with PIL.Image.open(out / "entropy.png") as picture:
        assert picture.width > 500
    assert (out / "entropy.pdf").read_bytes().startswith(b"%PDF")


def test_w_of_packaged_weights_saves_bits_and_the_bits_add_up() -> None:
    codec = HscCodec(files.load("roadscenes-coarse"))
    measured = measure(codec, Roadscenes(split="val", images=2), 2, [1.0])
    own, point = Point(1.0, OWN), Point(1.0, OTHER)
    for index in range(2):
        bits = measured.bits[Part(own, "w")][index] + measured.bits[Part(own, "F")][index]
        file_bits = measured.bits[Part(own, "file")][index]
        assert bits < file_bits <= 1.01 * bits + 8 * 18
    assert sum(measured.bits[Part(point, "F")]) > sum(measured.bits[Part(own, "F")])
    assert measured.slices(own) == ["slice1", "slice2", "slice3", "slice4", "slice5"]
    assert [p.given for p in measured.points()] == [OWN, OTHER, MEAN]


def test_refuses_what_cannot_be_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy, silent = (HscCodec(files.load(str(folder / f"{name}.safetensors"))) for name in ("toy", "silent"))
    pictures = DATASETS.build(f"images(path='{folder / 'pictures'}')")
    for images in (1, 4):
        with pytest.raises(UsageError, match="expected 2 or more"):
            measure(toy, pictures, images, [2.0])
    with pytest.raises(UsageError, match="the control codes w"):
        measure(silent, pictures, 2, [2.0], control=toy)
    for qualities in ([], [-1.0], [8.0]):
        with pytest.raises(UsageError, match="qualities came as"):
            steps_of(qualities)
    assert steps_of([1.0, 1.0, 2.5]) == [32, 80]
    weights = str(folder / "toy.safetensors")
    assert main(["--model", weights, "--out", weights, "--quiet"]) == 2
    assert "is a file" in capsys.readouterr().err


def test_a_model_without_semantics_has_nothing_to_save(folder: Path) -> None:
    silent = HscCodec(files.load(str(folder / "silent.safetensors")))
    pictures = DATASETS.build(f"images(path='{folder / 'pictures'}')")
    measured = measure(silent, pictures, 2, [3.0], control=silent)
    own = measured.bits[Part(Point(3.0, OWN), "F")]
    assert all(measured.bits[Part(Point(3.0, given), "F")] == own for given in (OTHER, MEAN, CONTROL))

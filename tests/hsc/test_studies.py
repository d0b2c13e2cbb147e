"""The paper's studies: their configs, how curves are read, their tables, and two ablations from end to end."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_generator_training import RECIPE, WHOLE, write_generator

from hsc.errors import UsageError
from hsc.networks.profiles import PAPER, TOY, profile_to_json
from hsc.training.studies.__main__ import main
from hsc.training.studies.curves import mean_rate_change, read_at
from hsc.training.studies.measure import Point, held_out_images, measure
from hsc.training.studies.plan import STUDIES, Study, at_layer, read_study
from hsc.training.studies.tables import ablation_table, csv_of, layer_rows, layer_table
from hsc.weights import files

pytestmark = pytest.mark.usefixtures("one_thread")


def point(psnr: float, bits_w: float, *bits_f: float, quality: int = 1) -> Point:
    return Point(quality, bits_w, bits_f, 0.1, 0.5, psnr, math.nan)


def tiny_recipe(folder: Path) -> Path:
    """The recipe of the tests of training on a generator, as a TOML file."""
    fields = {
        "profile": f"'{profile_to_json(WHOLE)}'",
        "seed": 3,
        "batch": 3,
        "crop": [32, 32],
        "steps": [0, 0, 0],
        "frozen_steps": [3, 3, 3, 3],
        "rates": list(RECIPE.rates),
        "image_pixels": 1024,
        "learning_rate": 1e-3,
        "warmup": 2,
        "average": 0.9,
        "latent": 1.0,
    }
    path = folder / "tiny.toml"
    path.write_text("".join(f"{name} = {value}\n" for name, value in fields.items()), encoding="utf-8")
    return path


def test_the_packaged_ablations_differ_from_the_first_in_one_thing_each() -> None:
    study = read_study("ablations")
    variants = {variant.name: variant.profile for variant in study.all_variants()}
    full = variants.pop("full")
    assert full.feature.slices == (3,) * 8
    assert replace(full, feature=TOY.feature) == TOY
    slices = {name: profile.feature.slices for name, profile in variants.items()}
    assert (slices.pop("4 slices"), slices.pop("1 slice")) == ((6,) * 4, (24,))
    assert set(slices.values()) == {(3,) * 8}
    left_out = {name: profile.ablation for name, profile in variants.items() if profile.ablation is not None}
    assert {name: (a.semantics, a.condition, a.shared) for name, a in left_out.items()} == {
        "no SCN": (False, True, True),
        "F without w": (True, False, True),
        "no shared context": (True, True, False),
    }
    for name, profile in variants.items():
        changes = {"feature": full.feature} if name not in left_out else {"ablation": None}
        assert replace(profile, **changes) == full, name
    assert study.base.frozen_steps == study.frozen_steps


def test_the_packaged_layers_have_each_side_with_and_without_w() -> None:
    study = read_study("layers")
    variants = study.all_variants()
    assert [(v.layer, v.conditioned) for v in variants] == [(n, given) for n in (1, 3, 5, 7) for given in (True, False)]
    assert [v.profile.generator.input_side(v.layer) for v in variants[::2]] == [4, 8, 16, 32]
    assert [v.profile.encoder.feature_block for v in variants[::2]] == [4, 3, 2, 1]
    ablations = {v.name: v.profile for v in read_study("ablations").all_variants()}
    assert (ablations["full"], ablations["F without w"]) == (variants[2].profile, variants[3].profile)
    assert {path.stem for path in STUDIES.glob("*.toml")} == {"ablations", "layers"}


def test_a_layer_needs_a_block_of_its_side() -> None:
    assert at_layer(TOY, 3) == TOY
    assert at_layer(PAPER, 4).encoder == PAPER.encoder  # 16x16 too
    assert at_layer(PAPER, 3).encoder.feature_block == 4
    with pytest.raises(UsageError, match=r"128x128.*leave this layer out"):
        at_layer(PAPER, 11)


def test_wrong_studies_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variants = {"full": {}}
    with pytest.raises(UsageError, match="either variants or layers"):
        Study("x", "toy")
    with pytest.raises(UsageError, match="either variants or layers"):
        Study("x", "toy", variants=variants, layers=(3,))
    with pytest.raises(UsageError, match=r"frozen_steps \[5, 0, 5, 5\]"):
        Study("x", "toy", (5, 0, 5, 5), variants=variants)
    with pytest.raises(UsageError, match="frozen_steps"):
        Study("x", "roadscenes", variants=variants)
    with pytest.raises(UsageError, match="changes 'slices'"):
        Study("x", "toy", variants={"a": {"slices": 3}})
    with pytest.raises(UsageError, match="equally many"):
        Study("x", "toy", variants={"a": {"feature": {"slices": [24]}}})
    (tmp_path / "mine.toml").write_text('recipe = "toy"\nvariant = 3\n')
    with pytest.raises(UsageError, match="did you mean 'variants'"):
        read_study(str(tmp_path / "mine.toml"))
    with pytest.raises(UsageError, match="ablations, layers"):
        read_study("ablation")
    assert main(["layers", "--config", "ablations", "--generator", "x", "--out", str(tmp_path)]) == 2
    assert "has variants" in capsys.readouterr().err


def test_curves_are_read_between_points_and_at_the_nearest_outside() -> None:
    qualities, values = [18.0, 20.0, 19.5, 24.0], [(10.0, 1.0), (20.0, 3.0), (30.0, 5.0), (40.0, 7.0)]
    assert read_at(19.0, qualities, values) == (19.0, (15.0, 2.0), True)
    assert read_at(20.0, qualities, values) == (20.0, (20.0, 3.0), True)
    assert read_at(21.0, qualities, values).values == pytest.approx((30 + 10 / 3, 5 + 2 / 3))
    assert read_at(17.0, qualities, values) == (18.0, (10.0, 1.0), False)
    assert read_at(30.0, qualities, values) == (24.0, (40.0, 7.0), False)
    # twice the bits at every PSNR both reach; then a gap
    assert mean_rate_change(([20, 22, 24], [8, 16, 32]), ([20, 22], [16, 32])) == pytest.approx(1.0)
    assert mean_rate_change(([20, 22], [16, 32]), ([20, 22, 24], [8, 16, 32])) == pytest.approx(-0.5)
    assert math.isnan(mean_rate_change(([20, 22], [16, 32]), ([23, 24], [8, 16])))


def test_the_table_of_ablations_by_hand() -> None:
    measured = {
        "full": [point(20, 10, 20, 30), point(22, 20, 40, 60, quality=2)],
        "1 slice": [point(20, 10, 65), point(22, 20, 130, quality=2)],
    }
    text = ablation_table(measured)
    assert "| full | 2 | 20 | 100 | 40 60 | 0.100 | 0.500 | 22.00 | - |" in text
    assert "| 1 slice | 1 | 10 | 65 | 65 | 0.100 | 0.500 | 20.00 | - |" in text
    assert "| 1 slice | +25 % |" in text
    rows = list(csv.DictReader(csv_of(measured).splitlines()))
    assert [row["bits_f_2"] for row in rows] == ["30.00", "60.00", "", ""]
    assert [float(row["bits_f"]) for row in rows] == [50, 100, 65, 130]
    assert {row["distance"] for row in rows} == {""}


def test_the_table_of_layers_by_hand() -> None:
    variants = replace(read_study("layers"), layers=(3, 5)).all_variants()
    names = [variant.name for variant in variants]
    curves = (
        [point(20, 10, 20), point(22, 20, 40)],  # layer 3: at 21 dB 15 and 30
        [point(19, 10, 30), point(21, 20, 60)],  # without w: 60 at 21, the best that all reach
        [point(21, 8, 50), point(25, 16, 90)],
        [point(22, 8, 70), point(25, 16, 140)],  # begins above 21
    )
    first, second = layer_rows(variants, dict(zip(names, curves, strict=True)))
    assert (first.layer, first.side, first.psnr, first.w, first.given_w, first.alone) == (3, 8, 21, 15, 30, 60)
    assert first.exact
    assert (second.w, second.given_w, second.psnr) == (8, 50, 21)
    assert (second.alone, second.alone_psnr, second.exact) == (70, 22, False)
    text = layer_table([first, second])
    assert "| 3 | 8x8 | 21.00 | 15 | 30 | 45 | 60 | +50 % | yes |" in text
    assert "| 5 | 16x16 | 21.00 | 8 | 50 | 58 | 70 at 22.00 dB | +29 % | no, nearest point |" in text


def test_points_are_those_of_the_frozen_networks() -> None:
    model = files.random_model(replace(WHOLE, name="x"))
    images = held_out_images(model, 3, seed=5)
    assert torch.equal(images, held_out_images(model, 3, seed=5))
    assert not torch.equal(images, held_out_images(model, 3, seed=6))
    levels = (images + 1) * 127.5
    assert float((levels - levels.round()).abs().max()) < 1e-4
    (first, second) = measure(model, images, 2)
    assert (first.quality, second.quality, len(first.bits_f)) == (1, 2, 2)
    assert first.bits == pytest.approx(first.bits_w + sum(first.bits_f))
    assert math.isnan(first.distance)
    assert second.bits > first.bits
    assert first.bpp * 1024 > first.bits  # a file has a header
    with torch.no_grad():
        decoded = model(images, torch.full((3,), 64)).image.clamp(-1, 1)
    error = (((decoded + 1) * 127.5).round() - levels.round()).square().mean()
    assert second.psnr == pytest.approx(10 * math.log10(255**2 / float(error)), abs=1e-3)


@pytest.mark.slow
def test_two_ablations_and_two_layers_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    generator = write_generator(tmp_path / "generator.safetensors")
    recipe = tiny_recipe(tmp_path)
    (tmp_path / "two.toml").write_text(
        f'recipe = "{recipe.name}"\nimages = 4\n'
        "[variants.full]\n[variants.'no SCN'.ablation]\nsemantics = false\n"
        "[variants.'1 slice'.feature]\nslices = [6]\nhidden = [[8, 8]]\n"
    )
    command = ["ablations", "--config", "two.toml", "--generator", str(generator), "--out", "out"]
    assert main(command) == 0
    table, progress = capsys.readouterr()
    assert Path("out/ablations.md").read_text() == table
    assert "3/3 1 slice: measuring 4 images" in progress
    rows = list(csv.DictReader(Path("out/ablations.csv").read_text().splitlines()))
    assert [(row["variant"], row["quality"]) for row in rows] == [
        (name, quality) for name in ("full", "no SCN", "1 slice") for quality in "12"
    ]
    by_variant = {name: [row for row in rows if row["variant"] == name] for name in ("full", "no SCN", "1 slice")}
    assert {row["bits_w"] for row in by_variant["no SCN"]} == {"0.00"}
    assert all(float(row["bits_w"]) > 0 for row in by_variant["full"])
    assert {row["bits_f_2"] for row in by_variant["1 slice"]} == {""}
    assert all(float(row["bits_f_2"]) > 0 for row in by_variant["full"])
    trainings = {path: path.stat().st_mtime_ns for path in Path("out/trainings").rglob("study.safetensors")}
    assert len(trainings) == 4  # one encoder
    assert main(command) == 0
    again, progress = capsys.readouterr()
    assert again == table
    assert {path: path.stat().st_mtime_ns for path in trainings} == trainings

    (tmp_path / "layers.toml").write_text(f'recipe = "{recipe.name}"\nimages = 4\nlayers = [1, 3]\n')
    command = ["layers", "--config", "layers.toml", "--generator", str(generator), "--out", "out", "--layers", "3"]
    assert main(command) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 3 ")]
    assert row.split("|")[2].strip() == "8x8"
    rows = list(csv.DictReader(Path("out/layers.csv").read_text().splitlines()))
    assert [row["variant"] for row in rows] == ["layer 3"] * 2 + ["layer 3 without w"] * 2
    assert [row["psnr"] for row in rows[:2]] == [row["psnr"] for row in by_variant["full"]]
    assert len(list(Path("out/trainings").rglob("study.safetensors"))) == 5  # "full" was trained before

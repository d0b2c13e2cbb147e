"""Weights of learned codecs: the zoo's addresses, files of several makers, and files that mean harm."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.learned import networks
from benchmarks.learned.checkpoints import stated_architecture
from benchmarks.learned.codec import LearnedCodec
from benchmarks.learned.identity import packaged_identity
from benchmarks.learned.package import imported
from benchmarks.learned.weights_files import FOLDER
from benchmarks.learned.zoo import ARCHITECTURES, published
from hsc.errors import DataError, UnavailableError, UsageError

NAME = "mbt2018-mean"


def test_addresses_are_those_of_compressai() -> None:
    images, variable = imported("compressai.zoo.image").model_urls, imported("compressai.zoo.image_vbr").model_urls
    for name, by_metric in images.items():
        for metric, urls in by_metric.items():
            assert {quality: published(name, metric, quality).url for quality in urls} == urls
            assert len(urls) == ARCHITECTURES[name].qualities
    for name, urls in variable.items():
        assert published(name, "mse", 5).url == urls["mse"]
        with pytest.raises(UnavailableError, match="publishes no weights"):
            published(name, "ms-ssim", 1)
    for file in (published(NAME, "mse", 1), published("mbt2018-vbr", "mse", 1)):
        assert file.url.endswith(f"-{file.sha256}.pth.tar")
        assert len(file.sha256) == 8


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_network_comes_back(name: str, weights: Callable[..., Path]) -> None:
    path = weights(name)
    network = networks.load(path)
    assert network.architecture.name == name
    assert network.widths == (48, 48)
    assert networks.load(path, name).fingerprint == network.fingerprint
    assert not any(parameter.requires_grad for parameter in network.model.parameters())


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "mbt2018-mean-vbr", "mbt2018", "cheng2020-attn"])
def test_a_whole_file_is_known_without_its_network(name: str, weights: Callable[..., Path], tmp_path: Path) -> None:
    model: Any = networks.load(weights(name)).model
    path = tmp_path / "whole.safetensors"
    networks.save(model, name, path, whole=True)
    assert packaged_identity(path, name, "without tables") is None
    model.update(force=True)
    networks.save(model, name, path, whole=True)
    assert packaged_identity(path, name, "with tables") == LearnedCodec(networks.load(path)).identity


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.safetensors")), ids=lambda path: path.stem)
def test_packaged_weights_are_known_without_their_network(path: Path) -> None:
    architecture = stated_architecture(path)
    assert packaged_identity(path, architecture, "") == LearnedCodec(networks.load(path)).identity


def test_half_precision_is_read_as_single(weights: Callable[..., Path], tmp_path: Path) -> None:
    model = networks.load(weights(NAME)).model.half()
    networks.save(model, NAME, tmp_path / "half.safetensors")
    network = networks.load(tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in network.model.parameters()} == {torch.float32}
    assert network.fingerprint == networks.Network(network.architecture, model.float()).fingerprint


@pytest.mark.parametrize("name", [NAME, "bmshj2018-hyperprior-vbr", "cheng2020-anchor"])
def test_checkpoints_of_training_are_read(name: str, weights: Callable[..., Path], tmp_path: Path) -> None:
    """As CompressAI's script writes them, as DataParallel does, and after its update with tables inside."""
    network = networks.load(weights(name))
    model: Any = network.model
    model.update(force=True)
    state = model.state_dict()
    for number, content in enumerate(
        (
            state,
            {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}},
            {"network": {f"module.{key}": value for key, value in state.items()}},
        )
    ):
        path = tmp_path / f"{number}.pth.tar"
        torch.save(content, path)
        read = networks.load(path, name)
        assert read.fingerprint == network.fingerprint
        assert torch.equal(
            read.tables["gaussian_conditional._quantized_cdf"], state["gaussian_conditional._quantized_cdf"]
        )


def test_names_of_old_files_are_read(weights: Callable[..., Path], tmp_path: Path) -> None:
    network = networks.load(weights(NAME))
    old = {
        name.replace("matrices.", "_matrices.").replace("biases.", "_biases.").replace("factors.", "_factors."): part
        for name, part in network.model.state_dict().items()
    }
    torch.save(old, tmp_path / "old.pth")
    assert networks.load(tmp_path / "old.pth", NAME).fingerprint == network.fingerprint


def test_a_wrong_architecture_is_named(weights: Callable[..., Path], tmp_path: Path) -> None:
    cases = {
        "cheng2020-attn": "mbt2018-mean",
        "mbt2018-vbr": "cheng2020-anchor",
        "bmshj2018-factorized": "cheng2020-attn",
    }
    for made, asked in cases.items():
        path = tmp_path / f"{made}.pth"
        torch.save(networks.load(weights(made)).model.state_dict(), path)
        with pytest.raises(DataError, match=f"arch={made}"):
            networks.load(path, asked)
    with pytest.raises(DataError, match="tensors are missing"):
        networks.load(tmp_path / "mbt2018-vbr.pth", "mbt2018-mean-vbr")
    with pytest.raises(DataError, match="does not state its architecture"):
        networks.load(tmp_path / "mbt2018-vbr.pth")
    with pytest.raises(DataError, match="states the architecture"):
        networks.load(weights(NAME), "mbt2018")
    with pytest.raises(UsageError, match="ends in"):
        networks.save(networks.load(weights(NAME)).model, NAME, tmp_path / "a.pth")


class Harm:
    """An object whose unpickling would write a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)

    def __init__(self, target: Path) -> None:
        self.target = target


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    target, path = tmp_path / "ran", tmp_path / "harm.pth"
    path.write_bytes(pickle.dumps({"state_dict": Harm(target)}))
    with pytest.raises(DataError, match="nothing was run"):
        networks.load(path, NAME)
    torch.save({"weights": Harm(target)}, path)
    with pytest.raises(DataError, match="nothing was run"):
        networks.load(path, NAME)
    assert not target.exists()


def test_damaged_files_are_refused(weights: Callable[..., Path], tmp_path: Path) -> None:
    state = networks.load(weights(NAME)).model.state_dict()
    for content, words in (
        ([1, 2], "no state dict"),
        ({"state_dict": {"a": 1}}, "no state dict"),
        ({**state, "g_a.0.bias": torch.full((48,), float("nan"))}, "not finite"),
        ({**state, "g_a.0.weight": torch.zeros(2000, 3, 5, 5)}, "2000 channels"),
        ({**state, "more": torch.zeros(3)}, "1 are foreign"),
    ):
        torch.save(content, tmp_path / "bad.pth")
        with pytest.raises(DataError, match=words):
            networks.load(tmp_path / "bad.pth", NAME)
    (tmp_path / "bad.pth").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(DataError, match="cannot be read"):
        networks.load(tmp_path / "bad.pth", NAME)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_stated_sizes_are_those_of_the_largest_published_networks(name: str) -> None:
    model = networks.new_model(name, (192, 192 if name.startswith("cheng2020") else 320))
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    assert ARCHITECTURES[name].size_mb == pytest.approx(size_bytes / 1e6, abs=1)

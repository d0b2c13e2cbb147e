"""What tests in any folder may ask for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks.conformance.codec_rules import photo as make_photo
from hsc.api import Image, LatentSpec

LATENT_SPECS = (LatentSpec("w_hat", (3, 8), 0, "5" * 64), LatentSpec("F_hat", (12, None, None), 16, "5" * 64))
"""Of no codec: what latent heads of random weights read in tests."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data, which is not part of the repository: HSC_SHARED, else ../shared."""
    folder = Path(os.environ.get("HSC_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no development data at {folder}; set HSC_SHARED")
    return folder


@pytest.fixture
def kept_threads() -> Iterator[None]:
    """For tests that set torch's number of threads: it is set back."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_thread(kept_threads: None) -> None:
    """Torch computes with one thread."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photo() -> Callable[[int, int], Image]:
    """photo(h, w): a seeded picture with edges, gradients, texture and grain, so that codecs have something to code."""
    return make_photo


@pytest.fixture(scope="session")
def segmenter_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """segmenter_weights(arch): a file of random weights for the head ``segmenter``, as training writes it, in CamVid's
    classes.

    Its logits are large, so that no class wins by rounding.
    """
    folder = tmp_path_factory.mktemp("segmenters")

    def make(arch: str) -> Path:
        import torch
        from safetensors.torch import save_file

        from downstream.label_spaces import CAMVID11
        from downstream.networks.segmenters import build

        path = folder / f"random_{arch}.safetensors"
        if not path.exists():
            with torch.random.fork_rng():
                torch.manual_seed(0)
                network = build(arch, len(CAMVID11.classes))
                torch.nn.init.normal_(network.classify.weight)
            about = {"task": "segmentation", "arch": arch, "space": CAMVID11.name, "classes": CAMVID11.classes}
            tensors = {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}
            save_file(tensors, path, {"about": json.dumps(about)})
        return path

    return make


@pytest.fixture(scope="session")
def latent_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """latent_weights(task, use, specs): a file of random weights for a latent head, as training writes it, in the
    classes of roadscenes.

    specs: of the latents it reads, by default those of ``LATENT_SPECS``. Its answers are lively, so that no class wins
    by rounding.
    """
    folder = tmp_path_factory.mktemp("latent heads")

    def make(task: str, use: str, specs: Sequence[LatentSpec] = LATENT_SPECS) -> Path:
        import torch
        from safetensors.torch import save_file

        from downstream.label_spaces import CAMVID11, ROADSCENES
        from downstream.networks.latents import build_detector, build_segmenter
        from downstream.networks.latents.inputs import latent_input_of

        path = folder / f"{task}_{use}_{specs[0].space[:8]}.safetensors"
        if not path.exists():
            space = ROADSCENES if task == "detection" else CAMVID11
            latent_input = latent_input_of(specs, use)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                network = (build_detector if task == "detection" else build_segmenter)(latent_input, len(space.classes))
                torch.nn.init.normal_(network.heat.weight if task == "detection" else network.classify.weight)
            about = {
                "task": task,
                "input": "latents",
                "arch": use,
                "space": space.name,
                "classes": space.classes,
                **latent_input.to_plain(),
            }
            tensors = {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}
            save_file(tensors, path, {"about": json.dumps(about)})
        return path

    return make

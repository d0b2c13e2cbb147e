"""Networks of the zoo with weights that need no training, written once in a test session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from block_weights import written

from benchmarks.learned import networks
from benchmarks.learned.codec import LearnedCodec
from benchmarks.learned.package import why_not

if reason := why_not():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The weights file of an architecture, and of a gain."""
    folder = tmp_path_factory.mktemp("learned")

    def of(architecture: str, gain: float = 24.0) -> Path:
        path = folder / f"{architecture}-{gain:g}.safetensors"
        return path if path.is_file() else written(architecture, path, gain)

    return of


@pytest.fixture(scope="session")
def codec_of(weights: Callable[..., Path]) -> Callable[[str], LearnedCodec]:
    """The codec of an architecture, with the default weights."""
    codecs: dict[str, LearnedCodec] = {}

    def of(architecture: str) -> LearnedCodec:
        if architecture not in codecs:
            codecs[architecture] = LearnedCodec(networks.load(weights(architecture)))
        return codecs[architecture]

    return of

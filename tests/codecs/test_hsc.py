"""The hsc plug-in: silent without weights, and a codec like any other once it is given the path of some."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from hsc.api import Codec, DecodesLatents, EstimatesBits, Image, Layered, Staged
from hsc.errors import BitstreamError, CodecError, DataError, ImageError
from hsc.networks.config import EncoderConfig, FeatureConfig, GeneratorConfig, Profile, SemanticConfig
from hsc.networks.network_holder import HOLDER
from hsc.weights import files

PROFILE = Profile(
    "plug-in",
    GeneratorConfig(
        resolution=64, w_dim=8, z_dim=8, mapping_layers=0, channel_base=384, channel_max=12, start="feature", layer=1
    ),
    EncoderConfig(9, 8, 12, None, 4, 2, (6, 8, 10, 12), (1, 1, 1, 1), 3, 1, 1, "none"),
    SemanticConfig("mlp", 6, 12),
    FeatureConfig((2, 4), 3, 1, 8, 1, 4, ((8, 8), (8, 8))),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    files.save(files.random_model(PROFILE), path)
    return path


@pytest.fixture
def codec(file: Path) -> Any:
    return CODECS.get("hsc")(model=str(file))


def test_it_says_how_weights_are_had() -> None:
    missing = CODECS.get("hsc")(model="no-such-weights")
    assert "give one of these" in str(missing.available())
    with pytest.raises(CodecError, match="no weights named"):
        missing.encode(np.zeros((4, 4, 3), np.uint8))
    assert "no weights file" in str(CODECS.get("hsc")(model="./none.safetensors").available())


def test_weights_are_known_from_their_file_and_a_damaged_file_is_refused(codec: Any, tmp_path: Path) -> None:
    before = HOLDER.loads
    provenance, specs = codec.provenance(), codec.latent_specs()
    assert HOLDER.loads == before, "no network is built for them"
    model = files.load(codec.model)
    assert provenance["weights"] == model.fingerprint.hex()
    assert specs == model.identity.latent_specs()
    damaged = bytearray(Path(codec.model).read_bytes())
    damaged[-1] ^= 1
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damaged)
    for look in (CODECS.get("hsc")(model=str(path)).provenance, lambda: files.load(str(path))):
        with pytest.raises(DataError, match="get it again"):
            look()


def test_it_is_a_frozen_value_with_a_ladder(codec: Any) -> None:
    assert codec.available() is None
    assert CODECS.build(str(CODECS.spec(codec))) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert codec.ladder == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert codec.rate_range == (1.0, 6.0)
    assert all(isinstance(codec, kind) for kind in (Codec, DecodesLatents, EstimatesBits, Layered, Staged))
    for wrong in (-1.0, 8.0):
        with pytest.raises(ValueError, match="quality is"):
            dataclasses.replace(codec, quality=wrong)


def test_provenance_names_the_weights(codec: Any, tmp_path: Path) -> None:
    facts = codec.provenance()
    assert facts["weights"] == files.load(codec.model).fingerprint.hex()
    other = tmp_path / "other.safetensors"
    files.save(files.random_model(PROFILE, 1), other)
    changing = CODECS.get("hsc")(model=str(other))
    before = changing.provenance()["weights"]
    files.save(files.random_model(PROFILE, 2), other)
    os.utime(other, ns=(1, 1))
    assert before != changing.provenance()["weights"] != facts["weights"]


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (83, 51)])
def test_round_trip(codec: Any, size: tuple[int, int], photo: Callable[[int, int], Image]) -> None:
    image = photo(*size)
    kept = image.copy()
    data = codec.encode(image)
    assert type(data) is bytes
    assert np.array_equal(image, kept)
    assert dataclasses.replace(codec, quality=6.0).decode(data).shape == image.shape
    assert codec.encode(image[::2, ::-1]) == codec.encode(np.ascontiguousarray(image[::2, ::-1]))
    assert len(data) <= 1.01 * codec.estimate_bits(image) / 8 + 18


def test_damage_is_answered(codec: Any, photo: Callable[[int, int], Image]) -> None:
    data = codec.encode(photo(48, 64))
    for wrong in (
        b"",
        b"\0",
        data[:-1],
        data[: len(data) // 2],
        data + b"\0",
        bytes([data[0]]) + bytes(len(data)),
        b"\x89PNG" + data,
    ):
        with pytest.raises(BitstreamError):
            codec.decode(wrong)
    for position in range(0, 8 * len(data), 37):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
    for image in (np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises((ImageError, CodecError)):
            codec.encode(image)


def test_layers_and_latents(codec: Any, photo: Callable[[int, int], Image]) -> None:
    data = codec.encode(photo(40, 40))
    assert len(codec.layers) == 7
    assert len(codec.cut(data, 1)) < len(data)
    latents = codec.decode_latents_batch([data, codec.cut(data, 2)])
    assert {spec.name for spec in codec.latent_specs()} == set(latents[0].maps)
    assert latents[0].image_hw == (40, 40)
    value: Any = data
    for _, stage in codec.stages():
        value = stage(value)
    assert np.array_equal(value, codec.decode(data))


_DECODER = """
import hashlib, sys
from benchmarks.api import CODECS
image = CODECS.build(sys.argv[1]).decode(sys.stdin.buffer.read())
print(image.shape, hashlib.sha256(image.tobytes()).hexdigest())
"""


def test_decodes_in_a_fresh_process_at_another_point(codec: Any, photo: Callable[[int, int], Image]) -> None:
    data = dataclasses.replace(codec, quality=6.0).encode(photo(45, 31))
    here = codec.decode(data)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-W", "ignore", "-c", _DECODER, str(CODECS.spec(codec))]
    run = subprocess.run(arguments, input=data, capture_output=True, check=True, timeout=120, env=env)
    assert run.stdout.decode().strip() == f"{here.shape} {hashlib.sha256(here.tobytes()).hexdigest()}"

"""The light network: a step of 0 changes nothing, training generalises, and the file fits one model only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_profile import noise_photo, tiny_codec

from hsc.__main__ import main as command
from hsc.codec import HscCodec
from hsc.errors import DataError
from hsc.networks.relighting import LightNetwork, load_light, save_light
from hsc.training.light import main
from hsc.training.shards import read_frames
from hsc.weights import files

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = tiny_codec().model


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Twelve pictures and the same half as bright, or twice."""
    folder = tmp_path / "shards"
    folder.mkdir()
    images = np.stack([noise_photo(32, 48, i) // (1 + i % 2) for i in range(12)])
    relit = np.stack(
        [
            image // 2 if i % 2 == 0 else np.minimum(2 * image.astype(int), 255).astype(np.uint8)
            for i, image in enumerate(images)
        ]
    )
    np.savez(
        folder / "0.npz",
        images=images,
        semantic=np.zeros((12, 32, 48), np.uint8),
        relit=relit,
        source=np.array("noise"),
    )
    return folder


def test_no_step_moves_nothing_and_a_step_moves_f() -> None:
    torch.manual_seed(0)
    network = LightNetwork(12, 72, 8)
    feature, w, other = torch.randn(2, 12, 3, 4), torch.randn(2, 9, 8), torch.randn(2, 9, 8)
    assert torch.equal(network(feature, w, w), feature)
    there = network(feature, w, other)
    assert not torch.allclose(there, feature, atol=1e-3)
    torch.testing.assert_close(network(feature, other, w) - feature, feature - there)  # M of the same F, signs turned


def test_a_model_with_a_light_network_edits_by_it(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    files.save(MODEL, path)
    model = files.load(str(path))
    assert files.light_for(str(path), model) is None
    torch.manual_seed(1)
    network = LightNetwork(12, 72, 8)
    fits = model.fingerprint.hex()
    save_light(network, tmp_path / "tiny-light.safetensors", fits, {"steps": 0})
    assert files.names(tmp_path) == ["tiny"]
    codec = HscCodec(model, light=lambda: files.light_for(str(path), model))
    plain = HscCodec(files.load(str(path)))
    data, direction = codec.encode(noise_photo(20, 40), 4.0), np.ones((9, 8))
    assert np.array_equal(codec.decode(data), plain.decode(data))
    assert np.array_equal(codec.edit(data, direction, 0.0), plain.decode(data))
    assert not np.array_equal(codec.edit(data, 3 * direction, 1.0), plain.edit(data, 3 * direction, 1.0))
    with pytest.raises(DataError, match="fits the model"):
        load_light(tmp_path / "tiny-light.safetensors", "0" * 64)
    (tmp_path / "tiny-light.safetensors").write_bytes(b"torn")
    broken = HscCodec(model, light=lambda: files.light_for(str(path), model))
    assert np.array_equal(broken.decode(data), plain.decode(data))  # decoding never reads it
    with pytest.raises(DataError, match="is no light network"):
        broken.edit(data, direction, 1.0)


def test_training_brings_f_nearer_to_the_other_light_and_goes_on_where_it_was_cut(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.safetensors"
    files.save(MODEL, path)
    whole = ["--data", str(shards), "--model", str(path), "--scenes", "12", "--steps", "200"]
    assert main([*whole, "--out", str(tmp_path / "tiny-light.safetensors")]) == 0
    errors = [float(line.split()[-2]) for line in capsys.readouterr().err.splitlines() if line.startswith("light")]
    assert errors[-1] < 0.9 * errors[0]
    assert not list(tmp_path.glob("*.checkpoint"))
    model, frames = files.load(str(path)), read_frames(shards)
    codec = HscCodec(model, light=lambda: files.light_for(str(path), model))
    own, lit = (codec.encode(light[0], 5.0) for light in (frames.images, frames.relit))
    w_own, w_lit = (codec.decode_latents(data, ("w_hat",)).maps["w_hat"] for data in (own, lit))
    feature = {
        name: torch.from_numpy(codec.decode_latents(data, ("F_hat",)).maps["F_hat"])[None]
        for name, data in (("own", own), ("lit", lit))
    }
    network = codec.light
    assert network is not None
    moved = network(feature["own"], torch.from_numpy(w_own)[None], torch.from_numpy(w_lit)[None])
    assert (moved - feature["lit"]).square().mean() < (feature["own"] - feature["lit"]).square().mean()
    monkeypatch.setattr("hsc.training.light._CHECKPOINT_STEPS", 90)
    cut = tmp_path / "cut-light.safetensors"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hsc.training.light.save_light", stop)
    with pytest.raises(KeyboardInterrupt):
        main([*whole, "--out", str(cut)])
    monkeypatch.undo()
    assert cut.with_suffix(".checkpoint").is_file()
    assert main([*whole, "--out", str(cut)]) == 0
    assert cut.read_bytes() == (tmp_path / "tiny-light.safetensors").read_bytes()


def test_refuses_scenes_in_one_light_and_directions_of_none(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.safetensors"
    files.save(MODEL, path)
    with np.load(shards / "0.npz") as file:
        np.savez(shards / "0.npz", **{name: array for name, array in file.items() if name != "relit"})
    assert main(["--data", str(shards), "--model", str(path), "--out", str(tmp_path / "a-light.safetensors")]) == 2
    assert "--relit" in capsys.readouterr().err
    assert (
        main(
            [
                "--data",
                str(shards),
                "--model",
                str(path),
                "--out",
                str(tmp_path / "a-light.safetensors"),
                "--steps",
                "1",
            ]
        )
        == 2
    )
    (tmp_path / "tiny-light.safetensors").write_bytes(b"torn")
    (tmp_path / "a.hsc").write_bytes(HscCodec(MODEL).encode(noise_photo(16, 16), 3.0))
    like = ["--like", str(tmp_path / "a.hsc"), "--model", str(path)]
    assert command(["edit", str(tmp_path / "a.hsc"), str(tmp_path / "a.png"), *like]) == 1
    assert not (tmp_path / "a.png").exists()

"""Checkpoints in other key layouts, and the command that converts them."""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hsc.__main__ import main as hsc_main
from hsc.errors import DataError, UsageError
from hsc.networks.config import GeneratorConfig
from hsc.networks.stylegan2 import StyleGAN2
from hsc.weights.checkpoint_reader import foreign_names, read_checkpoint
from hsc.weights.convert_stylegan2 import DONE, FAILED, USAGE, main, run_job
from hsc.weights.stylegan2_keys import (
    Layout,
    build_generator,
    from_own,
    infer_config,
    layout_of,
    load_generator,
    pairs,
    to_own,
)

TINY = GeneratorConfig(resolution=32, w_dim=12, z_dim=10, mapping_layers=3, channel_base=256, channel_max=20)
OTHERS: list[Layout] = ["nvlabs", "rosinality"]


def make(config: GeneratorConfig = TINY) -> StyleGAN2:
    torch.manual_seed(0)
    generator = StyleGAN2(config).eval().requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_mean")):
            tensor.add_(torch.randn_like(tensor) * 0.2)
    return generator


def exported(layout: Layout) -> dict[str, Tensor]:
    return from_own(make().state_dict(), layout)


@pytest.mark.parametrize("layout", OTHERS)
def test_both_layouts_load_and_give_the_same_image(layout: Layout) -> None:
    own = to_own(exported(layout))
    assert layout_of(exported(layout)) == (layout, "")
    loaded, original, z = build_generator(own, infer_config(own)), make(), torch.randn(2, TINY.z_dim)
    for noise in ("off", "stored", 4):
        expected = original(original.map(z, 0.7), noise=noise)
        torch.testing.assert_close(loaded(loaded.map(z, 0.7), noise=noise), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", OTHERS)
def test_the_mapping_undoes_itself(layout: Layout) -> None:
    there = exported(layout)
    again = from_own(to_own(there), layout)
    assert again.keys() == there.keys()
    assert all(torch.equal(again[key], there[key]) for key in there)


def test_keys_and_shapes_as_others_write_them() -> None:
    """A few of the rows everyone's checkpoints have, written out."""
    nvlabs, rosinality = exported("nvlabs"), exported("rosinality")
    for key, other, shape in [
        ("synthesis.b4.const", "input.input", (1, 20, 4, 4)),
        ("synthesis.b4.conv1.weight", "conv1.conv.weight", (1, 20, 20, 3, 3)),
        ("synthesis.b8.conv0.affine.weight", "convs.0.conv.modulation.weight", (20, 12)),
        ("synthesis.b16.conv1.bias", "convs.3.activate.bias", (16,)),
        ("synthesis.b32.torgb.weight", "to_rgbs.2.conv.weight", (1, 3, 8, 1, 1)),
        ("synthesis.b32.torgb.bias", "to_rgbs.2.bias", (1, 3, 1, 1)),
        ("synthesis.b32.conv0.noise_strength", "convs.4.noise.weight", (1,)),
        ("synthesis.b32.conv0.noise_const", "noises.noise_5", (1, 1, 32, 32)),
        ("mapping.fc0.weight", "style.1.weight", (12, 10)),
        ("mapping.w_avg", "latent_avg", (12,)),
    ]:
        assert rosinality[other].shape == shape, other
        assert torch.equal(nvlabs[key], rosinality[other].reshape(nvlabs[key].shape)), key
    assert nvlabs["synthesis.b4.torgb.affine.bias"].equal(rosinality["to_rgb1.conv.modulation.bias"])


@pytest.mark.parametrize(
    ("resolution", "base", "widest", "mapping"),
    [(64, 32768, 512, 8), (256, 16384, 512, 8), (1024, 32768, 512, 8), (512, 8192, 256, 2), (128, 384, 64, 0)],
)
@pytest.mark.parametrize("layout", OTHERS)
def test_shapes_are_inferred_from_the_tensors(
    layout: Layout, resolution: int, base: int, widest: int, mapping: int
) -> None:
    config = GeneratorConfig(resolution=resolution, channel_base=base, channel_max=widest, mapping_layers=mapping)
    with torch.device("meta"):
        state = StyleGAN2(config).state_dict()
    inferred = infer_config({p.own: state[p.own] for p in pairs(layout, config.levels, mapping)})
    assert inferred == config


def test_widths_that_follow_no_rule_are_refused() -> None:
    state = make().state_dict()
    state["rgbs.2.weight"] = torch.zeros(3, 11, 1, 1)
    with pytest.raises(DataError, match="widths"):
        infer_config(state)


def test_a_generator_that_starts_at_f_takes_the_upper_part(tmp_path: Path) -> None:
    save_file(make().state_dict(), tmp_path / "g.safetensors")
    whole, upper = (
        load_generator(tmp_path / "g.safetensors"),
        load_generator(tmp_path / "g.safetensors", start="feature", layer=3),
    )
    w = torch.randn(1, TINY.n_styles, TINY.w_dim)
    feature, rgb = whole.run_below(w, 3)
    torch.testing.assert_close(upper(w[:, 3:], feature, rgb=rgb), whole(w))


def test_prefixes_and_one_row_means_are_read() -> None:
    state = exported("rosinality")
    mean = state.pop("latent_avg")
    wrapped = {f"decoder.{key}": value for key, value in state.items()} | {
        "encoder.x": torch.zeros(1),
        "latent_avg": mean[None],
    }
    own = to_own(wrapped)
    assert own["mapping.w_mean"].equal(mean)
    assert own.keys() == make().state_dict().keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("synthesis.b8.conv0.weight"), "lacks synthesis.b8.conv0.weight"),
        (lambda s: s.update({"synthesis.b8.skip.weight": torch.zeros(1)}), "another architecture"),
        (lambda s: s.update({"mapping.embed.weight": torch.zeros(1)}), "conditional"),
        (lambda s: s["synthesis.b8.resample_filter"].zero_().fill_(1), "filter"),
        (lambda s: s.pop("synthesis.b4.const"), r"StyleGAN2 generator: came .* expected a key"),
    ],
)
def test_what_is_not_this_architecture_is_refused(change: Any, words: str) -> None:
    state = exported("nvlabs")
    change(state)
    with pytest.raises(DataError, match=words):
        to_own(state)


def test_weights_of_another_shape_are_refused() -> None:
    own = make().state_dict()
    with pytest.raises(DataError, match="do not fit"):
        build_generator(own, GeneratorConfig(**{**vars(TINY), "w_dim": 16}))
    with pytest.raises(UsageError, match="start='const'"):
        infer_config({"convs.5.weight": torch.zeros(1)})


class Touch:
    """Unpickling this makes a file: what a malicious checkpoint would do, made harmless."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def write(path: Path, form: str, layout: Layout = "rosinality", extra: dict[str, Any] | None = None) -> Path:
    """A checkpoint the way people's scripts save it."""
    state: dict[str, Any] = dict(exported(layout))
    if form == "safetensors":
        save_file(state, path)
        return path
    mean = state.pop("latent_avg", None)
    checkpoint = (
        {"g_ema": state, "args": argparse.Namespace(size=32)}
        | ({} if mean is None else {"latent_avg": mean})
        | (extra or {})
    )
    if form == "pickle":
        path.write_bytes(pickle.dumps(checkpoint))
    else:
        torch.save(checkpoint, path, _use_new_zipfile_serialization=form == "zip")
    return path


def test_the_command_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = write(tmp_path / "in.ckpt", "zip"), tmp_path / "out.safetensors"
    assert main([str(source), str(target), "--clamp", "256"]) == DONE
    output = capsys.readouterr().out
    assert "rosinality keys, 32x32, W+ 8x12" in output
    loaded = load_generator(target)
    assert loaded.config.clamp == 256
    z = torch.randn(1, TINY.z_dim)
    torch.testing.assert_close(
        loaded(loaded.map(z), noise="stored"), make()(make().map(z), noise="stored"), atol=1e-5, rtol=0
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.ckpt", "out.safetensors"]


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "it-ran"
    source = write(tmp_path / "bad.pt", form, extra={"extra": Touch(trace)})
    assert any(name in ("pathlib.Path.touch", "__builtin__.getattr") for name in foreign_names(source))
    if form == "zip":  # through the command; the others differ only in how they are read
        assert main([str(source), str(tmp_path / "out.safetensors")]) == FAILED
        message = capsys.readouterr().err
        assert "runs code" in message
        assert "--allow-pickle" in message
    else:
        with pytest.raises(DataError, match="runs code"):
            read_checkpoint(source)
    assert not trace.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["bad.pt"]


def test_a_pickle_is_converted_when_allowed(tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    source = write(tmp_path / "trusted.pkl", "pickle", extra={"extra": Touch(trace)})
    assert main([str(source), str(tmp_path / "out.safetensors"), "--allow-pickle"]) == DONE
    assert trace.exists()
    assert load_generator(tmp_path / "out.safetensors").config.w_dim == TINY.w_dim


def test_nothing_is_overwritten_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = write(tmp_path / "in.safetensors", "safetensors", "nvlabs"), tmp_path / "out.safetensors"
    target.write_text("precious")
    assert main([str(source), str(target)]) == USAGE
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_text() == "precious"
    (tmp_path / "junk.pt").write_text("hello")
    assert main([str(tmp_path / "junk.pt"), str(target), "--overwrite"]) == FAILED
    assert target.read_text() == "precious"
    assert main([str(source), str(target), "--overwrite"]) == DONE
    assert "const" in load_file(target)
    (tmp_path / "new").touch()
    assert target.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_impossible_requests_end_early(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.safetensors"
    source.write_text("x")
    for arguments, words in [
        ([str(tmp_path / "no.pt"), "out.safetensors"], "there is no file"),
        ([str(source), str(tmp_path / "out.pt")], "ends in .safetensors"),
        ([str(source), str(tmp_path / "no" / "out.safetensors")], "there is no folder"),
        ([str(source), str(source), "--overwrite"], "is the input"),
    ]:
        for command in (main, lambda given: hsc_main(["convert-stylegan2", *given])):
            assert command(arguments) == USAGE
            assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"hello", "damaged"),
        (b"PK\x03\x04 cut", "damaged"),
        (b"\x09\0\0\0\0\0\0\0{", "not a complete safetensors"),
    ],
)
def test_damaged_files_say_so(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_checkpoint(path)


def test_a_file_without_a_generator_says_what_it_holds(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "x.pt")
    with pytest.raises(DataError, match="epoch, optimizer"):
        read_checkpoint(tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"convert-stylegan2"):
        load_generator(tmp_path / "x.pt")


def test_what_a_checkpoint_lacks_is_made_and_said(tmp_path: Path) -> None:
    state = {k: v for k, v in exported("rosinality").items() if k != "latent_avg" and not k.startswith("noises")}
    save_file(state, tmp_path / "in.safetensors")
    names = {
        "source": str(tmp_path / "in.safetensors"),
        "part": str(tmp_path / "out.safetensors"),
        "report": str(tmp_path / "report"),
    }
    run_job({**names, "allow_pickle": False, "clamp": None})
    notes = " ".join(json.loads((tmp_path / "report").read_text())["notes"])
    assert "no mean latent" in notes
    assert "no noise maps" in notes
    loaded, original = load_generator(tmp_path / "out.safetensors"), make()
    assert loaded.mapping is not None
    assert original.mapping is not None
    torch.testing.assert_close(loaded.mapping.w_mean, original.mapping.estimate_mean())


@pytest.mark.parametrize("command", [["hsc", "convert-stylegan2"], ["hsc.weights.convert_stylegan2"]])
def test_help_shows_examples_and_importing_hsc_brings_no_torch(command: list[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", *command, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "examples:" in shown
    assert "--allow-pickle" in shown
    code = "import sys, hsc, hsc.networks.config, hsc.weights.convert_stylegan2; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

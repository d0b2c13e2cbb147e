"""Untrusted weights files: any content gives one DataError that names the file, quickly and without large memory."""

from __future__ import annotations

import io
import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_profile import TINY, lively, noise_photo

from hsc.codec import HscCodec
from hsc.errors import DataError, UnavailableError, UsageError
from hsc.files.plain_json import read_json, read_object
from hsc.files.tensor_files import MAX_HEADER_BYTES, read_about, read_tensors, require_sound, shapes_of
from hsc.networks.config import GeneratorConfig
from hsc.networks.directions import load_directions
from hsc.networks.profiles import PAPER, PROFILES, SMALL, profile_from_json, profile_to_json
from hsc.networks.relighting import LightNetwork, load_light, save_light
from hsc.networks.stylegan2 import StyleGAN2
from hsc.training.teachers.unet import UNet, load_teacher
from hsc.weights import files as weights
from hsc.weights.checkpoint_reader import foreign_names, read_checkpoint
from hsc.weights.stylegan2_keys import build_generator, from_own, infer_config, load_generator, to_own

NUMBERS = [float("nan"), float("inf"), -float("inf")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    weights.save(lively(TINY), path, {"licence": "Apache-2.0"})
    return path


def rewrite(file: Path, tensors: dict[str, torch.Tensor], profile: str | None = None, **about: Any) -> str:
    content = {"format": 1, "profile": profile or weights.read_card(file).profile} | about
    other = file.with_name("other.safetensors")
    save_file(tensors, other, {"hsc": json.dumps(content)})
    return str(other)


def header(path: Path, content: dict[str, Any] | str, data: bytes = b"", length: int | None = None) -> Path:
    text = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "name", ["gie.stem.0.bias", "generator.convs.1.weight", "scn.standard.mean", "fcn.synthesis.enter.weight"]
)
def test_weights_that_are_no_numbers_are_refused_by_name(file: Path, name: str, number: float) -> None:
    tensors = load_file(file)
    assert weights.load(rewrite(file, tensors)).fingerprint == weights.load(str(file)).fingerprint
    assert name in tensors, sorted(tensors)
    tensors[name].view(-1)[-1] = number
    with pytest.raises(DataError, match=rf"holds 1 of \d+ values that are not finite in '{name}'"):
        weights.load(rewrite(file, tensors))
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    with pytest.raises(DataError, match=f"not finite in {name}"):
        lively(TINY).load_arrays(arrays)


def filled(value: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        changed = tensor.clone()
        changed.view(-1)[-1] = value
        return changed

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scn.quality.table", filled(-(2**31))),
        ("scn.quality.table", filled(2**31 - 1)),
        ("fcn.quality.table", filled(-(2**31))),
        ("fcn.quality.table", filled(1025)),
        ("fcn.nets.1.0.bias", filled(-(2**31))),
        ("fcn.nets.1.0.bias", filled(1 << 23)),
        ("fcn.nets.1.0.weight", filled(-128)),
        ("tables.frequencies", lambda t: (t.int() * 0).to(torch.uint16)),
        ("tables.frequencies", lambda t: torch.from_numpy(np.roll(t.numpy(), 1))),
        ("tables.lowest", lambda t: t.long() - 2**62),
        ("tables.lowest", lambda t: torch.full_like(t.long(), -(2**63))),
        ("tables.lowest", filled(1 << 25)),
        ("tables.widths", filled(1 << 20)),
        ("tables.widths", filled(-1)),
        ("tables.phases", filled(0)),
        ("tables.phases", filled(-3)),
        ("gie.stem.0.bias", lambda t: t.bfloat16()),
    ],
)
def test_integers_out_of_range_and_tables_that_are_none_are_refused(
    file: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """The least int32 has no positive counterpart, so that its size passed for small."""
    tensors = load_file(file)
    tensors[name] = change(tensors[name]).contiguous()
    with pytest.raises(DataError):
        weights.load(rewrite(file, tensors))


@pytest.mark.parametrize("settled_ns", [0, 2_500_000_000])
def test_metadata_of_a_file_that_changed_are_read_anew(
    tmp_path: Path, settled_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """settled_ns: 0 for metadata that are kept at once, else those of a file so young are not kept."""
    monkeypatch.setattr("hsc.files.file_digests.SETTLED_NS", settled_ns)
    path = tmp_path / "a.safetensors"
    for text in ("one", "three"):
        save_file({"a": torch.zeros(1)}, path, {"about": json.dumps({"text": text})})
        first, again = read_about(path, "about"), read_about(path, "about")
        assert first == again == {"text": text}
        assert first is not None
        first["text"] = "a caller's own"
        assert read_about(path, "about") == {"text": text}
    path.unlink()
    with pytest.raises(DataError, match="get it again"):
        read_about(path, "about")


@pytest.mark.parametrize("profile", [*PROFILES.values(), TINY], ids=lambda p: p.name)
def test_our_own_profiles_come_back(profile: Any) -> None:
    assert profile_from_json(profile_to_json(profile)) == profile


def fields(profile: Any = SMALL) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(profile_to_json(profile))
    return content


DEMANDS: list[tuple[str, str, Any]] = [
    ("encoder", "widths", [60_000] * 4),
    ("encoder", "widths", [10**400, 1, 1, 1]),
    ("encoder", "widths", [32, 64, 128, -96]),
    ("encoder", "widths", [32, 64, 128.0, 96]),
    ("encoder", "widths", [32, 64, True, 96]),
    ("encoder", "widths", "abcd"),
    ("encoder", "depths", [10**9, 1, 1, 1]),
    ("encoder", "depths", [1000, 1, 1, 1]),
    ("encoder", "stem_width", 65_000),
    ("encoder", "stem_width", None),
    ("encoder", "patch", 1),
    ("encoder", "norm", ["none"]),
    ("encoder", "norm", "n" * 10_000),
    ("encoder", "input_size", 10**12),
    ("semantic", "width", 65_536),
    ("semantic", "width", 10**30),
    ("semantic", "channels", 0),
    ("feature", "width", 65_000),
    ("feature", "depth", 10**8),
    ("feature", "depth", 65),
    ("feature", "hidden", [[65_000, 65_000]] * 5),
    ("feature", "hidden", [[48] * 10_000] * 5),
    ("feature", "slices", [60_000] * 5),
    ("feature", "slices", [[8]] * 5),
    ("feature", "stride", 1.5),
    ("generator", "resolution", 1 << 40),
    ("generator", "resolution", 1 << 16),
    ("generator", "channel_base", 10**9),
    ("generator", "mapping_layers", 10**7),
    ("generator", "w_dim", 65_000),
    ("generator", "clamp", "much"),
    ("generator", "clamp", -1.0),
    ("generator", "start", 5),
    ("generator", "nothing", 5),
]


@pytest.mark.parametrize(("part", "name", "value"), DEMANDS)
def test_profiles_that_ask_for_much_are_refused_before_networks_are_made(
    file: Path, part: str, name: str, value: Any
) -> None:
    changed = fields()
    changed[part][name] = value
    path = rewrite(file, load_file(file), json.dumps(changed))
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(DataError):
        weights.load(path)
    assert time.perf_counter() - started < 10
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_a_profile_of_gigabytes_takes_none(file: Path) -> None:
    """The widest networks within every limit: some 30 GB of weights that the file does not hold."""
    resource = pytest.importorskip("resource")
    changed = fields(PAPER)
    changed["encoder"]["widths"] = [8192, 8192, 8192, 8192]
    changed["feature"]["width"] = 8192
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"holds [\d,]+ numbers and describes a network of [\d,]{14,}"):
        weights.load(rewrite(file, load_file(file), json.dumps(changed)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"name": 5}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"generator": NaN}',
        '{"generator": 1e999}',
        "9" * 5000,
        '"\\ud800"',
        "{]",
    ],
)
def test_profiles_that_are_no_json_of_ours_are_refused(file: Path, text: str) -> None:
    with pytest.raises(DataError):
        profile_from_json(text)
    with pytest.raises(DataError):
        weights.load(rewrite(file, load_file(file), text or " "))


@pytest.mark.parametrize("card", [5, "text", [1]])
def test_cards_of_another_kind_are_refused(file: Path, card: Any) -> None:
    with pytest.raises(DataError, match="holds no hsc model"):
        weights.load(rewrite(file, load_file(file), card=card))
    with pytest.raises(DataError, match="holds no hsc model"):
        weights.read_card(Path(rewrite(file, load_file(file), profile=["x"])))  # type: ignore[arg-type]


READERS: dict[str, Callable[[Path], object]] = {
    "tensors": read_tensors,
    "shapes": shapes_of,
    "about": lambda path: read_about(path, "about"),
    "weights": lambda path: weights.load(str(path)),
    "light": lambda path: load_light(path, "0" * 64),
    "directions": load_directions,
    "generator": load_generator,
    "checkpoint": read_checkpoint,
    "teacher": load_teacher,
}
HUGE = {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 4]}
LYING = {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 1 << 32]}


@pytest.mark.parametrize("reader", READERS)
def test_headers_that_lie_are_refused(reader: str, tmp_path: Path) -> None:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    deep = {"__metadata__": dict.fromkeys(("about", "hsc", "light"), "[" * 200_000), "mean": tensor}
    listed = {"__metadata__": dict.fromkeys(("about", "hsc", "light"), "[1]"), "mean": tensor}
    files = [
        header(tmp_path / "0.safetensors", "{}", length=1 << 62),
        header(tmp_path / "1.safetensors", "{}", length=MAX_HEADER_BYTES + 1),
        header(tmp_path / "2.safetensors", "{}" + " " * 100, length=1 << 20),
        header(tmp_path / "3.safetensors", {"mean": HUGE}, b"0000"),
        header(tmp_path / "4.safetensors", {"mean": LYING}, b"0000"),
        header(tmp_path / "5.safetensors", '{"mean":' * 5000),
        header(tmp_path / "6.safetensors", {"mean": {**tensor, "dtype": "X9"}}, b"0000"),
        header(tmp_path / "7.safetensors", {"mean": {**tensor, "data_offsets": [-4, 0]}}, b"0000"),
        tmp_path / "absent.safetensors",
        tmp_path,
    ]
    if reader not in ("tensors", "shapes", "checkpoint"):  # which do not read what a file says of itself
        files += [
            header(tmp_path / "8.safetensors", deep, b"0000"),
            header(tmp_path / "9.safetensors", listed, b"0000"),
        ]
    for path in files:
        tracemalloc.start()
        started = time.perf_counter()
        with pytest.raises(UnavailableError if reader == "weights" and not path.is_file() else DataError):
            READERS[reader](path)
        assert time.perf_counter() - started < 2, path.name
        assert tracemalloc.get_traced_memory()[1] < 16 << 20, path.name
        tracemalloc.stop()


@pytest.mark.parametrize("number", NUMBERS)
def test_light_networks_and_directions_must_be_numbers(tmp_path: Path, number: float) -> None:
    torch.manual_seed(0)
    path, fits = tmp_path / "a-light.safetensors", "0" * 64
    save_light(LightNetwork(12, 72, 8), path, fits, {})
    assert load_light(path, fits).width == 8
    about, tensors = read_about(path, "light"), load_file(path)
    for name in ("film.2.bias", "feature_mean", "inner.weight"):
        changed = {key: tensor.clone() for key, tensor in tensors.items()}
        changed[name].view(-1)[0] = number
        save_file(changed, path, {"light": json.dumps(about)})
        with pytest.raises(DataError, match=rf"no light network: .*not finite in '{name}'"):
            load_light(path, fits)
    axes = {"mean": torch.zeros(3, 4), "axes": torch.ones(2, 3, 4), "share": torch.ones(2)}
    for name in axes:
        changed = {key: tensor.clone() for key, tensor in axes.items()}
        changed[name].view(-1)[0] = number
        save_file(changed, path)
        with pytest.raises(DataError, match=rf"no directions .*not finite in '{name}'"):
            load_directions(path)
    save_file(axes | {"share": torch.ones(())}, path)
    with pytest.raises(DataError, match="make it again"):
        load_directions(path)


@pytest.mark.parametrize(
    "change",
    [
        {"feature_mean": torch.zeros(1 << 16)},
        {"word_mean": torch.zeros(())},
        {"enter.bias": torch.zeros(0)},
        {"feature_scale": torch.zeros(12)},
        {"word_scale": -torch.ones(72)},
        {"more": torch.zeros(1)},
    ],
)
def test_light_networks_of_other_shapes_or_no_scale_are_refused(
    tmp_path: Path, change: dict[str, torch.Tensor]
) -> None:
    path, fits = tmp_path / "a-light.safetensors", "0" * 64
    save_light(LightNetwork(12, 72, 8), path, fits, {})
    save_file(load_file(path) | change, path, {"light": json.dumps({"fits": fits})})
    with pytest.raises(DataError):
        load_light(path, fits)


def test_a_light_network_of_other_widths_than_its_model_is_refused(file: Path) -> None:
    model = weights.load(str(file))
    save_light(LightNetwork(13, 72, 8), file.with_name("tiny-light.safetensors"), model.fingerprint.hex(), {})
    codec = HscCodec(model, light=lambda: weights.light_for(str(file), model))
    with pytest.raises(DataError, match=r"reads F and W\+ of \(13, 72\) numbers, the model has \(12, 72\)"):
        codec.edit(codec.encode(noise_photo(16, 16), 3.0), np.ones((9, 8)), 1.0)


GENERATOR = GeneratorConfig(
    resolution=32, w_dim=12, z_dim=6, mapping_layers=2, channel_base=256, channel_max=32, layer=3
)


def generator_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return StyleGAN2(GENERATOR).state_dict()


@pytest.mark.parametrize("number", [*NUMBERS, 1e300])
def test_generators_and_checkpoints_must_be_numbers(tmp_path: Path, number: float) -> None:
    state = {key: tensor.double().clone() for key, tensor in generator_state().items()}
    state["convs.3.bias"][0] = number
    save_file(state, tmp_path / "g.safetensors")
    with pytest.raises(DataError, match=r"not finite in 'convs\.3\.bias'"):
        load_generator(tmp_path / "g.safetensors")
    if number != 1e300:
        torch.save({"g_ema": state}, tmp_path / "g.pt")
        for name in ("g.safetensors", "g.pt"):
            with pytest.raises(DataError, match=r"not finite in 'convs\.3\.bias'"):
                read_checkpoint(tmp_path / name)


def test_the_command_refuses_doubles_that_no_float_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hsc.weights.convert_stylegan2 import FAILED, main

    state = {key: tensor.double().clone() for key, tensor in generator_state().items()}
    state["convs.3.bias"][0] = 1e300
    torch.save(state, tmp_path / "g.pt")
    assert main([str(tmp_path / "g.pt"), str(tmp_path / "out.safetensors")]) == FAILED
    assert "not finite in 'convs.3.bias'" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("clamp", ["256", [1], -1.0, 0])
def test_clamps_of_another_kind_are_refused(tmp_path: Path, clamp: Any) -> None:
    save_file(generator_state(), tmp_path / "g.safetensors", {"hsc": json.dumps({"clamp": clamp})})
    with pytest.raises(DataError, match="clamp came as"):
        load_generator(tmp_path / "g.safetensors")
    save_file(generator_state(), tmp_path / "g.safetensors", {"hsc": json.dumps({"clamp": 256})})
    assert load_generator(tmp_path / "g.safetensors").config.clamp == 256


@pytest.mark.parametrize(
    "key",
    [
        "rgbs.99999999999999999999.weight",
        f"rgbs.{'9' * 5000}.weight",
        "rgbs.4000.weight",
        "rgbs.12.weight",
        *(f"mapping.layers.{10**k}.weight" for k in (3, 50)),
    ],
)
def test_keys_that_speak_of_endless_layers_are_refused(key: str) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError):
        to_own(generator_state() | {key: torch.zeros(1)})
    many = {f"mapping.layers.{i}.weight": torch.zeros(6, 6) for i in range(100)}
    with pytest.raises(DataError, match="100 mapping layers"):
        to_own(generator_state() | many)
    assert time.perf_counter() - started < 1
    nvlabs = from_own(generator_state(), "nvlabs")
    with pytest.raises(DataError):
        to_own(nvlabs | {f"synthesis.b{'8' * 4400}.conv1.weight": torch.zeros(1)})
    with pytest.raises(DataError, match="no layers above 4x4"):
        to_own({"synthesis.b4.const": torch.zeros(1)})


@pytest.mark.parametrize(
    ("key", "tensor"),
    [
        ("convs.0.affine.weight", torch.zeros(0, 1 << 31)),
        ("convs.0.affine.weight", torch.zeros(7)),
        ("rgbs.0.weight", torch.zeros(3)),
        ("rgbs.0.weight", torch.zeros(0, 1 << 31)),
        ("mapping.layers.0.weight", torch.zeros(())),
        ("mapping.layers.0.weight", torch.zeros(0, 1 << 31)),
    ],
)
def test_shapes_that_promise_what_no_file_holds_are_refused(key: str, tensor: torch.Tensor) -> None:
    own = generator_state() | {key: tensor}
    with pytest.raises((DataError, UsageError)):
        build_generator(own, infer_config(own))


def test_pickles_that_repeat_one_number_are_refused(tmp_path: Path) -> None:
    """Ten thousand million numbers in a file of a kilobyte: a view of one."""
    state = {**from_own(generator_state(), "nvlabs"), "synthesis.b8.conv0.bias": torch.zeros(1).expand(10**10)}
    for form in (True, False):
        torch.save(state, tmp_path / "g.pt", _use_new_zipfile_serialization=form)
        with pytest.raises(DataError, match=r"does not hold all of 'synthesis\.b8\.conv0\.bias', \(10000000000,\)"):
            read_checkpoint(tmp_path / "g.pt")
    sparse = torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.ones(1), (1 << 30, 1 << 30), check_invariants=True)
    for tensor in (sparse, torch.zeros(1 << 40, device="meta")):
        with pytest.raises(DataError, match="does not hold all of 'a'"):
            require_sound({"a": tensor}, "x.pt")
    require_sound({"a": torch.zeros(3, 4).t(), "b": torch.zeros(0, 5), "step": 7, "c": torch.arange(4)[::2]}, "x.pt")


def test_archives_that_unpack_to_far_more_are_refused(tmp_path: Path) -> None:
    whole = io.BytesIO()
    torch.save(generator_state(), whole)
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("archive/data/999", bytes(64 << 20))
        target.writestr("archive/more/data.pkl", bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"is an archive of [\d,]+ bytes that unpacks to 13\d,\d{3},\d{3}"):
        read_checkpoint(path)
    foreign_names(path)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_teachers_must_fit_and_be_numbers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = UNet(5, 3, (4, 6)).state_dict()
    path = tmp_path / "t.safetensors"
    save_file(state, path)
    load_teacher(path)
    for name, tensor in (
        ("classify.bias", torch.zeros(1 << 22)),
        ("classify.bias", torch.full((5,), float("nan"))),
        ("down.0.0.weight", torch.zeros(())),
    ):
        save_file(state | {name: tensor}, path)
        with pytest.raises(DataError, match="not a teacher's weights file"):
            load_teacher(path)


def test_json_of_strangers_is_plain_or_refused() -> None:
    assert read_object('{"a": [1, -2.5, "x", null, true], "b": {}}') == {"a": [1, -2.5, "x", None, True], "b": {}}
    assert read_json(str(2**63 - 1)) == 2**63 - 1
    for text in (
        "NaN",
        "-Infinity",
        "1e999",
        "-1e400",
        str(2**63),
        "-" + "9" * 30,
        "9" * 5000,
        "[" * 200_000,
        "{",
        "\x00",
        b"\xff\xfe\xff",
    ):
        with pytest.raises(ValueError, match=r"."):
            read_json(text)
    for text in ("[]", "5", '"a"', "null"):
        with pytest.raises(ValueError, match="expected an object"):
            read_object(text)


def test_our_own_weights_are_read_as_ever() -> None:
    """What is checked changes nothing: the fingerprints of the weights that are shipped."""
    for name in weights.names():
        model = weights.load(name)
        assert model.fingerprint.hex() == read_about(weights.find(name), "hsc")["fingerprint"]  # type: ignore[index]
        weights.light_for(name, model)

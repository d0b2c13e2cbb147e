"""StyleGAN2 state dicts in three key layouts, and the mapping between their keys.

    NVLabs ADA   synthesis.b8.conv0.affine.weight ──┐
                                                    ├─ pairs() ─> convs.1.affine.weight     hsc
    rosinality   convs.0.conv.modulation.weight   ──┘

Layouts differ in names and in axes of length one; no value changes, so the two directions are inverse to each other.
The numbers of resolutions and of mapping layers are read from the keys, all widths from the tensors' shapes.

Layouts: NVLabs/stylegan2-ada-pytorch (Karras et al. 2020), rosinality/stylegan2-pytorch. Nothing here unpickles; see
``hsc.weights.convert_stylegan2`` for files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from hsc.errors import DataError, UsageError
from hsc.files.tensor_files import outline, read_about, read_tensors
from hsc.networks.config import MIN_RESOLUTION, GeneratorConfig
from hsc.networks.config_bounds import require_bounded
from hsc.networks.stylegan2 import StyleGAN2

Layout = Literal["hsc", "nvlabs", "rosinality"]
State = dict[str, Tensor]

_SIGN = {"nvlabs": "synthesis.b4.const", "rosinality": "input.input", "hsc": "const"}
_FIXED = re.compile(r"resample_filter$|blur\.kernel$|upsample\.kernel$")
_CONV = {
    "nvlabs": ("weight", "bias", "affine.weight", "affine.bias", "noise_strength", "noise_const"),
    "rosinality": (
        "conv.weight",
        "activate.bias",
        "conv.modulation.weight",
        "conv.modulation.bias",
        "noise.weight",
        "",
    ),
}
_RGB = {
    "nvlabs": ("weight", "bias", "affine.weight", "affine.bias"),
    "rosinality": ("conv.weight", "bias", "conv.modulation.weight", "conv.modulation.bias"),
}
_MAX_SIDE, _MAX_MAPPING_LAYERS = 1 << 12, 32
_OWN = ("weight", "bias", "affine.weight", "affine.bias", "noise_strength", "noise")


class Pair(NamedTuple):
    """One tensor: its key in this package and in the other layout, and the axes of length one of the other layout.

    axes: "*" stands for the tensor's own axes; "1*" has one axis in front, "1*11" one in front and two behind.
    """

    own: str
    other: str
    axes: str


def pairs(layout: Layout, levels: int, mapping_layers: int) -> list[Pair]:
    """All tensors of a generator. levels: number of resolutions, from 4 up. mapping_layers: number of those layers."""
    if layout == "hsc":
        return [Pair(p.own, p.own, "*") for p in pairs("nvlabs", levels, mapping_layers)]
    rosinality = layout == "rosinality"
    tensors = [Pair("const", _SIGN[layout], "1*" if rosinality else "*")]
    if mapping_layers:
        tensors.append(Pair("mapping.w_mean", "latent_avg" if rosinality else "mapping.w_avg", "*"))
    for i in range(mapping_layers):
        other = f"style.{i + 1}" if rosinality else f"mapping.fc{i}"
        tensors += [Pair(f"mapping.layers.{i}.{part}", f"{other}.{part}", "*") for part in ("weight", "bias")]
    for n in range(2 * levels - 1):
        tensors += _conv_pairs(layout, n)
    for k in range(levels):
        name = (f"to_rgbs.{k - 1}" if k else "to_rgb1") if rosinality else f"synthesis.b{4 << k}.torgb"
        for own, other in zip(_OWN, _RGB[layout], strict=False):
            axes = {"weight": "1*", "bias": "1*11"}.get(own, "*") if rosinality else "*"
            tensors.append(Pair(f"rgbs.{k}.{own}", f"{name}.{other}", axes))
    return tensors


def _conv_pairs(layout: Layout, n: int) -> list[Pair]:
    """The tensors of styled convolution n."""
    rosinality = layout == "rosinality"
    name = (f"convs.{n - 1}" if n else "conv1") if rosinality else f"synthesis.b{4 << (n + 1) // 2}.conv{(n + 1) % 2}"
    tensors = []
    for own, other in zip(_OWN, _CONV[layout], strict=True):
        key = f"noises.noise_{n}" if rosinality and own == "noise" else f"{name}.{other}"
        axes = {"weight": "1*", "noise_strength": "1*", "noise": "11*"}.get(own, "*") if rosinality else "*"
        tensors.append(Pair(f"convs.{n}.{own}", key, axes))
    return tensors


def layout_of(state: Mapping[str, Any]) -> tuple[Layout, str]:
    """The layout of a state dict, and the prefix of its keys ("module.", "decoder.", usually empty).

    Raises:
        DataError: the layout is none of the three.
    """
    for layout in ("nvlabs", "rosinality"):
        for key in state:
            if key == _SIGN[layout] or key.endswith("." + _SIGN[layout]):
                return layout, key.removesuffix(_SIGN[layout])
    if "const" in state and "convs.0.weight" in state:
        return "hsc", ""
    keys = ", ".join(list(state)[:3]) or "no keys"
    raise DataError(
        f"this is no supported StyleGAN2 generator: came {keys} ..., expected a key {_SIGN['nvlabs']!r} (NVLabs ADA, "
        f"PyTorch) or {_SIGN['rosinality']!r} (rosinality); convert a TensorFlow or StyleGAN3 checkpoint with its "
        f"authors' converter first"
    )


def to_own(state: Mapping[str, Tensor]) -> State:
    """A state dict of any layout with this package's keys, as float32.

    The mean latent and the noise maps may be absent; they are then absent from the result.

    Raises:
        DataError: the layout is unknown, a key is missing or unexpected, or a tensor has an unexpected number of axes.
    """
    layout, prefix = layout_of(state)
    rest = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if "latent_avg" in state:  # stored beside the generator, without its prefix
        rest["latent_avg"] = state["latent_avg"]
    if any(k.startswith("mapping.embed.") for k in rest):
        raise DataError("this generator is conditional (it has mapping.embed); only unconditional ones are read")
    fixed = [k for k in rest if _FIXED.search(k)]
    for key in fixed:
        _check_filter(key, rest.pop(key))
    own, absent = {}, []
    for pair in pairs(layout, *_counts(layout, rest)):
        tensor = rest.pop(pair.other, None)
        if tensor is None:
            absent += [] if pair.own.endswith((".noise", "w_mean")) else [pair.other]
        else:
            own[pair.own] = _without_ones(tensor, pair).float()
    if absent:
        raise DataError(
            f"the {layout} checkpoint lacks {_shortened(absent)}; expected the whole generator with RGB skips at every "
            f"resolution"
        )
    if rest:
        raise DataError(
            f"the {layout} checkpoint has keys that no StyleGAN2 with skips has: {_shortened(list(rest))}; it may be "
            f"another architecture"
        )
    return own


def from_own(state: Mapping[str, Tensor], layout: Layout) -> State:
    """A whole generator's state dict with the keys of another layout, fixed filters included.

    state: with this package's keys.

    Raises:
        UsageError: the state dict is not that of a generator that starts at the constant.
    """
    config = infer_config(state)
    other: State = {}
    for pair in pairs(layout, config.levels, config.mapping_layers):
        if pair.own in state:
            tensor = state[pair.own]
            before, _, after = pair.axes.partition("*")
            other[pair.other] = tensor.reshape([1] * len(before) + list(tensor.shape) + [1] * len(after)).clone()
    return other | _filters(layout, config.levels)


def infer_config(state: Mapping[str, Tensor]) -> GeneratorConfig:
    """The config of a whole generator, inferred from its tensors, which have this package's keys.

    channel_base is the smallest value that gives the widths; where all widths are at channel_max (64x64 in config-F),
    a larger one would give the same network.

    Raises:
        UsageError: the state dict does not hold a generator that starts at the constant.
        DataError: the widths do not follow min(channel_base // side, channel_max).
    """
    if "const" not in state:
        raise UsageError("a config can be inferred only for a generator with start='const', which has the key 'const'")
    levels, mapping_layers = _counts("hsc", state)
    resolution = 2 << levels
    flat = [
        key
        for key in ("convs.0.affine.weight", *(f"rgbs.{k}.weight" for k in range(levels)))
        if key not in state or state[key].ndim < 2
    ]
    if flat or (
        mapping_layers and ("mapping.layers.0.weight" not in state or state["mapping.layers.0.weight"].ndim < 2)
    ):
        raise DataError(
            f"the weights have no generator's shapes at {_shortened(flat or ['mapping.layers.0.weight'])}; get them "
            f"again"
        )
    widths = [state[f"rgbs.{k}.weight"].shape[1] for k in range(levels)]
    w_dim = state["convs.0.affine.weight"].shape[1]
    config = GeneratorConfig(
        resolution=resolution,
        w_dim=w_dim,
        z_dim=state["mapping.layers.0.weight"].shape[1] if mapping_layers else w_dim,
        mapping_layers=mapping_layers,
        channel_base=max(width * (4 << k) for k, width in enumerate(widths)),
        channel_max=widths[0],
        layer=min(5, 2 * levels - 2),
    )
    expected = [config.width(4 << k) for k in range(levels)]
    if widths != expected:
        raise DataError(
            f"the widths from 4x4 up are {widths}, expected {expected}: min({config.channel_base} // side, {widths[0]})"
        )
    return config


def load_generator(
    path: str | Path, *, start: Literal["const", "feature"] = "const", layer: int | None = None
) -> StyleGAN2:
    """Load a generator from a safetensors file that ``hsc.weights.convert_stylegan2`` wrote, in eval mode.

    start, layer: as in ``GeneratorConfig``; a generator that starts at F takes the upper part of the file.

    Raises:
        DataError: the file is missing, damaged, not a generator, or holds values that are not finite.
    """
    try:
        state, notes = read_tensors(path, single=True), read_about(path, "hsc") or {}
    except DataError as error:
        raise DataError(
            f"{path} cannot be read as a generator's file: {error}; convert the checkpoint with python -m hsc "
            f"convert-stylegan2"
        ) from error
    own = to_own(state)
    config = infer_config(own)
    fields = {"start": start, "layer": config.layer if layer is None else layer, "clamp": notes.get("clamp")}
    try:
        require_bounded(fields)
    except ValueError as error:
        raise DataError(f"{path} has metadata that no generator has: {error}; convert the checkpoint again") from error
    return build_generator(own, GeneratorConfig(**{**vars(config), **fields}))


def build_generator(own: Mapping[str, Tensor], config: GeneratorConfig) -> StyleGAN2:
    """Build a generator in eval mode from a whole state dict with this package's keys; unneeded tensors are ignored.

    Raises:
        DataError: a tensor that the config needs is missing or has another shape.
    """
    wanted = outline(lambda: StyleGAN2(config), "the checkpoint")  # a file may describe widths that it does not hold
    if config.start == "const":  # these may be absent from a checkpoint; without maps, "stored" noise is zero
        absent = [key for key in wanted if key.endswith((".noise", "w_mean")) and key not in own]
        own = {**{key: torch.zeros(wanted[key]) for key in absent}, **own}
    wrong = [key for key, shape in wanted.items() if key not in own or tuple(own[key].shape) != shape]
    if wrong:
        raise DataError(
            f"the weights do not fit the generator at {_shortened(wrong)}; build it from infer_config(weights)"
        )
    generator = StyleGAN2(config)
    generator.load_state_dict({key: own[key] for key in wanted})
    return generator.eval()


def _counts(layout: Layout, state: Mapping[str, Any]) -> tuple[int, int]:
    """The numbers of resolutions and of mapping layers that the keys imply.

    Raises:
        DataError: a number is out of range.
    """
    level = {
        "hsc": r"rgbs\.(\d+)\.weight",
        "nvlabs": r"synthesis\.b(\d+)\.conv1\.weight",
        "rosinality": r"to_rgbs\.(\d+)\.conv\.weight",
    }[layout]
    layer = {
        "hsc": r"mapping\.layers\.(\d+)\.weight",
        "nvlabs": r"mapping\.fc(\d+)\.weight",
        "rosinality": r"style\.(\d+)\.weight",
    }[layout]
    numbers = [m.group(1) for m in map(re.compile(level).fullmatch, state) if m]
    mapping = sum(1 for key in state if re.fullmatch(layer, key))
    top = -1 if not numbers else _MAX_SIDE + 1 if max(map(len, numbers)) > 5 else max(map(int, numbers))
    levels = {"hsc": top + 1, "nvlabs": top.bit_length() - 2, "rosinality": top + 2}[layout]
    if levels > _MAX_SIDE.bit_length() - 2 or mapping > _MAX_MAPPING_LAYERS:
        raise DataError(
            f"the {layout} checkpoint has keys of {levels} resolutions and {mapping} mapping layers, expected sides "
            f"up to {_MAX_SIDE} and at most {_MAX_MAPPING_LAYERS} layers; it may be another architecture"
        )
    if levels < MIN_RESOLUTION.bit_length() - 2:
        raise DataError(f"the {layout} checkpoint has no layers above 4x4; expected a whole generator")
    return levels, mapping


def _check_filter(key: str, kernel: Tensor) -> None:
    """Raise DataError for another resampling filter than the built-in one, which would load and give wrong images."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    square = line[:, None] * line
    if kernel.shape != square.shape or not torch.allclose(
        kernel.float() / kernel.float().sum(), square / 64, atol=1e-4
    ):
        raise DataError(f"{key} came as another filter, expected [1, 3, 3, 1], the only one this generator has")


def _filters(layout: Layout, levels: int) -> State:
    """The constant filters that other implementations store with their weights."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    square = line[:, None] * line / 64
    if layout == "rosinality":
        names = [f"convs.{2 * k}.conv.blur.kernel" for k in range(levels - 1)] + [
            f"to_rgbs.{k}.upsample.kernel" for k in range(levels - 1)
        ]
        return {name: square * 4 for name in names}  # noqa: C420  one tensor each, or safetensors refuses them
    if layout == "nvlabs":
        blocks = [f"synthesis.b{4 << k}" for k in range(levels)]
        names = [
            f"{b}{part}" for b in blocks for part in ("", ".conv0", ".conv1") if (b, part) != (blocks[0], ".conv0")
        ]
        return {f"{name}.resample_filter": square.clone() for name in names}
    return {}


def _without_ones(tensor: Tensor, pair: Pair) -> Tensor:
    """The tensor without the axes of length one that only the other layout has.

    Raises:
        DataError: such an axis is missing or longer.
    """
    before, _, after = pair.axes.partition("*")
    if pair.own.endswith("w_mean"):  # stored as (w_dim,) or (1, w_dim)
        return tensor.reshape(-1)
    shape = list(tensor.shape)
    ones = shape[: len(before)] + shape[len(shape) - len(after) :]
    if len(shape) < len(before) + len(after) or any(side != 1 for side in ones):
        raise DataError(
            f"{pair.other} came with shape {tuple(shape)}, expected ones {len(before)} in front and {len(after)} behind"
        )
    return tensor.reshape(shape[len(before) : len(shape) - len(after)])


def _shortened(names: list[str]) -> str:
    """Up to four names, and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

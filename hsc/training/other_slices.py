"""Initial weights for a profile with other slices of F: the last slice may be wider, and slices behind it are left out.

Channels that are new in the last slice read nothing of F and have symbols of 0, which changes no picture; the recipe's
field ``revived`` gives them what decoding loses (``hsc.training.dead_channels``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsc.entropy_coding import checkerboard
from hsc.entropy_coding.integer_nets import IntegerConv2d, IntegerSequence
from hsc.networks.config import FeatureConfig
from hsc.networks.fcn import FCN
from hsc.networks.model import HscModel
from hsc.training.dead_channels import set_analysis, set_synthesis


def fits(has: FeatureConfig, wanted: FeatureConfig) -> bool:
    """Whether weights with the slices ``has`` can become those of ``wanted``."""
    last = len(wanted.slices) - 1
    return (
        len(has.slices) > last
        and has.slices[:last] == wanted.slices[:last]
        and has.slices[last] <= wanted.slices[last]
        and has.hidden[: last + 1] == wanted.hidden
    )


@torch.no_grad()
def copy_into(model: HscModel, initial: HscModel) -> None:
    """Copy weights into a model whose slices they fit; what they lack stays as it is.

    Slices follow one another in channels, so the leading part of a tensor is that of the first slices.
    """
    tensors, own = initial.state_dict(), model.state_dict()
    model.load_state_dict({name: _leading(tensors.get(name, tensor), tensor) for name, tensor in own.items()})
    last = len(model.fcn.config.slices) - 1
    known = sum(initial.fcn.config.slices[: last + 1])  # channels of y that both have
    if known < model.fcn.config.channels:
        _silence(model.fcn, known)
        _widen_last_slice(initial.fcn, model.fcn)
        _widen_detail(initial, model)


def _leading(tensor: Tensor, like: Tensor) -> Tensor:
    """The leading part of a tensor in the shape of ``like``, with zeros where it is too short."""
    if tensor.shape == like.shape:
        return tensor
    part = tuple(slice(min(sides)) for sides in zip(tensor.shape, like.shape, strict=True))
    leading = torch.zeros_like(like)
    leading[part] = tensor[part]
    return leading


def _silence(fcn: FCN, known: int) -> None:
    """Let the channels of y from ``known`` on read nothing and change nothing, with the last known channel's gains."""
    new = torch.arange(known, fcn.config.channels)
    nothing = torch.zeros(len(new), len(fcn.standard.scale))
    set_analysis(fcn, new, nothing, nothing[:, 0])
    set_synthesis(fcn, new, nothing.t())
    for gains in (fcn.quality.log_gain, fcn.quality.log_inverse):
        gains[:, known:] = gains[:, known - 1 : known]


def _widen_last_slice(old: FCN, new: FCN) -> None:
    """Copy the integer networks of the last slice, which then expect symbols of 0 of the new channels."""
    last = len(new.config.slices) - 1
    narrow, wide = old.config.slices[last], new.config.slices[last]
    for number, coding_pass in enumerate(new.passes):
        if coding_pass.slice_index == last:
            before, after = _convolutions(old.nets[number]), _convolutions(new.nets[number])
            blocks = len(checkerboard.known_neighbours(new.config.passes, coding_pass.pass_index))
            fixed = before[0].weight.shape[1] - blocks * narrow
            _copy_columns(before[0].weight, after[0].weight, fixed, blocks, (narrow, wide))
            for source, target in ((before[-1].weight, after[-1].weight), (before[-1].bias, after[-1].bias)):
                target.zero_()  # the rows are the means of all channels, then their levels
                target[:narrow] = source[:narrow]
                target[wide : wide + narrow] = source[narrow:]


def _widen_detail(old: HscModel, new: HscModel) -> None:
    """Copy the first layers of the detail's integer networks, which read y beside other things."""
    if old.detail is None or new.detail is None:
        return
    widths = (old.fcn.config.channels, new.fcn.config.channels)
    for before, after in zip(old.detail.nets, new.detail.nets, strict=True):
        source, target = _convolutions(before)[0].weight, _convolutions(after)[0].weight
        _copy_columns(source, target, new.fcn.config.context, len(checkerboard.SQUARE), widths)


def _convolutions(net: nn.Module) -> list[IntegerConv2d]:
    assert isinstance(net, IntegerSequence)
    return net.convolutions()


def _copy_columns(source: Tensor, target: Tensor, fixed: int, blocks: int, widths: tuple[int, int]) -> None:
    """Copy columns of a layer's weights: ``fixed`` ones, blocks of one per channel, the rest; new channels' become 0.

    widths: old and new number of channels.
    """
    narrow, wide = widths
    target.zero_()
    target[:, :fixed] = source[:, :fixed]
    for block in range(blocks):
        old_start, new_start = fixed + block * narrow, fixed + block * wide
        target[:, new_start : new_start + narrow] = source[:, old_start : old_start + narrow]
    target[:, fixed + blocks * wide :] = source[:, fixed + blocks * narrow :]

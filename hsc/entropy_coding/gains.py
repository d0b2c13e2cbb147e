"""Gain tables: integers for each quality, learned as curves and fixed as a table of 256 rows.

    anchors 0, 1 ... 8 (float, learned) --interpolated at quality / 32--> integers      in training, with gradient
                                        --all 256 of them, at export--> table --row--> integers      when coding

    y * gain -> v -> Q(v - mean) + mean -> v_hat -> * inverse -> y_hat        gain, inverse: steps of 1/4096

One network serves all rates: one gain per channel scales y before it is rounded, and a separate inverse gain scales it
back. Both are learned at whole qualities and interpolated geometrically between them (Cui et al. 2021, "Asymmetric
Gained Deep Image Compression with Continuous Rate Adaptation", section 3). The header's quality selects the row. The
coder's integer networks work at the scale of y, not of v: the same integers bring decoded symbols to that scale, and
bring means and scales back from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.entropy_coding.integer_nets import MAX_ACTIVATION, MIN_ACTIVATION
from hsc.entropy_coding.quantisation import MEAN_STEPS, SCALES
from hsc.errors import DataError, UsageError

GAIN_SHIFT = 12
GAIN_UNIT = 1 << GAIN_SHIFT
"""A gain of 1 as an integer."""

LEVEL_STEPS = 16
"""Steps of an integer network's output per level of scale; see ``hsc.entropy_coding.integer_nets.scale_levels``."""

ROWS = 256
_ANCHORS = ROWS // QUALITY_STEPS + 1
_MAX_GAIN = (1 << 20) - 1
_MIDDLE, _SLOPE = 4.0, 0.75


class _Rounded(torch.autograd.Function):
    """Round and clip; the gradient passes unless it points further out of the range."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, lowest: int, highest: int) -> Tensor:
        ctx.save_for_backward(x < lowest, x > highest)
        return x.round().clamp(lowest, highest)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        below, above = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient = gradients[0]
        return gradient.masked_fill((below & (gradient > 0)) | (above & (gradient < 0)), 0), None, None


def rounded(x: Tensor, lowest: int, highest: int) -> Tensor:
    """x rounded and clipped, with a straight-through gradient."""
    result: Tensor = _Rounded.apply(x, lowest, highest)
    return result


class Gains(NamedTuple):
    """Gains at one quality per sample: float64 integers (B, C), with gradient in training.

    gain, inverse: 1 to 2**20 - 1 in steps of 1/4096. level: the offset of the level of scale that the gain causes, in
    1/16.
    """

    gain: Tensor
    inverse: Tensor
    level: Tensor


class QualityTable(nn.Module):
    """The gains of ``channels`` channels. Subclasses add kinds of integers to a row (``kinds``, ``compute``)."""

    kinds = 3
    table: Tensor | None

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # Quality 4 has y in whole steps. On the CPU also in an outline, where torch would import its compiler for it.
        curve = (torch.arange(_ANCHORS, device="cpu") - _MIDDLE)[:, None] * (_SLOPE * math.log(2))
        self.log_gain = nn.Parameter(curve.repeat(1, channels))
        self.log_inverse = nn.Parameter(-curve.repeat(1, channels))
        self.register_buffer("table", None, persistent=False)

    @property
    def frozen(self) -> bool:
        """Whether the table is fixed."""
        return self.table is not None

    def gains(self, quality: Tensor) -> Gains:
        """The gains at these qualities: (B,) int64, 0 to 255 -> (B, C) each."""
        rows = self.rows(quality)
        return Gains(rows[:, 0], rows[:, 1], rows[:, 2])

    def rows(self, quality: Tensor) -> Tensor:
        """The rows at these qualities: (B,) int64 -> (B, kinds, C) float64 integers.

        Raises:
            UsageError: a quality is no integer from 0 to 255.
        """
        if quality.dtype != torch.int64 or quality.ndim != 1 or not bool(((quality >= 0) & (quality < ROWS)).all()):
            raise UsageError(
                f"qualities came as {quality.dtype} {tuple(quality.shape)}, expected int64 (B,) from 0 to {ROWS - 1}"
            )
        if self.table is not None:
            return self.table[quality].double()
        with torch.autocast(quality.device.type, enabled=False):
            return torch.stack(self.compute(quality), 1)

    def compute(self, quality: Tensor) -> list[Tensor]:
        """The integers of a row, computed from the curves: (B,) -> ``kinds`` times (B, C) float64 integers."""
        log_gain, log_inverse = self.between(self.log_gain, quality), self.between(self.log_inverse, quality)
        # no gradient from the level to the gain: the rate of y already moves the gain
        level = rounded(log_gain.detach() * (LEVEL_STEPS / SCALES.step), -1024, 1023)
        return [rounded(torch.exp(log) * GAIN_UNIT, 1, _MAX_GAIN) for log in (log_gain, log_inverse)] + [level]

    def between(self, anchors: Tensor, quality: Tensor) -> Tensor:
        """Anchors (9, C) interpolated linearly at these qualities: (B, C) float64."""
        low = quality // QUALITY_STEPS
        weight = (quality % QUALITY_STEPS).double()[:, None] / QUALITY_STEPS
        return anchors[low].double() * (1 - weight) + anchors[low + 1].double() * weight

    @torch.no_grad()
    def continue_above(self, quality: int) -> None:
        """Set the curves above a whole quality, 2 or more, in a straight line through those of it and the one below."""
        for curve in self.curves():
            steps = torch.arange(1, len(curve) - quality, device=curve.device)[:, None]
            curve[quality + 1 :] = curve[quality] + steps * (curve[quality] - curve[quality - 1])

    def curves(self) -> list[nn.Parameter]:
        """The curves over quality, (9, C) each."""
        return [self.log_gain, self.log_inverse]

    @torch.no_grad()
    def freeze(self, table: Tensor | None = None) -> None:
        """Fix the table: the given one, or that of the current curves."""
        if table is None:
            self.table = None
            table = self.rows(torch.arange(ROWS, device=self.log_gain.device))
        self.table = table.to(self.log_gain.device, torch.int32)

    def thaw(self) -> None:
        """Release the table, so that training continues from the curves."""
        self.table = None

    def integer_tensors(self) -> dict[str, Tensor]:
        """The tensors of a weights file: ``table`` int32 (256, kinds, C).

        Raises:
            UsageError: the table is not fixed.
        """
        if self.table is None:
            raise UsageError("the quality table is not fixed yet; freeze() the model before it is saved")
        return {"table": self.table.cpu().contiguous()}

    def load_integers(self, tensors: Mapping[str, Tensor]) -> None:
        """Fix the table of ``integer_tensors``, and set the curves from its rows at whole qualities.

        Raises:
            DataError: the table has another shape, or holds numbers out of range.
        """
        table, shape = tensors.get("table"), (ROWS, self.kinds, self.channels)
        if set(tensors) != {"table"} or table is None or table.dtype is not torch.int32 or table.shape != shape:
            raise DataError(f"the quality table in the weights is not int32 {shape}; load weights of this profile")
        self.check(table)
        self.freeze(table)
        with torch.no_grad():  # so that training can go on; the last anchor lies one step beyond the table
            qualities = torch.arange(_ANCHORS, device=table.device) * QUALITY_STEPS
            self.adopt(table[qualities.clamp(max=ROWS - 1)].double())

    def check(self, table: Tensor) -> None:
        """Raise DataError unless the integers are in their ranges."""
        gains = table[:, :2]
        if int(gains.min()) < 1 or int(gains.max()) > _MAX_GAIN or int(table[:, 2].long().abs().max()) > 1024:
            raise DataError("the quality table in the weights holds numbers out of range; fetch or export them again")

    def adopt(self, rows: Tensor) -> None:
        """Set the curves from the table's rows at the anchors, (9, kinds, C) float64."""
        self.log_gain.copy_(torch.log(rows[:, 0] / GAIN_UNIT))
        self.log_inverse.copy_(torch.log(rows[:, 1] / GAIN_UNIT))

    def _load_from_state_dict(self, *arguments: object, **named: object) -> None:
        self.thaw()  # a fixed table would hide the parameters that are being loaded
        super()._load_from_state_dict(*arguments, **named)


class PriorTable(QualityTable):
    """Gains, and the prior of the first layer: the Gaussian of each channel's symbols at every quality.

    ``compute`` adds the mean in 1/16 of a step, -2048 to 2047, and the level of scale.
    """

    kinds = 5

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.mean = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(_ANCHORS, channels))

    def curves(self) -> list[nn.Parameter]:
        return [*super().curves(), self.log_scale]

    def compute(self, quality: Tensor) -> list[Tensor]:
        gains = super().compute(quality)
        gain = gains[0] / GAIN_UNIT
        mean = rounded(self.mean.double() * gain.detach() * MEAN_STEPS, MIN_ACTIVATION, MAX_ACTIVATION)
        log_scale = self.between(self.log_scale + self.log_gain.detach(), quality)
        level = rounded((log_scale - math.log(SCALES.smallest)) / SCALES.step, 0, SCALES.levels - 1)
        return [*gains, mean, level]

    def check(self, table: Tensor) -> None:
        super().check(table)
        mean, level = table[:, 3], table[:, 4]
        if (
            int(mean.min()) < MIN_ACTIVATION
            or int(mean.max()) > MAX_ACTIVATION
            or int(level.min()) < 0
            or int(level.max()) >= SCALES.levels
        ):
            raise DataError("the prior in the weights holds numbers out of range; fetch or export them again")

    def adopt(self, rows: Tensor) -> None:
        super().adopt(rows)
        self.mean.copy_((rows[:, 3] * GAIN_UNIT / rows[:, 0]).mean(0) / MEAN_STEPS)
        self.log_scale.copy_(rows[:, 4] * SCALES.step + math.log(SCALES.smallest) - torch.log(rows[:, 0] / GAIN_UNIT))

"""Principal components of patches as channels of y: the quantiser's step, and what integer networks first expect."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hsc.entropy_coding.gains import LEVEL_STEPS
from hsc.entropy_coding.integer_nets import UNIT
from hsc.entropy_coding.quantisation import SCALES
from hsc.networks.model import HscModel, Reconstruction

_RIDGE = 1e-4


def columns(x: Tensor) -> Tensor:
    """A column per position: (B, C, h, w) -> (C, positions) float64."""
    return x.transpose(0, 1).flatten(1).double()


def unexpected(model: HscModel, coded: Reconstruction) -> Tensor:
    """What FCN codes of images, standardised F less E_w: a column per position, (C, positions) float64."""
    given = model.fcn.standard(coded.feature)
    base = model.scn.prediction(coded.semantics.coefficients, coded.feature.shape[2:])
    return columns(given if base is None else given - base.expected)


class Strongest(NamedTuple):
    """The strongest components of what a linear function of C channels says of P numbers; float64.

    slope: (P, C), the function. axes: (P, K), of unit length, strongest first. deviations: (K,).
    """

    slope: Tensor
    axes: Tensor
    deviations: Tensor


def strongest(covariance: Tensor, products: Tensor, count: int) -> Strongest:
    """The K = ``count`` strongest components, by reduced-rank regression.

    covariance: (C, C) of the channels. products: (P, C) covariance of the numbers with them.
    """
    unit = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    slope = torch.linalg.solve(covariance + _RIDGE * covariance.diagonal().mean() * unit, products.t()).t()
    variances, axes = torch.linalg.eigh(slope @ covariance @ slope.t())
    return Strongest(slope, axes.flip(1)[:, :count], variances.flip(0)[:count].clamp(min=1e-12).sqrt())


def expecting(deviations: Tensor) -> Tensor:
    """The biases with which integer networks expect means of 0 and these deviations: (M,) in units of y -> (2, M).

    The first row is of the means, the second of the levels.
    """
    level = (deviations.log() - math.log(SCALES.smallest)) / SCALES.step - SCALES.levels // 2
    levels = (level.float() * LEVEL_STEPS).clamp(-1024, 1023) / UNIT
    return torch.stack([torch.zeros_like(levels), levels])


def step_for(deviations: Tensor, bits: float, most_steps: float) -> float:
    """The step, in units of the deviations, with which components together take about this many bits.

    A Gaussian of deviation s costs log2(s / step * sqrt(2 pi e)) bits where that is above 0. The largest deviation has
    at most ``most_steps`` steps, so few or small components may take less.
    """
    largest = max(float(deviations.max()), 1e-6)
    low, high = largest / most_steps, largest * 2.0**4
    for _ in range(60):
        step = math.sqrt(low * high)
        taken = (deviations / step * math.sqrt(2 * math.pi * math.e)).log2().clamp(min=0).sum()
        low, high = (step, high) if float(taken) > bits else (low, step)
    return high

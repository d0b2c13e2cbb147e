"""Directions in W+ to move decoded semantics along: from the spread of many images, or from labels.

    W+ of many images (N, n, d) ──principal_directions──> axes of most variance, in standard deviations
    W+ and labels               ──probe_direction───────> the axis that tells the labels apart, and how well it does

A direction is (n_styles, w_dim), for ``HscCodec.edit``. Axes without labels: Harkonen et al. 2020, "GANSpace"; with
labels: Shen et al. 2020, "InterFaceGAN", section 3, here by a ridge regression instead of a support vector machine. Its
weights also cancel noise, so they are no direction that images lie along; how w varies with what they predict is (Haufe
et al. 2014, "On the interpretation of weight vectors of linear models"). Plain NumPy.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hsc.errors import DataError, UsageError
from hsc.files.tensor_files import read_tensors

Floats = npt.NDArray[np.float64]


class Directions(NamedTuple):
    """mean (n, d), axes (K, n, d): float32. A step of 1 along axis k is one standard deviation of the images it was
    made from.

    share: (K,), the part of the variance each axis explains.
    """

    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    share: npt.NDArray[np.float32]


class Probe(NamedTuple):
    """direction (n, d) float32: a step of 1 moves the label by one of its standard deviations, as far as it is linear
    in w.

    correlation: of the prediction with the labels, on images that were held out; near 0 says the direction means
    nothing.
    """

    direction: npt.NDArray[np.float32]
    correlation: float


def principal_directions(w: npt.ArrayLike, count: int = 8) -> Directions:
    """The axes of most variance, largest first, each with its largest entry positive.

    w: (N, n_styles, w_dim), N of 2 or more. count: at most N - 1 and n_styles * w_dim.

    Raises:
        UsageError: w is not of that shape, not finite, or too few for so many axes.
    """
    values = _check(w)
    samples, flat = len(values), values.reshape(len(values), -1)
    if not 1 <= count <= min(samples - 1, flat.shape[1]):
        raise UsageError(
            f"{count} axes were asked for, {samples} images of {flat.shape[1]} values give 1 to "
            f"{min(samples - 1, flat.shape[1])}"
        )
    mean = flat.mean(0)
    _, sizes, axes = np.linalg.svd(flat - mean, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
    deviations = sizes / np.sqrt(samples - 1)
    scaled = (axes * (signs * deviations)[:, None])[:count].reshape(count, *values.shape[1:])
    share = deviations**2 / max(float((deviations**2).sum()), 1e-30)
    return Directions(
        mean.reshape(values.shape[1:]).astype(np.float32), scaled.astype(np.float32), share[:count].astype(np.float32)
    )


def probe_direction(
    w: npt.ArrayLike, labels: npt.ArrayLike, *, ridge: float = 1e-2, held_out: float = 0.25, seed: int = 0
) -> Probe:
    """The direction along which a label changes.

    w: (N, n_styles, w_dim), N of 8 or more. labels: (N,) numbers; for a yes or no, 1 and 0. ridge: weight of the
    penalty, in parts of the mean variance of w. held_out: part of the images the correlation is measured on.

    Raises:
        UsageError: shapes do not fit, or all labels are the same.
    """
    values, y = _check(w), np.asarray(labels, dtype=np.float64)
    samples = len(values)
    if y.shape != (samples,) or samples < 8 or not np.isfinite(y).all() or not 0 < held_out < 1:
        raise UsageError(
            f"labels came with shape {y.shape} for {samples} images, expected as many finite numbers, 8 or more"
        )
    order = np.random.default_rng(seed).permutation(samples)
    kept = order[max(2, round(samples * held_out)) :]
    tested = order[: max(2, round(samples * held_out))]
    if np.ptp(y[kept]) == 0:
        raise UsageError("all labels are the same, so nothing can tell them apart; give images of both kinds")
    flat = values.reshape(samples, -1)
    mean, middle = flat[kept].mean(0), y[kept].mean()
    weight = _ridge(flat[kept] - mean, y[kept] - middle, ridge)
    guesses = (flat[tested] - mean) @ weight
    spread = np.std(guesses) * np.std(y[tested])
    correlation = (
        float(np.mean((guesses - guesses.mean()) * (y[tested] - y[tested].mean())) / spread) if spread > 0 else 0.0
    )
    said = (flat[kept] - mean) @ weight
    pattern = (
        (flat[kept] - mean).T @ said / max(float(said @ said), 1e-30)
    )  # how w itself moves where the prediction grows by 1
    return Probe((pattern * np.std(y[kept])).reshape(values.shape[1:]).astype(np.float32), correlation)


def probe_axis(w: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Directions, float]:
    """The one axis of ``probe_direction`` as directions, and its correlation; arguments and errors as there."""
    probe, values = probe_direction(w, labels), _check(w)
    spread = values.reshape(len(values), -1) - values.reshape(len(values), -1).mean(0)
    unit = probe.direction.ravel() / max(float(np.linalg.norm(probe.direction)), 1e-30)
    share = np.square(spread @ unit).sum() / max(float(np.square(spread).sum()), 1e-30)
    return Directions(
        values.mean(0).astype(np.float32), probe.direction[None], np.array([share], np.float32)
    ), probe.correlation


def directions_to_bytes(directions: Directions) -> bytes:
    """Directions as a safetensors file, for ``python -m hsc edit --directions``."""
    from safetensors.numpy import save

    data: bytes = save({name: np.ascontiguousarray(array) for name, array in directions._asdict().items()})
    return data


def save_directions(directions: Directions, path: Path) -> None:
    """Write directions as a safetensors file."""
    path.write_bytes(directions_to_bytes(directions))


def load_directions(path: Path) -> Directions:
    """Read what ``save_directions`` wrote.

    Raises:
        DataError: the file is missing, damaged or holds no directions, or numbers that are not finite.
    """
    try:
        found = {name: tensor.numpy() for name, tensor in read_tensors(path, single=True).items()}
        made = Directions(found["mean"], found["axes"], found["share"])
    except (DataError, RuntimeError, KeyError) as error:
        raise DataError(
            f"{path} holds no directions ({error}); make one with hsc.networks.directions.save_directions"
        ) from error
    if made.axes.ndim != 3 or made.axes.shape[1:] != made.mean.shape or made.share.shape != made.axes.shape[:1]:
        raise DataError(
            f"{path} holds axes of shape {made.axes.shape} beside a mean of {made.mean.shape}; make it again"
        )
    return made


def _check(w: npt.ArrayLike) -> Floats:
    values = np.asarray(w, dtype=np.float64)
    if values.ndim != 3 or len(values) < 2 or not np.isfinite(values).all():
        raise UsageError(
            f"W+ came with shape {values.shape}, expected finite numbers (N, n_styles, w_dim) of 2 images or more"
        )
    return values


def _ridge(x: Floats, y: Floats, ridge: float) -> Floats:
    """Weights of a ridge regression, (V,), by way of the smaller of the two Gram matrices."""
    penalty = ridge * float(np.square(x).sum()) / max(x.shape[1], 1) + 1e-12
    if len(x) < x.shape[1]:
        weight: Floats = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
        return weight
    weight = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return weight

"""Directions in W+ along which decoded semantics can be moved: from the variance of many images, or from labels.

    W+ of many images (N, n, d) ──principal_directions──> axes of most variance, in standard deviations
    W+ and labels               ──probe_direction───────> the axis along which the label changes, and a correlation

A direction is (n_styles, w_dim), for ``HscCodec.edit``. Axes without labels: Harkonen et al. 2020, "GANSpace". With
labels: Shen et al. 2020, "InterFaceGAN", section 3, here by a ridge regression instead of a support vector machine. The
regression's weights also cancel noise, so images do not vary along them; the direction returned is the variation of w
with the prediction (Haufe et al. 2014, "On the interpretation of weight vectors of linear models"). Plain NumPy.
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
    """Axes in W+ and their origin, all float32.

    mean: (n, d). axes: (K, n, d); a step of 1 along axis k is one standard deviation of the images it was made from.
    share: (K,), the fraction of the variance that each axis explains.
    """

    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    share: npt.NDArray[np.float32]


class Probe(NamedTuple):
    """The direction along which a label changes.

    direction: (n, d) float32; a step of 1 moves the label by one of its standard deviations, as far as it is linear in
    w. correlation: of predictions and labels on held-out images; near 0 the direction means nothing.
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
            f"{count} axes were requested, {samples} images of {flat.shape[1]} values give 1 to "
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

    w: (N, n_styles, w_dim), N of 8 or more. labels: (N,) numbers; 1 and 0 for yes and no. ridge: weight of the penalty,
    as a fraction of the mean variance of w. held_out: fraction of the images on which the correlation is measured.

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
    train = order[max(2, round(samples * held_out)) :]
    test = order[: max(2, round(samples * held_out))]
    if np.ptp(y[train]) == 0:
        raise UsageError("all labels are the same, so no direction can be fitted; give images with different labels")
    flat = values.reshape(samples, -1)
    centred = flat[train] - flat[train].mean(0)
    weight = _ridge(centred, y[train] - y[train].mean(), ridge)
    predictions = (flat[test] - flat[train].mean(0)) @ weight
    correlation = _correlation(predictions, y[test])
    fitted = centred @ weight
    pattern = centred.T @ fitted / max(float(fitted @ fitted), 1e-30)  # change of w for a prediction higher by 1
    return Probe((pattern * np.std(y[train])).reshape(values.shape[1:]).astype(np.float32), correlation)


def _correlation(x: Floats, y: Floats) -> float:
    """Pearson's correlation of two vectors; 0 where one of them is constant."""
    spread = np.std(x) * np.std(y)
    return float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 0 else 0.0


def probe_axis(w: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Directions, float]:
    """The axis of ``probe_direction`` as ``Directions``, and its correlation. Arguments and errors are the same."""
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
        DataError: the file is missing, damaged, holds no directions, or holds values that are not finite.
    """
    try:
        arrays = {name: tensor.numpy() for name, tensor in read_tensors(path, single=True).items()}
        directions = Directions(arrays["mean"], arrays["axes"], arrays["share"])
    except (DataError, RuntimeError, KeyError) as error:
        raise DataError(
            f"{path} holds no directions ({error}); make one with hsc.networks.directions.save_directions"
        ) from error
    mean, axes, share = directions
    if axes.ndim != 3 or axes.shape[1:] != mean.shape or share.shape != axes.shape[:1]:
        raise DataError(f"{path} holds axes of shape {axes.shape} beside a mean of {mean.shape}; make it again")
    return directions


def _check(w: npt.ArrayLike) -> Floats:
    values = np.asarray(w, dtype=np.float64)
    if values.ndim != 3 or len(values) < 2 or not np.isfinite(values).all():
        raise UsageError(
            f"W+ came with shape {values.shape}, expected finite numbers (N, n_styles, w_dim) of 2 images or more"
        )
    return values


def _ridge(x: Floats, y: Floats, ridge: float) -> Floats:
    """Weights of a ridge regression, (V,), computed from the smaller of the two Gram matrices."""
    penalty = ridge * float(np.square(x).sum()) / max(x.shape[1], 1) + 1e-12
    if len(x) < x.shape[1]:
        weight: Floats = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y)
        return weight
    weight = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return weight

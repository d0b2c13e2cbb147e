"""Frechet distances of many resamples of one set's images, from moments of each image in place of all its patches.

features (P, D) x 2 --sums, products of each image--> (N, D), (N, D, D) --draws--> means, covariances --> (R,)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]

_BLOCK_BYTES = 1 << 26
"""The most that the covariances of one block of resamples, or of images, may take."""


class _Normal(NamedTuple):
    """Normal distributions, one a resample. mean: (R, D). covariance: (R, D, D)."""

    mean: Floats
    covariance: Floats


def resampled_distances(first: Floats, second: Floats, image: Ints, draws: Ints) -> Floats:
    """The Frechet distance with image i counted ``draws[r, i]`` times, covariances divided by the number of patches:
    float64 (R,), NaN where no patch was drawn.

    first, second: (P, D), features of the same patches in two versions. image: (P,), the number of each patch's image,
    rising from 0 to N - 1. draws: (R, N).
    """
    size = max(1, _BLOCK_BYTES // (8 * first.shape[1] ** 2))
    blocks = [_block(first, second, image, draws[row : row + size], size) for row in range(0, len(draws), size)]
    return np.concatenate([np.zeros(0), *blocks])


def _block(first: Floats, second: Floats, image: Ints, draws: Ints, size: int) -> Floats:
    weights = draws.astype(np.float64)
    patches = weights @ np.bincount(image, minlength=draws.shape[1])  # (R,)
    valid = patches > 0
    weights, patches = weights[valid], patches[valid]
    one, other = (_drawn(features, image, weights, patches, size) for features in (first, second))
    shift = np.square(one.mean - other.mean).sum(1)
    spread = np.trace(one.covariance + other.covariance, axis1=1, axis2=2)
    product = np.swapaxes(_factors(one.covariance), 1, 2) @ _factors(other.covariance)
    root = np.linalg.svd(product, compute_uv=False).sum(1)
    distances = np.full(len(draws), np.nan)
    distances[valid] = np.maximum(shift + spread - 2 * root, 0)
    return distances


def _drawn(features: Floats, image: Ints, weights: Floats, patches: Floats, size: int) -> _Normal:
    """The normal distribution of each resample. weights: (R, N). patches: (R,), how many each resample has."""
    dimension = features.shape[1]
    middle = features.mean(0)  # taken away before products are summed, lest their difference loses digits
    sums, products = np.zeros((len(weights), dimension)), np.zeros((len(weights), dimension**2))
    for images, of_sums, of_products in _moments(features - middle, image, weights.shape[1], size):
        sums += weights[:, images] @ of_sums
        products += weights[:, images] @ of_products
    mean = sums / patches[:, None]
    covariance = products.reshape(-1, dimension, dimension) / patches[:, None, None] - mean[:, :, None] * mean[:, None]
    return _Normal(middle + mean, covariance)


def _moments(features: Floats, image: Ints, images: int, size: int) -> Iterator[tuple[slice, Floats, Floats]]:
    """For some images at a time: which, and of each the sum (D,) of its features and of their products (D * D,)."""
    ends = np.searchsorted(image, np.arange(images + 1))
    for start in range(0, images, size):
        these = slice(start, min(start + size, images))
        parts = [features[ends[number] : ends[number + 1]] for number in range(these.start, these.stop)]
        yield these, np.stack([x.sum(0) for x in parts]), np.stack([(x.T @ x).ravel() for x in parts])


def _factors(covariances: Floats) -> Floats:
    """Matrices F with F F^T = C, for each covariance C: (R, D, D) -> (R, D, D).

    Where a resample has too few patches C is singular, and eigenvalues that rounding leaves below 0 count as 0.
    """
    try:
        return np.asarray(np.linalg.cholesky(covariances))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariances)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0))[:, None, :])

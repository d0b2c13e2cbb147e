"""Probability tables of CompressAI's entropy models, for our entropy coder.

Tables that came with the weights are used as they are. Others are computed here in float64, in which two machines agree
before the rounding to 16 bits; CompressAI computes them in float32, and a few entries then differ by one in 65,536.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.learned.package import imported
from hsc.entropy_coding.cdf_tables import PRECISION, CdfTables
from hsc.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

SMALLEST_SCALE, LARGEST_SCALE, SCALES = 0.11, 256.0, 64
"""CompressAI's table of standard deviations, in equal ratios."""

_TAIL = 1e-9


def stored_tables(tables: Mapping[str, Any], name: str) -> CdfTables | None:
    """The tables of an entropy model that came with the weights; None if there are none.

    tables: torch's tensors or NumPy's arrays. name: of the entropy model, "entropy_bottleneck" or
    "gaussian_conditional".

    Raises:
        DataError: they are damaged.
    """
    parts = [tables.get(f"{name}.{end}") for end in ("_quantized_cdf", "_cdf_length", "_offset")]
    if any(part is None for part in parts):
        return None
    return _from_cdf(*(np.asarray(part) for part in parts if part is not None))


def bottleneck_tables(bottleneck: nn.Module, step: Tensor | None, dtype: Any) -> CdfTables:
    """Tables of an entropy bottleneck, one row for each channel.

    step: z's quantisation step, shape (1,), for a bottleneck with a variable one. dtype: of the computation.
    """
    model: Any = copy.deepcopy(bottleneck).cpu().to(dtype)
    if step is None:
        model.update(force=True)
    else:
        model.update_variable(force=True, qs=step.cpu().to(dtype))
    return _from_cdf(*(part.numpy() for part in (model.quantized_cdf, model.cdf_length, model.offset)))


def scale_table() -> npt.NDArray[np.float64]:
    """The standard deviations of CompressAI's Gaussian tables: float64 (64,), 0.11 to 256."""
    return np.geomspace(SMALLEST_SCALE, LARGEST_SCALE, SCALES)


@functools.lru_cache(maxsize=4)
def gaussian_tables(scales: tuple[float, ...]) -> CdfTables:
    """Tables of zero-mean Gaussians, integrated over the integers, one row for each standard deviation.

    A row reaches as far as CompressAI's: all but one part in 1e9 of the probability.
    """
    import torch
    from scipy.special import ndtr, ndtri

    quantised = imported("compressai.entropy_models.entropy_models").pmf_to_quantized_cdf
    rows, lowest = [], []
    for scale in scales:
        half = int(np.ceil(-ndtri(_TAIL / 2) * scale))
        distance = np.abs(np.arange(-half, half + 1, dtype=np.float64))
        pmf = ndtr((0.5 - distance) / scale) - ndtr((-0.5 - distance) / scale)
        tail = 2 * ndtr((-0.5 - half) / scale)
        rows.append(np.diff(quantised(torch.from_numpy(np.append(pmf, tail)), PRECISION).numpy()))
        lowest.append(-half)
    return _joined(rows, np.array(lowest))


def _from_cdf(cdf: npt.NDArray[Any], lengths: npt.NDArray[Any], offsets: npt.NDArray[Any]) -> CdfTables:
    """Tables from CompressAI's: cumulative frequencies from 0 to 65,536 by row, their number, the first value."""
    lengths = lengths.ravel()
    fits = cdf.ndim == 2 and len(cdf) == len(lengths) == offsets.size and cdf.dtype.kind in "iu"
    if not fits or not ((lengths >= 3) & (lengths <= cdf.shape[1])).all():
        raise DataError("the weights' probability tables do not fit together; get the weights again")
    rows = [np.diff(row[:length]) for row, length in zip(cdf.astype(np.int64), lengths, strict=True)]
    if any(row.min() < 1 or row.max() >= 1 << PRECISION for row in rows):
        raise DataError("the weights' probability tables do not rise from entry to entry; get the weights again")
    return _joined(rows, offsets.ravel())


def _joined(rows: list[npt.NDArray[Any]], lowest: npt.NDArray[Any]) -> CdfTables:
    sizes = np.array([len(row) for row in rows], dtype=np.int32)
    return CdfTables(np.concatenate(rows).astype(np.uint16), sizes, lowest.astype(np.int32))

"""Integer probability tables for the entropy coder, built once at export and shipped as integers.

    pmf (float64) --quantise_pmf--> frequencies, 16 bits, none 0 --CdfTables--> coder
    Gaussian of scale[level], mean phase/phases --build_gaussian_tables--> one row for each (level, phase)

A row gives one probability to each value of a range of integers, and one to the escape, its last entry. A value outside
the range is coded as the escape followed by an Exp-Golomb number, so every int32 symbol can be coded. Tables are never
rebuilt where a stream is decoded: the float64 of two machines may differ in the last bit, integers do not.

Conditional Gaussians with tables by scale: Minnen, Balle, Toderici, 2018. The fixed-point mean is ours.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hsc.errors import DataError, UsageError

PRECISION = 16
"""Bits of a probability: the frequencies of a row sum to 2**16."""

TOTAL = 1 << PRECISION
_MAX_ROW_ENTRIES = 1 << 14
_MAX_LOWEST = 1 << 24

IntArray = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class CdfTables:
    """Integer probability tables, one row per distribution; checked when constructed.

    frequencies: uint16, all rows one after another; each row sums to 65,536 and holds no 0; its last entry is the
        escape.
    widths: int32 (rows,), entries of each row, escape included, 2 to 16,384.
    lowest: int32 (rows,), the value of each row's first entry.
    phases: steps of the fixed-point mean per integer; above 1, rows come in groups of ``phases``, for the means -1/2,
        -1/2 + 1/phases, ... below 1/2.

    Raises:
        DataError: the arrays are not such tables.
    """

    frequencies: npt.NDArray[np.uint16]
    widths: npt.NDArray[np.int32]
    lowest: npt.NDArray[np.int32]
    phases: int = 1

    def __post_init__(self) -> None:
        frequencies, widths, lowest = (np.asarray(a) for a in (self.frequencies, self.widths, self.lowest))
        if not all(a.ndim == 1 and a.dtype.kind in "iu" for a in (frequencies, widths, lowest)):
            raise DataError(
                "probability tables came as other than one-dimensional integer arrays; export the weights again"
            )
        groups = len(widths) > 0 and len(widths) == len(lowest) and self.phases >= 1 and len(widths) % self.phases == 0
        if (
            not groups
            or int(widths.min()) < 2
            or int(widths.max()) > _MAX_ROW_ENTRIES
            or int(widths.astype(np.int64).sum()) != len(frequencies)
        ):
            raise DataError(
                f"{len(widths)} table rows of {self.phases} phases do not describe {len(frequencies)} frequencies; "
                f"export the weights again"
            )
        inside = (
            int(frequencies.min()) >= 1
            and int(frequencies.max()) < TOTAL
            and -_MAX_LOWEST <= int(lowest.min()) <= int(lowest.max()) <= _MAX_LOWEST
        )
        if not inside or (np.add.reduceat(frequencies.astype(np.int64), self._starts) != TOTAL).any():
            raise DataError(
                f"a probability table holds a 0 or does not sum to {TOTAL}; the weights are damaged: fetch or export "
                f"them again"
            )

    def __reduce__(self) -> tuple[type[CdfTables], tuple[Any, ...]]:
        """Copies and other processes build their own models, because the library's models cannot be pickled."""
        return CdfTables, (self.frequencies, self.widths, self.lowest, self.phases)

    @functools.cached_property
    def _starts(self) -> IntArray:
        widths = np.asarray(self.widths, dtype=np.int64)
        return np.cumsum(widths) - widths

    @functools.cached_property
    def _costs(self) -> npt.NDArray[np.float64]:
        """Bits of every entry, all rows one after another."""
        return np.asarray(PRECISION - np.log2(self.frequencies.astype(np.float64)))

    @functools.cached_property
    def models(self) -> dict[int, Any]:
        """The coder's models of the rows used so far, filled by ``hsc.entropy_coding.ans_coder``."""
        return {}

    @property
    def rows(self) -> int:
        return len(self.widths)

    @property
    def groups(self) -> int:
        """Number of valid indexes: levels of a Gaussian, or channels of a factorised prior."""
        return self.rows // self.phases

    def row(self, number: int) -> npt.NDArray[np.uint16]:
        """The frequencies of one row, escape last."""
        start = int(self._starts[number])
        return self.frequencies[start : start + int(self.widths[number])]

    def locate(self, index: npt.NDArray[Any], mean: npt.NDArray[Any] | None = None) -> tuple[IntArray, IntArray]:
        """The row and the integer part of the mean for each symbol: int64 arrays in the shape of ``index``.

        index: integers, 0 to groups - 1. mean: integers in steps of 1/phases in the same shape, or None for 0.

        Raises:
            UsageError: an array does not hold integers, shapes differ, or an index has no table.
        """
        index = _whole_numbers("table indexes", index)
        if index.size and (index.min() < 0 or index.max() >= self.groups):
            raise UsageError(
                f"table indexes came from {index.min()} to {index.max()}, expected 0 to {self.groups - 1}; clip them "
                f"where they are computed"
            )
        if mean is None and self.phases == 1:
            return index, np.zeros(index.shape, np.int64)
        steps = np.zeros_like(index) if mean is None else _whole_numbers("means", mean)
        if steps.shape != index.shape:
            raise UsageError(f"means came with shape {steps.shape}, expected that of the indexes, {index.shape}")
        if steps.size and max(int(steps.max()), -int(steps.min())) > self.phases << 31:
            raise UsageError(
                f"means came from {steps.min()} to {steps.max()} steps, beyond 32 bits; clip them where they are "
                f"computed"
            )
        integer_part = (steps + self.phases // 2) // self.phases
        return index * self.phases + (steps - integer_part * self.phases + self.phases // 2), integer_part

    def entries(self, values: IntArray, rows: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """The entry in its row of each value (mean already subtracted), and a mask of the escaped ones."""
        last = self.widths[rows].astype(np.int64) - 1
        entry = values - self.lowest[rows]
        escaped = (entry < 0) | (entry >= last)
        return np.where(escaped, last, entry), escaped

    def entry_bits(self, entries: IntArray, rows: IntArray) -> float:
        """The ideal length of these entries in bits, without the numbers that follow escapes."""
        return float(self._costs[self._starts[rows] + entries].sum())

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain integer arrays for a weights file; ``from_arrays`` reads them back."""
        return {
            "frequencies": np.asarray(self.frequencies, dtype=np.uint16),
            "widths": np.asarray(self.widths, dtype=np.int32),
            "lowest": np.asarray(self.lowest, dtype=np.int32),
            "phases": np.array([self.phases], dtype=np.int32),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> CdfTables:
        """Tables from the arrays of ``to_arrays``.

        Raises:
            DataError: an array is missing, or the arrays are not tables.
        """
        missing = [name for name in ("frequencies", "widths", "lowest", "phases") if name not in arrays]
        if missing:
            raise DataError(f"the weights lack the table arrays {', '.join(missing)}; export them again")
        phases = np.asarray(arrays["phases"]).reshape(-1)
        if phases.size != 1 or phases.dtype.kind not in "iu":
            raise DataError(f"the table's phases came as {phases!r}, expected one integer; export the weights again")
        return CdfTables(arrays["frequencies"], arrays["widths"], arrays["lowest"], int(phases[0]))


def _whole_numbers(noun: str, array: npt.NDArray[Any]) -> IntArray:
    array = np.asarray(array)
    if array.dtype.kind not in "iu":
        raise UsageError(
            f"{noun} came as {array.dtype}, expected integers; floats may differ between machines, and the stream "
            f"would not decode"
        )
    return array.astype(np.int64, copy=False)


def quantise_pmf(pmf: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """Integer frequencies of at least 1 that sum to 65,536 and are as near to the probabilities as possible.

    pmf: float64, not negative, at least two entries; it is normalised here.

    >>> quantise_pmf(np.array([0.5, 0.25, 0.25, 0.0])).tolist()
    [32767, 16384, 16384, 1]
    """
    pmf = np.asarray(pmf, dtype=np.float64)
    if (
        pmf.ndim != 1
        or not 2 <= len(pmf) <= _MAX_ROW_ENTRIES
        or not np.isfinite(pmf).all()
        or pmf.min() < 0
        or pmf.sum() <= 0
    ):
        raise UsageError(
            f"cannot make a table of the pmf {pmf!r}: 2 to {_MAX_ROW_ENTRIES} finite numbers of 0 or more are expected"
        )
    ideal = pmf / pmf.sum() * TOTAL
    frequencies = np.maximum(np.floor(ideal), 1).astype(np.int64)
    excess = int(frequencies.sum()) - TOTAL
    if excess > 0:  # improbable entries were raised to 1; all others are lowered in proportion
        spare = frequencies - 1
        frequencies -= spare * excess // int(spare.sum())
    while missing := TOTAL - int(frequencies.sum()):
        sign = 1 if missing > 0 else -1
        benefit = np.where(frequencies + sign > 0, sign * (ideal - frequencies) / np.maximum(ideal, 1), -np.inf)
        best = np.argsort(-benefit, kind="stable")[: min(abs(missing), int(np.isfinite(benefit).sum()))]
        frequencies[best] += sign
    rounded: npt.NDArray[np.uint16] = frequencies.astype(np.uint16)
    return rounded


def build_pmf_tables(pmfs: Sequence[npt.NDArray[np.float64]], lowest: Sequence[int]) -> CdfTables:
    """Tables of a factorised prior, one row per channel.

    pmfs: probabilities of the values lowest[i], lowest[i] + 1, ...; the rest of the probability is the escape's.
    """
    rows = [quantise_pmf(np.append(pmf, max(0.0, 1.0 - float(np.sum(pmf))))) for pmf in pmfs]
    return _join(rows, lowest, phases=1)


def build_counted_tables(symbols: npt.NDArray[np.integer[Any]]) -> CdfTables:
    """Tables of a factorised prior from samples, (samples, channels) of any integer dtype; counts are raised by 1."""
    lows, highs = symbols.min(axis=0), symbols.max(axis=0)
    pmfs = []
    for channel, (low, high) in enumerate(zip(lows, highs, strict=True)):
        counts = np.bincount(symbols[:, channel] - low, minlength=int(high - low) + 1) + 1.0
        pmfs.append(counts / (counts.sum() + 1))
    return build_pmf_tables(pmfs, [int(low) for low in lows])


def gaussian_scales(levels: int = 40, smallest: float = 0.11, largest: float = 32.0) -> npt.NDArray[np.float64]:
    """Standard deviations in equal ratios, float64 (levels,). At the smallest, a mean of 0 costs 1e-4 bits."""
    return np.asarray(smallest * (largest / smallest) ** (np.arange(levels) / (levels - 1)))


def build_gaussian_tables(scales: npt.NDArray[np.float64], phases: int = 16, tail: float = 2.0**-13) -> CdfTables:
    """Tables of Gaussians integrated over the integers, in rows ``level * phases + phase``.

    scales: standard deviations. phases: steps of the fixed-point mean per integer. tail: approximate probability of a
    row's escape. For export only: it takes some milliseconds, and a decoder must not depend on its float64.
    """
    from scipy.special import ndtr, ndtri

    reach = float(-ndtri(tail / 2))
    rows, lowest = [], []
    for scale in scales:
        half = max(1, int(np.ceil(0.5 + reach * scale - 0.5)))
        values = np.arange(-half, half + 1, dtype=np.float64)
        for phase in range(phases):
            # distances map both tails to the lower one, in which ndtr is precise
            distance = np.abs(values - (phase - phases // 2) / phases)
            pmf = ndtr((0.5 - distance) / scale) - ndtr((-0.5 - distance) / scale)
            rows.append(quantise_pmf(np.append(pmf, max(0.0, 1.0 - pmf.sum()))))
            lowest.append(-half)
    return _join(rows, lowest, phases)


def _join(rows: Sequence[npt.NDArray[np.uint16]], lowest: Sequence[int], phases: int) -> CdfTables:
    widths = np.array([len(row) for row in rows], dtype=np.int32)
    return CdfTables(np.concatenate(rows), widths, np.array(lowest, dtype=np.int32), phases)

"""RGB <-> YCbCr in integer arithmetic, chroma resampling and padding, as video codecs need around 8-bit RGB pictures.

    uint8 RGB (H, W, 3) --rgb_to_planes--> three integer planes of ``bits`` --decimate--> chroma at half size
    uint8 RGB (H, W, 3) <--planes_to_rgb-- three integer planes of ``bits`` <--interpolate-- chroma at half size

Everything is fixed point with 22 fractional bits in int64 and rounds half up, so results do not depend on the machine,
on BLAS or on the order of sums. Nothing truncates.

Sources: ITU-R BT.601-7, BT.709-6 and BT.2020-2 (luma weights); ITU-T H.265 E.3.1 (matrix_coeffs, ranges) and 8.5.3.3.3
(coefficients of the luma quarter and half sample filters, here used on chroma).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hsc.api import Image

Matrix: TypeAlias = Literal["bt601", "bt709", "bt2020", "gbr", "ycgco"]
Siting: TypeAlias = Literal["centre", "left"]
Plane: TypeAlias = npt.NDArray[Any]
"""An integer plane, shape (H, W): uint8 for 8 bits, uint16 above."""

MATRICES: tuple[Matrix, ...] = ("bt601", "bt709", "bt2020", "gbr", "ycgco")
SHIFT = 22
_STRIP_SAMPLES = 1 << 18  # converted at once, which bounds the int64 memory for pictures of any size

_LUMA_WEIGHTS = {  # (red, blue)
    "bt601": (Fraction(299, 1000), Fraction(114, 1000)),
    "bt709": (Fraction(2126, 10000), Fraction(722, 10000)),
    "bt2020": (Fraction(2627, 10000), Fraction(593, 10000)),
}

# Taps over neighbouring samples, in 64ths. Quarter: the value 1/4 of the way from the 4th to the 5th sample.
_HALF = (-1, 4, -11, 40, 40, -11, 4, -1)
_QUARTER = (-1, 4, -10, 58, 17, -5, 1)

# Low-pass filters for halving. "left" keeps every second sample in place: half the all-pass plus half the half-sample
# filter. "centre" lands between two samples: a short low-pass near a windowed sinc, chosen by hand; on the raccoon
# photo, down and up again at 10 bits keeps 51.4 dB (left: 51.0 dB).
_HALVE_LEFT = (-1, 0, 4, 0, -11, 0, 40, 64, 40, 0, -11, 0, 4, 0, -1)
_HALVE_CENTRE = (0, 1, 1, -3, -5, 8, 30, 30, 8, -5, -3, 1, 1, 0)


def colour_matrix(matrix: Matrix) -> list[list[Fraction]]:
    """Rows of the analysis matrix: (first, second, third plane) from (R, G, B), full range, before chroma offsets.

    Raises:
        ValueError: ``matrix`` is not one of ``MATRICES``.
    """
    if matrix == "gbr":
        return [[Fraction(x) for x in row] for row in ((0, 1, 0), (0, 0, 1), (1, 0, 0))]
    if matrix == "ycgco":
        quarter, half = Fraction(1, 4), Fraction(1, 2)
        return [[quarter, half, quarter], [-quarter, half, -quarter], [half, Fraction(0), -half]]
    if matrix not in _LUMA_WEIGHTS:
        raise ValueError(f"the colour matrix came as {matrix!r}, expected one of {', '.join(MATRICES)}")
    red, blue = _LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    to_cb, to_cr = 1 / (2 * (1 - blue)), 1 / (2 * (1 - red))
    return [
        [red, green, blue],
        [-red * to_cb, -green * to_cb, Fraction(1, 2)],
        [Fraction(1, 2), -green * to_cr, -blue * to_cr],
    ]


def _inverse(m: list[list[Fraction]]) -> list[list[Fraction]]:
    """The inverse of a 3x3 matrix of fractions, by cofactors."""

    def minor(r: int, c: int) -> Fraction:
        a, b = ((r + 1) % 3, (r + 2) % 3)
        d, e = ((c + 1) % 3, (c + 2) % 3)
        return m[a][d] * m[b][e] - m[a][e] * m[b][d]

    determinant = sum((m[0][c] * minor(0, c) for c in range(3)), Fraction(0))
    return [[minor(c, r) / determinant for c in range(3)] for r in range(3)]


def _scales(matrix: Matrix, full_range: bool, bits: int) -> tuple[list[Fraction], list[int]]:
    """Per plane: code values per unit of the 0..1 signal, and the code value of zero."""
    top, middle, unit = (1 << bits) - 1, 1 << (bits - 1), 1 << (bits - 8)
    difference_planes = matrix != "gbr"
    if full_range:
        return [Fraction(top)] * 3, [0, middle, middle] if difference_planes else [0, 0, 0]
    if matrix in ("gbr", "ycgco"):  # H.265 limits R, G and B here, so all planes share their scale
        return [Fraction(219 * unit)] * 3, [16 * unit, middle, middle] if difference_planes else [16 * unit] * 3
    return [Fraction(219 * unit), Fraction(224 * unit), Fraction(224 * unit)], [16 * unit, middle, middle]


def _fixed(rows: list[list[Fraction]]) -> npt.NDArray[np.int64]:
    return np.array([[round(x * (1 << SHIFT)) for x in row] for row in rows], np.int64)


@lru_cache(maxsize=64)
def _forward(matrix: Matrix, full_range: bool, bits: int) -> tuple[npt.NDArray[np.int64], list[int]]:
    scales, zeros = _scales(matrix, full_range, bits)
    return _fixed([[x * s / 255 for x in row] for row, s in zip(colour_matrix(matrix), scales, strict=True)]), zeros


@lru_cache(maxsize=64)
def _backward(matrix: Matrix, full_range: bool, bits: int) -> tuple[npt.NDArray[np.int64], list[int]]:
    scales, zeros = _scales(matrix, full_range, bits)
    return _fixed(
        [[x * 255 / s for x, s in zip(row, scales, strict=True)] for row in _inverse(colour_matrix(matrix))]
    ), zeros


def _check_bits(bits: int) -> None:
    if not 8 <= bits <= 14:
        raise ValueError(f"bits came as {bits!r}, expected 8 to 14")


def plane_dtype(bits: int) -> type[np.uint8] | type[np.uint16]:
    """uint8 for 8 bits, uint16 above."""
    return np.uint8 if bits == 8 else np.uint16


def rgb_to_planes(image: Image, matrix: Matrix = "bt601", *, full_range: bool = True, bits: int = 8) -> list[Plane]:
    """The three planes (Y, Cb, Cr for the YCbCr matrices), each (H, W), rounded half up and clipped to ``bits``.

    >>> [int(p[0, 0]) for p in rgb_to_planes(np.full((1, 1, 3), 255, np.uint8), "bt709", full_range=False, bits=10)]
    [940, 512, 512]

    Raises:
        ValueError: an unknown matrix, or bits outside 8 to 14.
    """
    _check_bits(bits)
    rows, zeros = _forward(matrix, full_range, bits)
    red, green, blue = (image[..., i].astype(np.int64) for i in range(3))
    planes = []
    for row, zero in zip(rows, zeros, strict=True):
        total = row[0] * red + row[1] * green + row[2] * blue + (1 << (SHIFT - 1))
        planes.append(np.clip((total >> SHIFT) + zero, 0, (1 << bits) - 1).astype(plane_dtype(bits)))
    return planes


def planes_to_rgb(
    planes: Sequence[Plane],
    matrix: Matrix = "bt601",
    *,
    full_range: bool = True,
    bits: int = 8,
    chroma_fraction: int = 0,
) -> Image:
    """uint8 RGB (H, W, 3) from three planes of one size, rounded half up and clipped.

    chroma_fraction: fractional bits that ``interpolate`` left in the second and third plane.

    Raises:
        ValueError: an unknown matrix, or bits outside 8 to 14.
    """
    _check_bits(bits)
    rows, zeros = _backward(matrix, full_range, bits)
    shift = SHIFT + chroma_fraction
    height, width = planes[0].shape
    image = np.empty((height, width, 3), np.uint8)
    rows_at_once = max(1, _STRIP_SAMPLES // width)
    for top in range(0, height, rows_at_once):
        strip = slice(top, top + rows_at_once)
        signals = [plane[strip].astype(np.int64) for plane in planes]
        signals[0] = signals[0] - zeros[0] << chroma_fraction
        for i in (1, 2):
            signals[i] -= zeros[i] << chroma_fraction
        for i, row in enumerate(rows):
            total = row[0] * signals[0] + row[1] * signals[1] + row[2] * signals[2] + (1 << (shift - 1))
            image[strip, :, i] = np.clip(total >> shift, 0, 255)
    return image


def _filter(
    plane: npt.NDArray[Any], taps: Sequence[int], first: int, step: int, count: int, axis: int
) -> npt.NDArray[Any]:
    """``sum_k taps[k] * plane[first + step * n + k]`` for n < count along an axis, edges repeated."""
    last = first + step * (count - 1) + len(taps) - 1
    before, after = max(0, -first), max(0, last - plane.shape[axis] + 1)
    padded = np.pad(plane, [(before, after) if i == axis else (0, 0) for i in (0, 1)], mode="edge")
    out = np.zeros([count if i == axis else plane.shape[i] for i in (0, 1)], plane.dtype)
    for k, tap in enumerate(taps):
        start = first + before + k
        part = slice(start, start + step * (count - 1) + 1, step)
        if tap:
            out += tap * (padded[part] if axis == 0 else padded[:, part])
    return out


def _halve(plane: npt.NDArray[Any], siting: Siting, axis: int) -> tuple[npt.NDArray[Any], int]:
    """Half the size along an axis (rounded up), and the factor by which the result is scaled."""
    taps = _HALVE_LEFT if siting == "left" else _HALVE_CENTRE
    first = -(len(taps) // 2) if siting == "left" else -(len(taps) // 2 - 1)
    return _filter(plane, taps, first, 2, (plane.shape[axis] + 1) // 2, axis), sum(taps)


def _double(plane: npt.NDArray[Any], siting: Siting, size: int, axis: int) -> npt.NDArray[Any]:
    """The plane with ``size`` samples along an axis, twice as many as it has or one less, scaled by 64."""
    n = plane.shape[axis]
    if siting == "left":
        even, odd = 64 * plane, _filter(plane, _HALF, -3, 1, n, axis)
    else:
        even, odd = _filter(plane, _QUARTER[::-1], -3, 1, n, axis), _filter(plane, _QUARTER, -3, 1, n, axis)
    pairs = np.stack([even, odd], axis=axis + 1)
    full: npt.NDArray[Any] = pairs.reshape(2 * n, -1)[:size] if axis == 0 else pairs.reshape(-1, 2 * n)[:, :size]
    return full


def _work_dtype(bits: int) -> type[np.signedinteger[Any]]:
    """An integer type wide enough for two filter passes (12 bits, and their overshoot) and 4 fractional bits."""
    return np.int32 if bits <= 10 else np.int64


def _rounded(total: npt.NDArray[Any], scale: int, top: int) -> npt.NDArray[Any]:
    """``total / scale``, rounded half up and clipped to 0..top; ``scale`` is a power of two."""
    quotient: npt.NDArray[Any] = np.clip((total + (scale >> 1)) >> (scale.bit_length() - 1), 0, top)
    return quotient


def decimate(
    plane: Plane, *, bits: int = 8, siting: Siting = "centre", horizontal: bool = True, vertical: bool = True
) -> Plane:
    """A plane of half size (rounded up) along the chosen axes, by a 15-tap (left) or 14-tap (centre) low-pass.

    Edges are repeated.

    siting: where a chroma sample lies horizontally: in the "centre" of two luma samples (JPEG, MPEG-1) or on the "left"
    one (MPEG-2, H.265 chroma_sample_loc_type 0). Vertically it always lies in the centre, as in both.
    """
    work, scale = plane.astype(_work_dtype(bits)), 1
    if horizontal:
        work, gain = _halve(work, siting, 1)
        scale *= gain
    if vertical:
        work, gain = _halve(work, "centre", 0)
        scale *= gain
    return _rounded(work, scale, (1 << bits) - 1).astype(plane_dtype(bits))


def interpolate(
    plane: Plane,
    hw: tuple[int, int],
    *,
    bits: int = 8,
    siting: Siting = "centre",
    horizontal: bool = True,
    vertical: bool = True,
    fraction: int = 0,
) -> Plane:
    """A plane of full size ``hw`` = (H, W) from one of half size along the chosen axes.

    The filters are H.265's quarter and half sample filters; edges are repeated.

    siting: as in ``decimate``. fraction: this many fractional bits are kept (the result is then uint32), so that
    rounding happens once, in RGB: at 8 bits and 40 dB the difference is about 0.1 dB.
    """
    work, scale = plane.astype(_work_dtype(bits)), 1
    if vertical:
        work, scale = _double(work, "centre", hw[0], 0), 64
    if horizontal:
        work, scale = _double(work, siting, hw[1], 1), scale * 64
    full = _rounded(work << fraction, scale, ((1 << bits) - 1) << fraction)
    return full.astype(np.uint32 if fraction else plane_dtype(bits))


def pad_edge(image: npt.NDArray[Any], *, multiple: int, min_size: int) -> npt.NDArray[Any]:
    """Repeat the last row and column until both sizes are multiples of ``multiple`` and at least ``min_size``.

    >>> pad_edge(np.zeros((7, 17, 3), np.uint8), multiple=8, min_size=16).shape
    (16, 24, 3)
    """
    height, width = image.shape[:2]
    to_h, to_w = (padded_size(n, multiple=multiple, min_size=min_size) for n in (height, width))
    if (to_h, to_w) == (height, width):
        return image
    return np.pad(image, [(0, to_h - height), (0, to_w - width)] + [(0, 0)] * (image.ndim - 2), mode="edge")


def padded_size(n: int, *, multiple: int, min_size: int) -> int:
    """The smallest multiple of ``multiple`` that is at least ``n`` and ``min_size``."""
    return -(-max(n, min_size) // multiple) * multiple

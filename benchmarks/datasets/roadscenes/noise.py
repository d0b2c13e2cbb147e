"""Repeatable spatial noise for all textures: integer hashes and smooth value noise.

Only integer arithmetic, additions and multiplications in float64: the same bits on every machine.
Value noise: Perlin, "An image synthesizer" (1985), in its lattice-value form.
"""

from __future__ import annotations

from benchmarks.datasets.roadscenes.jit import kernel


@kernel
def hash2(ix: int, iy: int, seed: int) -> float:
    """A pseudo-random number in [0, 1) of lattice point (ix, iy)."""
    h = (ix * 374761393 + iy * 668265263 + seed * 362437) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h ^= h >> 16
    return h * 2.3283064365386963e-10


@kernel
def floor_int(x: float) -> int:
    """Largest int not above x."""
    i = int(x)
    return i - 1 if i > x else i


@kernel
def value(x: float, y: float, seed: int) -> float:
    """Smooth noise in [0, 1) with unit lattice spacing."""
    ix, iy = floor_int(x), floor_int(y)
    fx, fy = x - ix, y - iy
    fx = fx * fx * (3.0 - 2.0 * fx)
    fy = fy * fy * (3.0 - 2.0 * fy)
    a = hash2(ix, iy, seed)
    b = hash2(ix + 1, iy, seed)
    c = hash2(ix, iy + 1, seed)
    d = hash2(ix + 1, iy + 1, seed)
    top = a + (b - a) * fx
    return top + (c + (d - c) * fx - top) * fy


@kernel
def keep(frequency: float, footprint: float) -> float:
    """The share of a texture's contrast that is kept at this footprint: 1 below 0.35 cycles a sample, 0 above 0.9."""
    k = (0.9 - frequency * footprint) * 1.8181818181818181
    return 0.0 if k < 0.0 else (1.0 if k > 1.0 else k)


@kernel
def octaves(x: float, y: float, frequency: float, count: int, footprint: float, seed: int) -> float:
    """Sum of ``count`` octaves of noise, about -1 to 1, mean 0, without octaves too fine for the footprint."""
    total, amplitude = 0.0, 1.0
    for i in range(count):
        k = keep(frequency, footprint)
        if k <= 0.0:
            break
        total += amplitude * k * (value(x * frequency, y * frequency, seed + i) - 0.5)
        frequency *= 2.17
        amplitude *= 0.62
    return total * 1.4


@kernel
def pulse(x: float, low: float, high: float, footprint: float) -> float:
    """Box-filtered indicator of low <= x <= high: its mean over [x - footprint/2, x + footprint/2]."""
    left = max(low, x - 0.5 * footprint)
    right = min(high, x + 0.5 * footprint)
    return 0.0 if right <= left else (right - left) / footprint


@kernel
def fraction(x: float) -> float:
    """x minus its floor."""
    return x - floor_int(x)

"""Albedo and gloss of everything but ground and masonry: roofs, car bodies, wheels, signs, clothes, bark, leaves."""

from __future__ import annotations

from benchmarks.datasets.roadscenes.jit import kernel
from benchmarks.datasets.roadscenes.materials import (
    ADVERT,
    BARK,
    BUS,
    CLOTH,
    GLASS,
    HAIR,
    HEDGE,
    LAMP,
    LEAF,
    METAL,
    PAINT,
    PLATE,
    RAILING,
    ROOF,
    SIGN,
    SKIN,
    SPOKES,
    STONE,
    TWIG,
    WHEEL,
)
from benchmarks.datasets.roadscenes.noise import floor_int, fraction, hash2, keep, octaves, pulse, value


@kernel
def wheel(u, v, rim):  # type: ignore[no-untyped-def]
    """Tyre, rim and spokes on a disc with u, v in [-1, 1]; rim: brightness of the metal."""
    r = u * u + v * v
    if r > 0.47:
        return 0.022, 0.022, 0.023, 0.03
    if r > 0.38:
        return rim, rim, rim, 0.25
    if r < 0.03:
        return rim * 0.8, rim * 0.8, rim * 0.8, 0.2
    best = -1.0
    for k in range(5):
        cx = (1.0, 0.309, -0.809, -0.809, 0.309)[k]
        cy = (0.0, 0.951, 0.588, -0.588, -0.951)[k]
        d = u * cx + v * cy
        best = max(best, d * abs(d) / r)
    shine = rim * 0.85 if best > 0.93 else 0.04
    return shine, shine, shine, 0.2


@kernel
def sign(u, v, kind, seed, f):  # type: ignore[no-untyped-def]
    """Face of a traffic sign, u, v in [-1, 1].

    kind: 0 limit, 1 blue disc, 2 warning triangle, 3 direction board, 4 stop, 5 no entry, 6 blue square.
    """
    rr = u * u + v * v
    ink = 0.02
    if kind == 0:
        if rr > 0.55:
            return 0.50, 0.02, 0.03
        digit = value(u * 3.5 + seed, v * 2.2, 3 + seed) > 0.55 and abs(u) < 0.5 and abs(v) < 0.35
        return (ink, ink, ink) if digit else (0.72, 0.72, 0.70)
    if kind == 1:
        if rr > 0.82:
            return 0.65, 0.65, 0.65
        tilt = 1.0 if seed % 2 == 0 else -1.0
        stroke = abs(u - tilt * v * 0.5) < 0.16 and abs(v) < 0.6
        return (0.72, 0.72, 0.72) if stroke else (0.02, 0.09, 0.36)
    if kind == 2:
        edge = min(v + 0.5, 0.5 - 0.5 * v - 0.866 * u, 0.5 - 0.5 * v + 0.866 * u)
        if edge < 0.17:
            return 0.50, 0.02, 0.03
        mark = abs(u) < 0.13 + 0.12 * value(v * 5.0, seed * 1.0, 5) and -0.25 < v < 0.35
        return (ink, ink, ink) if mark else (0.72, 0.72, 0.70)
    if kind == 3:
        if abs(u) > 0.95 or abs(v) > 0.91:
            return 0.7, 0.7, 0.7
        line = floor_int((v + 1.0) * 2.0)
        y = fraction((v + 1.0) * 2.0)
        text = (
            0.3 < y < 0.75
            and abs(u + 0.1) < 0.5 + 0.35 * hash2(line, seed, 9)
            and value(u * 14.0, y * 2.5 + line * 5.0, seed) > 0.47
        )
        base = seed % 3
        if text:
            return (0.75, 0.75, 0.75) if base != 2 else (0.03, 0.03, 0.03)
        return (0.02, 0.10, 0.34) if base == 0 else ((0.02, 0.20, 0.08) if base == 1 else (0.68, 0.68, 0.66))
    if kind == 4:
        if abs(v) < 0.24 and abs(u) < 0.72:
            return (0.7, 0.7, 0.7) if fraction(u * 2.6 + 0.1) < 0.62 else (0.48, 0.02, 0.03)
        return (0.7, 0.7, 0.7) if max(abs(u), abs(v), (abs(u) + abs(v)) * 0.707) > 0.83 else (0.48, 0.02, 0.03)
    if kind == 5:
        return (0.72, 0.72, 0.72) if abs(v) < 0.18 and abs(u) < 0.72 else (0.50, 0.02, 0.03)
    if abs(u) > 0.9 or abs(v) > 0.9:
        return 0.7, 0.7, 0.7
    mark = (abs(u + 0.1) < 0.14 and abs(v) < 0.6) or (
        u > -0.1 and abs((u - 0.1) * (u - 0.1) + (v - 0.25) * (v - 0.25) - 0.09) < 0.06
    )
    return (0.75, 0.75, 0.75) if mark else (0.02, 0.09, 0.36)


@kernel
def coach(u, v, r, g, b, seed, decks, f):  # type: ignore[no-untyped-def]
    """Side of a bus: u metres along, v above ground; window bands, doors' seams, a stripe, an advertisement."""
    band = (1.15 < v < 2.15) or (decks > 1.5 and 2.75 < v < 3.65)
    if band:
        post = pulse(fraction(u / 1.45) * 1.45, 0.0, 0.09, f)
        if post > 0.5:
            return 0.02, 0.02, 0.02, 0.05
        head = value(u * 2.4, v * 3.0, seed) > 0.72 and fraction(v / 1.6) < 0.5
        k = 0.10 if head else 0.025
        return k, k, k, 0.30
    if v > 2.2 and v < 2.7 and decks > 1.5 and hash2(floor_int(u / 3.0), 1, seed) < 0.5:
        ink = 0.25 + 0.75 * value(u * 3.0, v * 5.0, seed + 3)
        return 0.45 * ink, (0.30 + 0.15 * hash2(1, 2, seed)) * ink, 0.33 * ink, 0.05
    if v < 0.9:
        k = 0.75 if v > 0.45 else 0.4
        r, g, b = r * k, g * k, b * k
    if 0.9 < v < 1.0:
        r, g, b = (r + 0.6) * 0.5, (g + 0.6) * 0.5, (b + 0.55) * 0.5
    seam = 1.0 - 0.4 * pulse(fraction(u / 2.9) * 2.9, 0.0, 0.02, f)
    return r * seam, g * seam, b * seam, 0.10


@kernel
def body(u, v, r, g, b, door, rear, ny, f):  # type: ignore[no-untyped-def]
    """Car paint with its seams: u metres along the car (0 at the middle), v above ground; door, rear: seams at u."""
    if abs(ny) < 0.55:
        line = (
            pulse(u, door - 0.012, door + 0.012, f)
            + pulse(u, rear - 0.012, rear + 0.012, f)
            + pulse(u, door + 1.02, door + 1.045, f)
        )
        line = line * (1.0 if v > 0.3 else 0.0) + pulse(v, 0.30, 0.325, f) * 0.8
        handle = pulse(v, 0.76, 0.80, f) * (pulse(u, rear + 0.1, rear + 0.28, f) + pulse(u, door + 0.1, door + 0.28, f))
        k = 1.0 - 0.75 * min(line, 1.0)
        r, g, b = r * k, g * k, b * k
        r, g, b = (
            r + (0.10 - r) * min(handle, 1.0) * 0.7,
            g + (0.10 - g) * min(handle, 1.0) * 0.7,
            b + (0.10 - b) * min(handle, 1.0) * 0.7,
        )
    dirt = max(0.0, 0.45 - v) * 1.3 * value(u * 3.0, v * 3.0, 19)
    return r + (0.12 - r) * dirt, g + (0.11 - g) * dirt, b + (0.10 - b) * dirt


@kernel
def cloth(u, v, x, y, r, g, b, pattern, seed, f):  # type: ignore[no-untyped-def]
    """Clothing: folds, and by pattern 1 stripes, 2 checks, 3 a zip and hem."""
    k = 1.0 + octaves(x * 1.2, y, 6.0, 3, f, seed) * 0.55
    if pattern == 1:
        k *= 0.6 if fraction(y * 11.0) < 0.45 else 1.15
    elif pattern == 2:
        k *= (0.65 if fraction(y * 9.0) < 0.5 else 1.1) * (0.7 if fraction(u * 6.0) < 0.5 else 1.1)
    elif pattern == 3 and fraction(u + 0.5) < 0.04:
        k *= 0.4
    return r * k, g * k, b * k


@kernel
def plant(kind, u, v, px, py, r, g, b, a0, f):  # type: ignore[no-untyped-def]
    """Bark, leaves, twigs and hedges: albedo and gloss."""
    gloss = 0.02
    if kind == BARK:
        k = 0.7 + 0.6 * value(u * 9.0, v * 2.5 + px, 15) + 0.3 * (value(u * 30.0, v * 7.0, 16) - 0.5) * keep(6.0, f)
        r, g, b = r * k, g * k, b * k
    elif kind == LEAF:
        k = 0.55 + 0.9 * value(u * 2.7 + a0 * 3.0, v * 2.7 - a0 * 5.0, 31)
        r, g, b, gloss = r * k, g * k, b * k, 0.03
    elif kind == TWIG:
        k = 0.7 + 0.6 * value(u * 3.0 + a0, v * 3.0, 33)
        r, g, b = r * k, g * k, b * k
    elif kind == HEDGE:
        k = 1.0 + octaves(u, v, 5.0, 4, f, int(a0)) * 1.3
        k *= 0.55 + 0.45 * min(py / 1.2, 1.0)
        r, g, b = r * k, g * k, b * k
    return r, g, b, gloss


@kernel
def tiles(u, v, r, g, b, seed, f):  # type: ignore[no-untyped-def]
    """Rows of roof tiles, each of its own tone; u, v in metres."""
    row = floor_int(v / 0.28)
    x = u / 0.26 + 0.5 * (row & 1)
    d = keep(2.5, f)
    k = (1.0 + octaves(u, v, 0.6, 3, f, seed) * 0.4) * (1.0 + d * 0.4 * (hash2(floor_int(x), row, seed) - 0.5))
    k *= 1.0 - 0.45 * pulse(fraction(v / 0.28) * 0.28, 0.0, 0.05, f)
    r, g, b = r * k, g * k, b * k
    return r, g, b


@kernel
def poster(u, v, r, g, b, seed):  # type: ignore[no-untyped-def]
    """An advertisement: a picture of blots and lines of text under it; u, v in [0, 1]."""
    k = value(u * 2.5, v * 2.5, seed)
    text = value(u * 16.0, v * 5.0, seed + 2) > 0.58 and fraction(v * 4.0) < 0.6 and v < 0.55
    r, g, b = r * (0.5 + k), g * (1.3 - k), b * (0.6 + 0.8 * k)
    if text:
        r, g, b = 0.75 - r, 0.75 - g, 0.75 - b
    return r, g, b


@kernel
def surface(kind, u, v, px, py, pz, ny, r, g, b, a0, a1, a2, f):  # type: ignore[no-untyped-def]
    """Albedo (r, g, b), gloss and emission of material ``kind`` at texture (u, v) and world (px, py, pz)."""
    gloss, glow = 0.02, 0.0
    if kind == PAINT:
        r, g, b = body(u, v, r, g, b, a0, a1, ny, f)
        gloss = 0.20
    elif kind == GLASS:
        k = 0.5 + value(px * 3.0 + pz, py * 3.0, 8)
        r, g, b, gloss = r * k, g * k, b * k, 0.45
    elif kind == WHEEL:
        r, g, b, gloss = wheel(u, v, a0)
    elif kind == LAMP:
        glow = a0
        gloss = 0.15
        k = 0.6 + 0.8 * value(u * 6.0, v * 6.0, 5)
        r, g, b = r * k, g * k, b * k
    elif kind == SIGN:
        r, g, b = sign(u, v, int(a0), int(a1), f)
        k = 0.92 + 0.16 * value(px * 9.0 + pz * 9.0, py * 9.0, 6)
        r, g, b, gloss = r * k, g * k, b * k, 0.06
    elif kind == BUS:
        r, g, b, gloss = coach(u, v, r, g, b, int(a0), a1, f)
    elif kind == PLATE:
        if fraction(u * 7.0) < 0.55 and 0.2 < v < 0.8 and 0.08 < u < 0.92:
            r, g, b = 0.02, 0.02, 0.02
    elif kind == CLOTH:
        r, g, b = cloth(u, v, px + pz, py, r, g, b, int(a0), int(a1), f)
    elif kind == HAIR:
        k = 0.75 + 0.5 * value(u * 18.0, v * 4.0, int(a0))
        r, g, b, gloss = r * k, g * k, b * k, 0.04
    elif kind == SKIN:
        k = 0.92 + 0.2 * value(u * 8.0, v * 20.0, int(a0))
        r, g, b = r * k, g * k, b * k
    elif kind == ROOF:
        r, g, b = tiles(u, v, r, g, b, int(a0), f)
    elif kind in (BARK, LEAF, TWIG, HEDGE):
        r, g, b, gloss = plant(kind, u, v, px, py, r, g, b, a0, f)
    elif kind == STONE:
        r, g, b = boundary(u, v, r, g, b, int(a0), f)
    elif kind == ADVERT:
        r, g, b = poster(u, v, r, g, b, int(a0))
        gloss = 0.08
    elif kind in (RAILING, METAL, SPOKES):
        k = 0.85 + 0.3 * value(px * 4.0 + pz * 4.0, py * 4.0, 44)
        r, g, b, gloss = r * k, g * k, b * k, 0.08
    else:
        k = 1.0 + octaves(u + px, v + py, 3.0, 3, f, 51) * 0.25
        r, g, b = r * k, g * k, b * k
    return max(r, 0.0), max(g, 0.0), max(b, 0.0), gloss, glow


@kernel
def boundary(u, v, r, g, b, seed, f):  # type: ignore[no-untyped-def]
    """A low garden wall of rough brick with a lighter coping; u, v in metres."""
    row = floor_int(v / 0.08)
    x = u / 0.23 + 0.5 * (row & 1)
    k = 1.0 + octaves(u, v, 1.0, 3, f, seed) * 0.5 + keep(4.0, f) * 0.5 * (hash2(floor_int(x), row, seed) - 0.5)
    k *= 1.0 - 0.4 * max(pulse(fraction(v / 0.08) * 0.08, 0.0, 0.014, f), pulse(fraction(x) * 0.23, 0.0, 0.014, f))
    return r * k, g * k, b * k

"""Albedo and gloss of the ground: asphalt with its markings, patches and cracks; slabs; kerb stones; grass."""

from __future__ import annotations

from benchmarks.datasets.roadscenes.jit import kernel
from benchmarks.datasets.roadscenes.light import (
    ARROW_Z,
    ASPHALT,
    CENTRE_LINE,
    CRACKS,
    CROSS_ON,
    CROSS_Z,
    DIRT,
    EDGE_LINE,
    HALF_ROAD,
    JUNCTION_HIGH,
    JUNCTION_LOW,
    LEAF_FALL,
    PARKING,
    PATCHES,
    PAVE_STYLE,
    SEED,
)
from benchmarks.datasets.roadscenes.noise import floor_int, fraction, hash2, keep, octaves, pulse, value


@kernel
def stripes(x, period, duty, footprint):  # type: ignore[no-untyped-def]
    """Antialiased on-off pattern: the covered share of a sample, duty in (0, 1)."""
    f = fraction(x / period)
    w = min(footprint / period, 1.0)
    return min(1.0, pulse(f, 0.0, duty, w) + pulse(f - 1.0, 0.0, duty, w) + pulse(f + 1.0, 0.0, duty, w))


@kernel
def centre_line(u, v, light, fu, fv):  # type: ignore[no-untyped-def]
    """Coverage of white paint between the lanes: 0 none, 1 and 3 dashes, 2 a double line, 4 a line and lane dashes."""
    half, white = light[HALF_ROAD], 0.0
    kind = int(light[CENTRE_LINE])
    if kind == 1:
        white = pulse(u, -0.06, 0.06, fu) * stripes(v, 6.0, 0.5, fv)
    elif kind == 2:
        white = pulse(abs(u), 0.08, 0.18, fu)
    elif kind == 3:
        white = pulse(u, -0.06, 0.06, fu) * stripes(v, 9.0, 0.67, fv)
    elif kind == 4:
        white = pulse(u, -0.06, 0.06, fu)
        lane = half * 0.5
        white += pulse(abs(u), lane - 0.06, lane + 0.06, fu) * stripes(v, 8.0, 0.35, fv)
    return white


@kernel
def marking(u, v, light, fu, fv):  # type: ignore[no-untyped-def]
    """Coverage of white and of yellow paint at u metres across and v along; fu, fv: footprint across and along."""
    half = light[HALF_ROAD]
    white, yellow = 0.0, 0.0
    a = abs(u)
    low, high = light[JUNCTION_LOW], light[JUNCTION_HIGH]
    junction = low < v < high
    cross = light[CROSS_Z]
    if light[CROSS_ON] > 0.0 and cross < v < cross + 3.0:
        return (stripes(u + 0.3, 1.0, 0.5, fu) if a < half - 0.3 else 0.0), 0.0
    if light[CROSS_ON] > 0.0 and cross - 1.6 < v < cross - 1.3:
        return (1.0 if a < half - 0.2 else 0.0), 0.0
    if light[CROSS_ON] > 0.0 and cross - 2.0 < v < cross + 5.0:
        return 0.0, 0.0
    if junction:
        style = int(light[SEED]) % 3
        if style == 0 and a < half:
            yellow = max(stripes(u + v, 2.4, 0.06, fu + fv), stripes(u - v, 2.4, 0.06, fu + fv))
        elif abs(a - half) < 0.1:
            white = stripes(v, 1.0, 0.5, fv) * pulse(a, half - 0.1, half + 0.1, fu) * 1.0
        return white, yellow
    white = centre_line(u, v, light, fu, fv)
    edge = int(light[EDGE_LINE])
    if edge == 1:
        yellow = pulse(a, half - 0.38, half - 0.30, fu) + pulse(a, half - 0.22, half - 0.14, fu)
    elif edge == 2:
        white += pulse(a, half - 0.35, half - 0.25, fu)
    park = light[PARKING]
    if park > 0.0:
        white += pulse(a, half - park - 0.05, half - park + 0.05, fu) * stripes(v, 1.5, 0.55, fv)
        if a > half - park:
            white += stripes(v, 5.6, 0.018, fv)
    z = light[ARROW_Z]
    if z > 0.0:
        for k in range(3):
            white += arrow(u + half * 0.5, v - z - 28.0 * k)
    return min(white, 1.0), min(yellow, 1.0)


@kernel
def arrow(x, y):  # type: ignore[no-untyped-def]
    """A 4 m lane arrow pointing along +y."""
    if y < 0.0 or y > 4.0:
        return 0.0
    if y < 2.4:
        return 1.0 if abs(x) < 0.09 else 0.0
    return 1.0 if abs(x) < 0.42 * (4.0 - y) / 1.6 else 0.0


@kernel
def repairs(u, v, k, light, f):  # type: ignore[no-untyped-def]
    """Brightness k of the asphalt after patches with their seams, cracks and manhole covers."""
    seed = int(light[SEED])
    patch_x, patch_y = floor_int(u / 1.9 + 0.3), floor_int(v / 7.3)
    if hash2(patch_x, patch_y, seed + 31) < light[PATCHES]:
        px, py = fraction(u / 1.9 + 0.3), fraction(v / 7.3)
        size = 0.35 + 0.6 * hash2(patch_x, patch_y, seed + 32)
        if px < size and 0.1 < py < 0.1 + size * 0.85:
            k *= 0.66 + 0.7 * hash2(patch_x, patch_y, seed + 33)
            seam = min(min(px, size - px) * 1.9, min(py - 0.1, 0.1 + size * 0.85 - py) * 7.3)
            if seam < 0.05:
                k *= 0.72
    crack = keep(5.0, f) * light[CRACKS]
    if crack > 0.0:
        ridge = abs(value(u * 0.9 + 0.6 * value(u * 3.0, v * 3.0, seed + 41), v * 0.6, seed + 42) - 0.5)
        if ridge < 0.012:
            k *= 1.0 - 0.5 * crack
    mx, my = floor_int(u / 2.7 + 0.5), floor_int(v / 11.0)
    if hash2(mx, my, seed + 51) < 0.22:
        hx, hy = (fraction(u / 2.7 + 0.5) - 0.5) * 2.7, (fraction(v / 11.0) - 0.5) * 11.0
        d = hx * hx + hy * hy
        if d < 0.1:
            k *= 0.55 if d > 0.075 else 0.72 + 0.3 * value(hx * 18.0, hy * 18.0, 3)
    return k


@kernel
def painted(u, v, r, g, b, track, light, fu, fv):  # type: ignore[no-untyped-def]
    """Albedo with the markings on it, worn most in the wheel tracks."""
    white, yellow = marking(u, v, light, fu, fv)
    if white > 0.0 or yellow > 0.0:
        wear = 0.86 - 0.5 * max(0.0, octaves(u, v, 3.0, 4, max(fu, fv * 0.4), int(light[SEED]) + 71)) - 0.35 * track
        w, y = max(white * wear, 0.0), max(yellow * wear, 0.0)
        r += (0.62 - r) * w
        g += (0.62 - g) * w
        b += (0.60 - b) * w
        r += (0.50 - r) * y
        g += (0.36 - g) * y
        b += (0.08 - b) * y
    return r, g, b


@kernel
def road(u, v, light, fu, fv):  # type: ignore[no-untyped-def]
    """Albedo (r, g, b) and gloss of the carriageway."""
    seed = int(light[SEED])
    f = max(fu, fv * 0.4)
    tone = light[ASPHALT]
    grain = octaves(u, v, 38.0, 2, f, seed + 1) * 0.30 + octaves(u, v * 0.8, 5.0, 2, f, seed + 3) * 0.12
    broad = octaves(u, v * 0.35, 0.45, 2, f, seed + 9) * 0.24
    k = tone * (1.0 + grain + broad)
    half = light[HALF_ROAD]
    lane = abs(abs(u) - half * 0.45)
    track = max(0.0, 1.0 - abs(lane - 0.72) / 0.4)
    k *= 1.0 - 0.13 * track + 0.05 * max(0.0, 1.0 - lane / 0.35) * octaves(u, v * 0.2, 2.0, 2, f, seed + 17)
    k = repairs(u, v, k, light, f)
    edge = half - abs(u)
    if edge < 0.5:
        dirt = (0.5 - edge) * 2.0
        k *= 1.0 - 0.35 * dirt * (0.5 + value(v * 0.9, u, seed + 61)) * light[DIRT]
    r, g, b = painted(u, v, k * 1.0, k * 1.0, k * 1.02, track, light, fu, fv)
    if (
        light[LEAF_FALL] > 0.0
        and edge < 1.2
        and hash2(floor_int(u * 14.0), floor_int(v * 9.0), seed + 81) < light[LEAF_FALL] * (1.2 - edge) * keep(12.0, f)
    ):
        r, g, b = 0.22, 0.13, 0.05
    return r, g, b, 0.05


@kernel
def pavement(u, v, light, fu, fv):  # type: ignore[no-untyped-def]
    """Albedo and gloss of the pavement: slabs, bricks or asphalt by the scene's style."""
    seed = int(light[SEED])
    f = max(fu, fv * 0.4)
    style = int(light[PAVE_STYLE])
    broad = octaves(u, v, 0.5, 3, f, seed + 101) * 0.30
    grain = octaves(u, v, 24.0, 2, f, seed + 104) * 0.22
    k = 1.0 + broad + grain
    if style == 2:
        k *= 0.16 / 0.30
        return 0.31 * k, 0.30 * k, 0.30 * k, 0.03
    sx, sy = (0.62, 0.9) if style == 0 else (0.22, 0.11)
    row = floor_int(v / sy)
    x = u / sx + 0.5 * (row & 1)
    joint = keep(0.35 / min(sx, sy), f)
    k *= 1.0 + joint * 0.32 * (hash2(floor_int(x), row, seed + 110) - 0.5)
    jx, jy = fraction(x) * sx, fraction(v / sy) * sy
    gap = max(pulse(jx, 0.0, 0.016, fu), pulse(jy, 0.0, 0.016, fv))
    k *= 1.0 - 0.5 * gap
    if hash2(floor_int(u * 3.0), floor_int(v * 3.0), seed + 120) < 0.05 * keep(6.0, f):
        k *= 0.8
    if style == 0:
        return 0.29 * k, 0.28 * k, 0.265 * k, 0.03
    return 0.30 * k, 0.23 * k, 0.20 * k, 0.03


@kernel
def kerb(u, v, light, f):  # type: ignore[no-untyped-def]
    """Albedo and gloss of kerb stones; v runs along them."""
    stone = floor_int(v / 0.92)
    k = 0.85 + 0.3 * hash2(stone, 3, int(light[SEED])) + octaves(v, u, 14.0, 2, f, 7) * 0.3
    k *= 1.0 - 0.5 * pulse(fraction(v / 0.92) * 0.92, 0.0, 0.03, f)
    return 0.33 * k, 0.325 * k, 0.31 * k, 0.03


@kernel
def grass(u, v, light, f):  # type: ignore[no-untyped-def]
    """Albedo and gloss of lawn."""
    seed = int(light[SEED])
    k = 1.0 + octaves(u, v, 9.0, 4, f, seed + 131) * 0.8 + octaves(u, v, 0.4, 2, f, seed + 137) * 0.4
    dry = value(u * 0.3, v * 0.3, seed + 141)
    return (0.075 + 0.06 * dry) * k, (0.115 + 0.02 * dry) * k, 0.04 * k, 0.02

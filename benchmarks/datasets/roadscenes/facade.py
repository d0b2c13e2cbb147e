"""Albedo and gloss of building fronts: brick, render, stone or curtain wall, with windows, shops, doors and cornices.

A front is flat geometry; its relief is painted: reveals are dark at the top and one side, sills and string courses
catch light.
"""

from __future__ import annotations

from benchmarks.datasets.roadscenes.ground import stripes
from benchmarks.datasets.roadscenes.jit import kernel
from benchmarks.datasets.roadscenes.noise import floor_int, fraction, hash2, keep, octaves, pulse, value


@kernel
def masonry(u, v, style, seed, f, r, g, b):  # type: ignore[no-untyped-def]
    """Albedo of the wall between the openings. style: 0 brick, 1 render, 2 ashlar, 3 panels."""
    stain = (
        1.0 + octaves(u, v * 0.5, 0.35, 3, f, seed + 1) * 0.28 + octaves(u * 3.0, v * 0.4, 0.8, 2, f, seed + 5) * 0.12
    )
    grain = octaves(u, v, 11.0, 2, f, seed + 9) * 0.16
    k = stain + grain
    if style == 0:
        row = floor_int(v / 0.075)
        x = u / 0.225 + 0.5 * (row & 1)
        d = keep(4.0, f)
        tint = hash2(floor_int(x), row, seed + 11) - 0.5
        k *= 1.0 + d * 0.45 * tint
        mortar = max(pulse(fraction(v / 0.075) * 0.075, 0.0, 0.012, f), pulse(fraction(x) * 0.225, 0.0, 0.012, f))
        r, g, b = r + (0.36 - r) * mortar * 0.6, g + (0.34 - g) * mortar * 0.6, b + (0.30 - b) * mortar * 0.6
        g *= 1.0 + d * 0.12 * tint
    elif style == 2:
        row = floor_int(v / 0.42)
        x = u / 0.8 + 0.5 * (row & 1)
        k *= 1.0 + 0.18 * (hash2(floor_int(x), row, seed + 12) - 0.5)
        k *= 1.0 - 0.35 * max(pulse(fraction(v / 0.42) * 0.42, 0.0, 0.025, f), pulse(fraction(x) * 0.8, 0.0, 0.025, f))
    elif style == 3:
        k *= 1.0 - 0.3 * max(
            pulse(fraction(v / 1.55) * 1.55, 0.0, 0.04, f), pulse(fraction(u / 1.2) * 1.2, 0.0, 0.04, f)
        )
    return r * k, g * k, b * k


@kernel
def opening(x, y, width, height, i, j, seed, f):  # type: ignore[no-untyped-def]
    """Albedo and gloss of a window at x in [0, width], y in [0, height] metres, with frame, curtain and reveal."""
    kind = hash2(i, j, seed + 20)
    frame_white = 0.55 if hash2(0, 0, seed + 21) < 0.65 else 0.05
    frame = 0.055
    bars = 2.0 if hash2(1, 0, seed + 22) < 0.6 else 1.0
    rails = 2.0 if hash2(2, 0, seed + 23) < 0.7 else 3.0
    cover = max(
        pulse(x, -1.0, frame, f),
        pulse(x, width - frame, width + 1.0, f),
        pulse(y, -1.0, frame, f),
        pulse(y, height - frame, height + 1.0, f),
    )
    cover = max(cover, pulse(fraction(x / width * bars) * width / bars, 0.0, 0.05, f) if bars > 1.0 else 0.0)
    cover = max(cover, pulse(fraction(y / height * rails) * height / rails, 0.0, 0.045, f))
    r = g = b = 0.018 + 0.03 * value(x * 2.0 + i * 9.0, y * 2.0 + j * 7.0, seed + 24)
    gloss = 0.32
    if kind < 0.34:
        drawn = 0.25 + 0.75 * hash2(i, j, seed + 25)
        if y > height * (1.0 - drawn) or abs(x - 0.5 * width) > width * (0.5 - 0.3 * drawn):
            folds = 0.75 + 0.35 * value(x * 14.0, 0.3 * y, seed + i)
            r, g, b = 0.30 * folds, 0.28 * folds, 0.24 * folds
            gloss = 0.18
    shade = 0.45 if y > height - 0.16 else 1.0
    r, g, b = (
        (r + (frame_white - r) * cover) * shade,
        (g + (frame_white - g) * cover) * shade,
        (b + (frame_white - b) * cover) * shade,
    )
    return r, g, b, gloss * (1.0 - cover) * shade


@kernel
def shop(u, v, top, seed, f):  # type: ignore[no-untyped-def]
    """A shop front: fascia with lettering, panes over a stall riser, pilasters, a door."""
    unit = 4.5 + 2.5 * hash2(3, 1, seed)
    i = floor_int(u / unit)
    x = u - i * unit
    tint = hash2(i, 5, seed + 30)
    a, b2, c = hash2(i, 6, seed), hash2(i, 7, seed), hash2(i, 8, seed)
    dark = 0.07 if tint < 0.6 else 0.42
    vivid = 0.25 if tint > 0.12 else 0.9
    r0, g0, b0 = dark * (1.0 + vivid * (a - 0.4)), dark * (1.0 + vivid * (b2 - 0.5)), dark * (1.0 + vivid * (c - 0.6))
    if x < 0.28 or x > unit - 0.28:
        return r0 * 0.8, g0 * 0.8, b0 * 0.8, 0.03
    if v > top - 0.75:
        y = (v - top + 0.75) / 0.75
        span = unit * (0.5 + 0.3 * a)
        inside = abs(x - 0.5 * unit) < 0.5 * span and 0.28 < y < 0.76
        if inside:
            ink = value(x * 7.5, y * 2.2, seed + i) > 0.52 and hash2(floor_int(x * 3.3), i, seed) > 0.15
            if ink:
                lit = 0.72 if dark < 0.3 else 0.04
                return lit, lit * (0.8 + 0.2 * a), lit * (0.6 + 0.4 * b2), 0.03
        edge = 0.6 if y < 0.07 or y > 0.93 else 1.0
        return r0 * edge, g0 * edge, b0 * edge, 0.04
    if v < 0.45:
        return r0 * 0.7, g0 * 0.7, b0 * 0.7, 0.04
    pane = unit / 3.0
    door = floor_int(x / pane) == int(a * 3.0)
    px = fraction(x / pane) * pane
    if px < 0.07 or v > top - 0.85 or (v > 2.3 and v < 2.36):
        return r0, g0, b0, 0.04
    if door and (px < 0.16 or px > pane - 0.16 or v < 0.6):
        return r0 * 1.3, g0 * 1.3, b0 * 1.3, 0.04
    goods = value(u * 2.3, v * 2.3, seed + 33) * value(u * 7.0, v * 6.0, seed + 34)
    poster = hash2(floor_int(u / 0.7), floor_int(v / 0.8), seed + 35)
    k = 0.02 + 0.45 * goods * (1.0 if v < 1.9 else 0.35)
    if poster < 0.10 * keep(2.0, f) and not door:
        return 0.5 * a + 0.15, 0.45 * b2 + 0.15, 0.4 * c + 0.15, 0.1
    return k * (0.7 + 0.6 * a), k * (0.7 + 0.5 * b2), k * (0.6 + 0.5 * c), 0.38


@kernel
def wall(u, v, seed, style, top, width, r, g, b, f):  # type: ignore[no-untyped-def]
    """Albedo and gloss of a front at u metres along and v above ground.

    style: masonry + 10 * ground floor (0 dwelling, 1 shops, 2 blank side wall). top: height of the eaves in metres.
    """
    ground_kind = style // 10
    stone = style % 10
    if ground_kind == 2:
        r, g, b = masonry(u, v, stone, seed, f, r, g, b)
        return r, g, b, 0.02
    ground = 3.1 + 1.0 * hash2(4, 0, seed) if ground_kind == 1 else 0.5
    if v < ground and ground_kind == 1:
        return shop(u, v, ground, seed, f)
    if v > top - 0.35:
        k = 0.75 if v < top - 0.25 else 1.12
        return (r * 0.5 + 0.2) * k, (g * 0.5 + 0.19) * k, (b * 0.5 + 0.17) * k, 0.02
    rows = max(1.0, float(floor_int((top - ground - 0.3) / (2.75 + 0.7 * hash2(5, 0, seed)))))
    storey = (top - ground - 0.35) / rows
    bays = max(1.0, float(floor_int(width / (1.9 + 1.8 * hash2(6, 0, seed)))))
    bay = width / bays
    j, i = floor_int((v - ground) / storey), floor_int(u / bay)
    x, y = u - i * bay, v - ground - j * storey
    curtain = stone == 3
    ww = bay * (0.9 if curtain else 0.38 + 0.22 * hash2(7, 0, seed))
    wh = storey * (0.72 if curtain else 0.48 + 0.14 * hash2(8, 0, seed))
    x0, y0 = 0.5 * (bay - ww), 0.22 * storey
    door = ground_kind == 0 and j == 0 and hash2(i, 1, seed + 40) < 0.34
    if door:
        y0, wh, ww = -0.45, 2.15, min(1.0, ww)
        x0 = 0.5 * (bay - ww)
    if x0 <= x <= x0 + ww and y0 <= y <= y0 + wh:
        if door:
            k = 0.7 + 0.3 * pulse(fraction((x - x0) * 2.0 / ww), 0.15, 0.85, f)
            tone, hue = 0.02 + 0.16 * hash2(i, 2, seed), hash2(i, 3, seed)
            return tone * k * (0.6 + 0.9 * hue), tone * k * 0.8, tone * k * (1.3 - 0.9 * hue), 0.06
        return opening(x - x0, y - y0, ww, wh, i, j, seed, f)
    if not curtain and abs(x - 0.5 * bay) < 0.5 * ww + 0.10:
        if y0 - 0.13 < y < y0:
            return 0.42, 0.40, 0.37, 0.02
        if y0 - 0.22 < y < y0 - 0.13:
            return r * 0.55, g * 0.55, b * 0.55, 0.02
        if y0 + wh < y < y0 + wh + 0.2:
            return (r + 0.35) * 0.5, (g + 0.34) * 0.5, (b + 0.31) * 0.5, 0.02
    if hash2(9, 0, seed) < 0.4 and y < 0.14:
        return r * 0.6 + 0.16, g * 0.6 + 0.155, b * 0.6 + 0.145, 0.02
    pipe = stripes(u - 0.5 * bay + 20.0 * bay, bay * 3.0, 0.11 / (bay * 3.0), f)
    r, g, b = masonry(u, v, stone, seed, f, r, g, b)
    return r * (1.0 - 0.8 * pipe), g * (1.0 - 0.8 * pipe), b * (1.0 - 0.8 * pipe), 0.02

"""The light of one scene as a flat float64 vector that compiled kernels can read, the sky, and reflections of both."""

from __future__ import annotations

from benchmarks.datasets.roadscenes.jit import kernel
from benchmarks.datasets.roadscenes.noise import octaves

# Slots of the scene vector. Three in a row where the name stands for a direction or a colour.
SUN, SUN_COLOUR, AMBIENT, BOUNCE, FOG_COLOUR, ZENITH, HORIZON, CLOUD_COLOUR = range(0, 24, 3)
FOG, CLOUDS, SEED, WET, ASPHALT, HALF_ROAD, CENTRE_LINE, EDGE_LINE, CROSS_Z, CROSS_ON, JUNCTION_LOW, JUNCTION_HIGH = (
    range(24, 36)
)
(
    PATCHES,
    SOFT,
    SHADOW_SCALE,
    SHADOW_X,
    SHADOW_Z,
    SUN_ON,
    BEND,
    SLOPE,
    CRACKS,
    PARKING,
    DUSK,
    LAMPS,
    PAVE_STYLE,
    ARROW_Z,
    LEAF_FALL,
    DIRT,
) = range(36, 52)
SLOTS = 64


@kernel
def sky(dx, dy, dz, light):  # type: ignore[no-untyped-def]
    """Radiance (r, g, b) of the sky in unit direction (dx, dy, dz)."""
    up = max(dy, 0.0)
    t = 1.0 - up
    t2 = t * t
    glow_t = t2 * t2 * t
    r = light[ZENITH] + (light[HORIZON] - light[ZENITH]) * (0.35 * t2 + 0.65 * glow_t)
    g = light[ZENITH + 1] + (light[HORIZON + 1] - light[ZENITH + 1]) * (0.35 * t2 + 0.65 * glow_t)
    b = light[ZENITH + 2] + (light[HORIZON + 2] - light[ZENITH + 2]) * (0.35 * t2 + 0.65 * glow_t)
    toward = dx * light[SUN] + dy * light[SUN + 1] + dz * light[SUN + 2]
    if toward > 0.0 and light[SUN_ON] > 0.0:
        p = toward * toward
        p = p * p
        p = p * p
        halo = 0.35 * p + 1.2 * p * p * p * p + 3.0 * p * p * p * p * p * p * p * p * p * p * p * p
        r += halo * light[SUN_COLOUR] * 0.5
        g += halo * light[SUN_COLOUR + 1] * 0.5
        b += halo * light[SUN_COLOUR + 2] * 0.5
    amount = light[CLOUDS]
    if amount > 0.0:
        h = 1.0 / (up + 0.12)
        x, z = dx * h, dz * h
        seed = int(light[SEED])
        n = octaves(x + 31.0, z * 1.3, 0.9, 4, 0.003, seed + 5)
        cover = (n + amount * 1.5 - 0.75) * 2.2
        cover = 0.0 if cover < 0.0 else (1.0 if cover > 1.0 else cover)
        shade = 0.80 + 0.45 * n
        r += (light[CLOUD_COLOUR] * shade - r) * cover
        g += (light[CLOUD_COLOUR + 1] * shade - g) * cover
        b += (light[CLOUD_COLOUR + 2] * shade - b) * cover
    return r, g, b


@kernel
def surroundings(x, dx, dy, dz, light, flat):  # type: ignore[no-untyped-def]
    """Radiance (r, g, b) that a shiny surface at lateral position x mirrors from unit direction (dx, dy, dz).

    Sky above, facades at the sides, road below. flat: whether the surface is level.
    """
    if dy < 0.0:
        return light[BOUNCE] * 0.4, light[BOUNCE + 1] * 0.4, light[BOUNCE + 2] * 0.4
    if flat:
        k = min(1.0, 0.35 + 2.2 * dy)
        return light[HORIZON] * k, light[HORIZON + 1] * k, light[HORIZON + 2] * k
    side = abs(dx) / (abs(dz) + 0.15)
    skyline = 0.10 + 0.40 * min(side, 1.6) + 0.25 * octaves(dz * 9.0 + x, dx * 9.0, 1.0, 2, 0.01, 77)
    if dy < skyline:
        k = 0.22 + 0.4 * octaves(dx * 17.0 + x, dy * 23.0, 1.0, 2, 0.01, 78)
        k = max(k, 0.03)
        return light[AMBIENT] * k, light[AMBIENT + 1] * k, light[AMBIENT + 2] * k
    k = min(1.0, 0.4 + 4.0 * (dy - skyline))
    t = 1.0 - dy
    t = t * t
    r = light[ZENITH] + (light[HORIZON] - light[ZENITH]) * t
    g = light[ZENITH + 1] + (light[HORIZON + 1] - light[ZENITH + 1]) * t
    b = light[ZENITH + 2] + (light[HORIZON + 2] - light[ZENITH + 2]) * t
    return r * k, g * k, b * k

"""From nearest triangle to light: sun with shadows, sky, reflections and haze, one radiance a sample.

winner, best --(position, texture, normal)--> albedo, gloss, glow --(sun * shadow + sky * openness)--> radiance
"""

from __future__ import annotations

from math import sqrt

from benchmarks.datasets.roadscenes.facade import wall
from benchmarks.datasets.roadscenes.ground import grass, kerb, pavement, road
from benchmarks.datasets.roadscenes.jit import inlined, kernel
from benchmarks.datasets.roadscenes.light import (
    AMBIENT,
    BOUNCE,
    DUSK,
    FOG,
    FOG_COLOUR,
    SHADOW_SCALE,
    SHADOW_X,
    SHADOW_Z,
    SOFT,
    SUN,
    SUN_COLOUR,
    SUN_ON,
    WET,
    sky,
    surroundings,
)
from benchmarks.datasets.roadscenes.materials import BUS, GLASS, GRASS, KERB, LEAF, PAINT, PAVEMENT, ROAD, TWIG, WALL
from benchmarks.datasets.roadscenes.noise import floor_int, hash2
from benchmarks.datasets.roadscenes.surface import surface

# The grid of contact shadows: cell size and the world position of its corner.
CONTACT_CELL_M, CONTACT_X0, CONTACT_Z0 = 0.25, -30.0, -4.0


@kernel
def lit(px, py, pz, light, shadow_map, row, column):  # type: ignore[no-untyped-def]
    """Share of the sun's disc that is visible from a point, by samples of the shadow map."""
    scale = light[SHADOW_SCALE]
    k = py / light[SUN + 1]
    x = (px - k * light[SUN] - light[SHADOW_X]) * scale
    z = (pz - k * light[SUN + 2] - light[SHADOW_Z]) * scale
    rows, columns = shadow_map.shape
    spread = light[SOFT]
    # On a slope toward the sun one texel spans this much height: less than that is no shadow.
    rise = light[SUN + 1] / sqrt(max(1.0 - light[SUN + 1] * light[SUN + 1], 1e-6))
    limit = py + 0.05 + min(0.16 * rise * min(spread, 2.0), 0.6)
    if spread <= 1.0:
        i, j = floor_int(z - 0.5), floor_int(x - 0.5)
        if i < 0 or j < 0 or i >= rows - 1 or j >= columns - 1:
            return 1.0
        fz, fx = z - 0.5 - i, x - 0.5 - j
        near = (1.0 - fx) * (shadow_map[i, j] <= limit) + fx * (shadow_map[i, j + 1] <= limit)
        far = (1.0 - fx) * (shadow_map[i + 1, j] <= limit) + fx * (shadow_map[i + 1, j + 1] <= limit)
        return near + (far - near) * fz
    # A wide sun or sky: five taps, shifted from sample to sample by a part of their spacing, so that no steps show.
    jx, jz = 0.4 * (hash2(row, column, 91) - 0.5), 0.4 * (hash2(row, column, 92) - 0.5)
    free = 0
    for tap in range(5):
        i = floor_int(z + ((0.0, 0.4, -0.4, 0.4, -0.4)[tap] + jz) * spread)
        j = floor_int(x + ((0.0, 0.4, 0.4, -0.4, -0.4)[tap] + jx) * spread)
        if i < 0 or j < 0 or i >= rows or j >= columns or shadow_map[i, j] <= limit:
            free += 1
    return 0.2 * free


@inlined
def openness(px, py, pz, contact):  # type: ignore[no-untyped-def]
    """Share of the sky that is visible from a point past vehicles and people; small under and between them."""
    if py >= 0.6:
        return 1.0
    gx, gz = (px - CONTACT_X0) / CONTACT_CELL_M - 0.5, (pz - CONTACT_Z0) / CONTACT_CELL_M - 0.5
    i, j = floor_int(gz), floor_int(gx)
    if not (0 <= i < contact.shape[0] - 1 and 0 <= j < contact.shape[1] - 1):
        return 1.0
    fx, fz = gx - j, gz - i
    near = contact[i, j] * (1.0 - fx) + contact[i, j + 1] * fx
    far = contact[i + 1, j] * (1.0 - fx) + contact[i + 1, j + 1] * fx
    return 1.0 - (near + (far - near) * fz) * (1.0 - py / 0.6)


@inlined
def locate(t, px, py, pz, triangles, uv, normals):  # type: ignore[no-untyped-def]
    """Texture coordinates (u, v) and unit normal of a point in triangle t, by its barycentric coordinates."""
    ax, ay, az = triangles[t, 0, 0], triangles[t, 0, 1], triangles[t, 0, 2]
    e1x, e1y, e1z = triangles[t, 1, 0] - ax, triangles[t, 1, 1] - ay, triangles[t, 1, 2] - az
    e2x, e2y, e2z = triangles[t, 2, 0] - ax, triangles[t, 2, 1] - ay, triangles[t, 2, 2] - az
    qx, qy, qz = px - ax, py - ay, pz - az
    d11 = e1x * e1x + e1y * e1y + e1z * e1z
    d12 = e1x * e2x + e1y * e2y + e1z * e2z
    d22 = e2x * e2x + e2y * e2y + e2z * e2z
    p1 = qx * e1x + qy * e1y + qz * e1z
    p2 = qx * e2x + qy * e2y + qz * e2z
    inverse = 1.0 / (d11 * d22 - d12 * d12 + 1e-18)
    b1 = min(max((d22 * p1 - d12 * p2) * inverse, 0.0), 1.0)
    b2 = min(max((d11 * p2 - d12 * p1) * inverse, 0.0), 1.0)
    b0 = 1.0 - b1 - b2
    u = b0 * uv[t, 0, 0] + b1 * uv[t, 1, 0] + b2 * uv[t, 2, 0]
    v = b0 * uv[t, 0, 1] + b1 * uv[t, 1, 1] + b2 * uv[t, 2, 1]
    nx = b0 * normals[t, 0, 0] + b1 * normals[t, 1, 0] + b2 * normals[t, 2, 0]
    ny = b0 * normals[t, 0, 1] + b1 * normals[t, 1, 1] + b2 * normals[t, 2, 1]
    nz = b0 * normals[t, 0, 2] + b1 * normals[t, 1, 2] + b2 * normals[t, 2, 2]
    length = nx * nx + ny * ny + nz * nz
    if length < 1e-9:
        nx, ny, nz = e1y * e2z - e1z * e2y, e1z * e2x - e1x * e2z, e1x * e2y - e1y * e2x
        length = nx * nx + ny * ny + nz * nz + 1e-18
    scale = 1.0 / sqrt(length)
    return u, v, nx * scale, ny * scale, nz * scale


@kernel
def albedo(kind, t, u, v, px, py, pz, ny, colours, parameters, light, f, tilt):  # type: ignore[no-untyped-def]
    """Albedo (r, g, b), gloss and glow of a material. f: footprint in metres. tilt: its stretch along the view."""
    r, g, b = colours[t, 0], colours[t, 1], colours[t, 2]
    glow = 0.0
    if kind == ROAD:
        r, g, b, gloss = road(u, v, light, f, f * tilt)
    elif kind == PAVEMENT:
        r, g, b, gloss = pavement(u, v, light, f, f * tilt)
    elif kind == WALL:
        r, g, b, gloss = wall(
            u,
            v,
            int(parameters[t, 0]),
            int(parameters[t, 1]),
            parameters[t, 2],
            parameters[t, 3],
            r,
            g,
            b,
            f * sqrt(tilt),
        )
        if (
            light[DUSK] > 0.0
            and gloss > 0.1
            and hash2(floor_int(u / 1.9), floor_int(v / 3.0), int(parameters[t, 0]) + 3) < 0.4 * light[DUSK]
        ):
            glow, r, g, b = 0.6, 0.3 + r, 0.2 + g, 0.1 + b
    elif kind == KERB:
        r, g, b, gloss = kerb(u, v, light, f * sqrt(tilt))
    elif kind == GRASS:
        r, g, b, gloss = grass(u, v, light, f * sqrt(tilt))
    else:
        r, g, b, gloss, glow = surface(
            kind, u, v, px, py, pz, ny, r, g, b, parameters[t, 0], parameters[t, 1], parameters[t, 2], f
        )
    return r, g, b, gloss, glow


@kernel
def reflectance(kind, gloss, facing, wet):  # type: ignore[no-untyped-def]
    """Share of light mirrored at this cosine to the viewer (Schlick 1994, with minimum and maximum by material)."""
    g = 1.0 - facing
    g2 = g * g
    g5 = g2 * g2 * g
    if kind == ROAD:
        return g5 * (0.10 + 0.55 * wet)
    if kind == PAVEMENT:
        return g5 * (0.05 + 0.45 * wet)
    if kind == GLASS:
        return 0.09 + 0.85 * g5
    if kind in (PAINT, BUS):
        return 0.045 + 0.70 * g5
    return gloss * (0.30 + 0.70 * g2 * g2)


@kernel
def mirrored(kind, gloss, facing, sun, px, dx, dy, dz, nx, ny, nz, r, g, b, light):  # type: ignore[no-untyped-def]
    """Radiance (r, g, b) including reflections: of the surroundings, and of the sun as a highlight."""
    mirror = reflectance(kind, gloss, facing, light[WET])
    rx, ry, rz = dx + 2.0 * facing * nx, dy + 2.0 * facing * ny, dz + 2.0 * facing * nz
    er, eg, eb = surroundings(px, rx, ry, rz, light, kind in (ROAD, PAVEMENT))
    r, g, b = r * (1.0 - mirror) + er * mirror, g * (1.0 - mirror) + eg * mirror, b * (1.0 - mirror) + eb * mirror
    spec = rx * light[SUN] + ry * light[SUN + 1] + rz * light[SUN + 2]
    if sun > 0.0 and spec > 0.0:
        s = spec * spec
        s = s * s
        s = s * s
        s = s * s * s * s * sun * gloss * (6.0 if light[SOFT] < 10.0 else 0.0)
        r, g, b = r + s * light[SUN_COLOUR], g + s * light[SUN_COLOUR + 1], b + s * light[SUN_COLOUR + 2]
    return r, g, b


@inlined
def hazy(r, g, b, z, light):  # type: ignore[no-untyped-def]
    """Radiance after z metres of haze; a rational stand-in for exp, the same on every machine."""
    x = light[FOG] * z
    clear = 1.0 / (1.0 + x + 0.5 * x * x)
    r = light[FOG_COLOUR] + (r - light[FOG_COLOUR]) * clear
    g = light[FOG_COLOUR + 1] + (g - light[FOG_COLOUR + 1]) * clear
    b = light[FOG_COLOUR + 2] + (b - light[FOG_COLOUR + 2]) * clear
    return r, g, b


@inlined
def sample(row, column, t, w, mesh, view, light, shadow_map, contact):  # type: ignore[no-untyped-def]
    """Radiance (r, g, b) of one sample: triangle t (-1: sky) at nearness w."""
    vx, vy = (column + 0.5 - view.cx) / view.focal, (view.cy - row - 0.5) / view.focal
    rotation, origin = view.rotation, view.origin
    dx = rotation[0, 0] * vx + rotation[1, 0] * vy + rotation[2, 0]
    dy = rotation[0, 1] * vx + rotation[1, 1] * vy + rotation[2, 1]
    dz = rotation[0, 2] * vx + rotation[1, 2] * vy + rotation[2, 2]
    stretch = sqrt(dx * dx + dy * dy + dz * dz)
    if t < 0:
        return sky(dx / stretch, dy / stretch, dz / stretch, light)
    z = 1.0 / w
    px, py, pz = origin[0] + dx * z, origin[1] + dy * z, origin[2] + dz * z
    u, v, nx, ny, nz = locate(t, px, py, pz, mesh.triangles, mesh.uv, mesh.normals)
    dx, dy, dz = dx / stretch, dy / stretch, dz / stretch
    facing = -(nx * dx + ny * dy + nz * dz)
    if facing < 0.0:
        nx, ny, nz, facing = -nx, -ny, -nz, -facing
    kind = mesh.material[t]
    r, g, b, gloss, glow = albedo(
        kind,
        t,
        u,
        v,
        px,
        py,
        pz,
        ny,
        mesh.colours,
        mesh.parameters,
        light,
        z * stretch / view.focal,
        1.0 / max(facing, 0.04),
    )
    # In a street less sky is seen low down than high up.
    seen = openness(px, py, pz, contact) * (0.50 + 0.50 * min(max(py / 11.0, 0.0), 1.0))
    up = 0.5 + 0.5 * ny
    sun = 0.0
    cosine = nx * light[SUN] + ny * light[SUN + 1] + nz * light[SUN + 2]
    if kind in (LEAF, TWIG):
        cosine = 0.35 + 0.45 * abs(cosine)
    if light[SUN_ON] > 0.0 and cosine > 0.0:
        sun = cosine * lit(px + 0.10 * nx, py + 0.10 * ny, pz + 0.10 * nz, light, shadow_map, int(row), int(column))
    r *= (light[BOUNCE] + (light[AMBIENT] - light[BOUNCE]) * up) * seen + sun * light[SUN_COLOUR]
    g *= (light[BOUNCE + 1] + (light[AMBIENT + 1] - light[BOUNCE + 1]) * up) * seen + sun * light[SUN_COLOUR + 1]
    b *= (light[BOUNCE + 2] + (light[AMBIENT + 2] - light[BOUNCE + 2]) * up) * seen + sun * light[SUN_COLOUR + 2]
    if gloss > 0.025:
        r, g, b = mirrored(kind, gloss, facing, sun, px, dx, dy, dz, nx, ny, nz, r, g, b, light)
    if glow > 0.0:
        r, g, b = r + glow * mesh.colours[t, 0], g + glow * mesh.colours[t, 1], b + glow * mesh.colours[t, 2]
    return hazy(r, g, b, z, light)


@inlined
def first_seen(winner, i, j, k):  # type: ignore[no-untyped-def]
    """The first sample 0 to 3 of the pixel at (i, j) that shows the triangle of sample k."""
    t = winner[i + (k >> 1), j + (k & 1)]
    for earlier in range(k):
        if winner[i + (earlier >> 1), j + (earlier & 1)] == t:
            return earlier
    return k


@kernel
def shade(winner, best, mesh, view, light, shadow_map, contact, out):  # type: ignore[no-untyped-def]
    """Radiance of each sample into ``out`` (2H, 2W, 3) float32.

    Where one triangle fills a pixel, two samples on its diagonal are shaded and each stands for two, or a single one in
    the middle where textures are smooth or filtered (sky, ground): textures fade out above the frequency that so few
    can carry. At edges each triangle is shaded once and weighs as many samples as it covers.
    """
    for line in range(winner.shape[0] // 2):
        for place in range(winner.shape[1] // 2):
            i, j = 2 * line, 2 * place
            t = winner[i, j]
            whole = t == winner[i, j + 1] and t == winner[i + 1, j] and t == winner[i + 1, j + 1]
            smooth = whole and (t < 0 or mesh.material[t] == ROAD or mesh.material[t] == PAVEMENT)
            # Alternate diagonals, so that no direction is favoured.
            turn = (line + place) & 1
            for k in range(4):
                row, column = i + (k >> 1), j + (k & 1)
                if (smooth and k > 0) or (whole and not smooth and ((k >> 1) ^ (k & 1)) != turn):
                    continue
                known = k if whole else first_seen(winner, i, j, k)
                if known < k:
                    for channel in range(3):
                        out[row, column, channel] = out[i + (known >> 1), j + (known & 1), channel]
                    continue
                w = 0.5 * (best[i, j] + best[i + 1, j + 1]) if smooth else 1.0 * best[row, column]
                middle = 0.5 if smooth else 0.0
                r, g, b = sample(
                    row + middle, column + middle, winner[row, column], w, mesh, view, light, shadow_map, contact
                )
                for copy in range(4):
                    y, x = i + (copy >> 1), j + (copy & 1)
                    if smooth or (y == row and (whole or x == column)):
                        out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b

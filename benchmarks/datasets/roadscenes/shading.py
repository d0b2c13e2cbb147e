"""From nearest triangle to light: sun with shadows, sky, reflections and haze, one radiance a sample.

winner, best --(position, texture, normal)--> albedo, gloss, glow --(sun * shadow + sky * openness)--> radiance
"""

from __future__ import annotations

from numba import njit

from benchmarks.datasets.roadscenes.facade import wall
from benchmarks.datasets.roadscenes.ground import grass, kerb, pavement, road
from benchmarks.datasets.roadscenes.light import (
    AMBIENT,
    BEND,
    BOUNCE,
    DUSK,
    FOG,
    FOG_COLOUR,
    HALF_ROAD,
    SEED,
    SHADOW_SCALE,
    SHADOW_X,
    SHADOW_Z,
    SLOPE,
    SOFT,
    SUN,
    SUN_COLOUR,
    SUN_ON,
    WET,
    sky,
    surroundings,
)
from benchmarks.datasets.roadscenes.materials import GRASS, KERB, LEAF, PAVEMENT, ROAD, TWIG, WALL
from benchmarks.datasets.roadscenes.noise import floor_int, hash2
from benchmarks.datasets.roadscenes.surface import surface


@njit(cache=True)
def lit(px, py, pz, light, shadow_map, row, column):  # type: ignore[no-untyped-def]
    """Share of the sun that reaches a point, by four looks at the sun's height map."""
    scale = light[SHADOW_SCALE]
    k = py / light[SUN + 1]
    x = (px - k * light[SUN] - light[SHADOW_X]) * scale
    z = (pz - k * light[SUN + 2] - light[SHADOW_Z]) * scale
    rows, columns = shadow_map.shape
    spread = light[SOFT]
    free = 0
    for tap in range(4):
        # The turn of the four taps changes from sample to sample: a soft edge instead of four hard ones.
        jitter = hash2(row * 4 + tap, column, 91) - 0.5
        ox = (0.5 if tap & 1 else -0.5) + jitter
        oz = (0.5 if tap & 2 else -0.5) + hash2(row, column * 4 + tap, 92) - 0.5
        i, j = floor_int(z + oz * spread), floor_int(x + ox * spread)
        if i < 0 or j < 0 or i >= rows or j >= columns or shadow_map[i, j] <= py + 0.07:
            free += 1
    return 0.25 * free


@njit(cache=True)
def openness(px, py, pz, ny, light, contact, cell, x0, z0):  # type: ignore[no-untyped-def]
    """How much of the sky a point sees: less at the foot of walls and under vehicles."""
    k = 1.0
    if py < 0.6:
        gx, gz = (px - x0) / cell - 0.5, (pz - z0) / cell - 0.5
        i, j = floor_int(gz), floor_int(gx)
        if 0 <= i < contact.shape[0] - 1 and 0 <= j < contact.shape[1] - 1:
            fx, fz = gx - j, gz - i
            near = contact[i, j] * (1.0 - fx) + contact[i, j + 1] * fx
            far = contact[i + 1, j] * (1.0 - fx) + contact[i + 1, j + 1] * fx
            k *= 1.0 - (near + (far - near) * fz) * (1.0 - py / 0.6)
    else:
        k *= 1.0
    return k


@njit(cache=True)
def shade(
    winner, best, mesh_v, mesh_uv, mesh_n, mesh_c, mesh_p, material, rotation, origin, focal, cx, cy, light, shadow_map, contact, cell, gx0, gz0, out
):  # type: ignore[no-untyped-def]
    """Radiance of each sample into ``out`` (H, W, 3) float32."""
    height, width = winner.shape
    seed = int(light[SEED])
    for row in range(height):
        for column in range(width):
            vx, vy = (column + 0.5 - cx) / focal, (cy - row - 0.5) / focal
            dx = rotation[0, 0] * vx + rotation[1, 0] * vy + rotation[2, 0]
            dy = rotation[0, 1] * vx + rotation[1, 1] * vy + rotation[2, 1]
            dz = rotation[0, 2] * vx + rotation[1, 2] * vy + rotation[2, 2]
            stretch = (dx * dx + dy * dy + dz * dz) ** 0.5
            t = winner[row, column]
            if t < 0:
                r, g, b = sky(dx / stretch, dy / stretch, dz / stretch, light, True)
                out[row, column, 0], out[row, column, 1], out[row, column, 2] = r, g, b
                continue
            z = 1.0 / best[row, column]
            px, py, pz = origin[0] + dx * z, origin[1] + dy * z, origin[2] + dz * z
            # Barycentric coordinates of (px, py, pz) in its triangle.
            ax, ay, az = mesh_v[t, 0, 0], mesh_v[t, 0, 1], mesh_v[t, 0, 2]
            e1x, e1y, e1z = mesh_v[t, 1, 0] - ax, mesh_v[t, 1, 1] - ay, mesh_v[t, 1, 2] - az
            e2x, e2y, e2z = mesh_v[t, 2, 0] - ax, mesh_v[t, 2, 1] - ay, mesh_v[t, 2, 2] - az
            qx, qy, qz = px - ax, py - ay, pz - az
            d11 = e1x * e1x + e1y * e1y + e1z * e1z
            d12 = e1x * e2x + e1y * e2y + e1z * e2z
            d22 = e2x * e2x + e2y * e2y + e2z * e2z
            p1 = qx * e1x + qy * e1y + qz * e1z
            p2 = qx * e2x + qy * e2y + qz * e2z
            determinant = d11 * d22 - d12 * d12 + 1e-18
            b1 = min(max((d22 * p1 - d12 * p2) / determinant, 0.0), 1.0)
            b2 = min(max((d11 * p2 - d12 * p1) / determinant, 0.0), 1.0)
            b0 = 1.0 - b1 - b2
            u = b0 * mesh_uv[t, 0, 0] + b1 * mesh_uv[t, 1, 0] + b2 * mesh_uv[t, 2, 0]
            v = b0 * mesh_uv[t, 0, 1] + b1 * mesh_uv[t, 1, 1] + b2 * mesh_uv[t, 2, 1]
            nx = b0 * mesh_n[t, 0, 0] + b1 * mesh_n[t, 1, 0] + b2 * mesh_n[t, 2, 0]
            ny = b0 * mesh_n[t, 0, 1] + b1 * mesh_n[t, 1, 1] + b2 * mesh_n[t, 2, 1]
            nz = b0 * mesh_n[t, 0, 2] + b1 * mesh_n[t, 1, 2] + b2 * mesh_n[t, 2, 2]
            length = nx * nx + ny * ny + nz * nz
            if length < 1e-9:
                nx, ny, nz = e1y * e2z - e1z * e2y, e1z * e2x - e1x * e2z, e1x * e2y - e1y * e2x
                length = nx * nx + ny * ny + nz * nz + 1e-18
            scale = 1.0 / length**0.5
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            facing = -(nx * dx + ny * dy + nz * dz) / stretch
            if facing < 0.0:
                nx, ny, nz, facing = -nx, -ny, -nz, -facing
            kind = material[t]
            f = z * stretch / focal
            tilt = 1.0 / max(facing, 0.04)
            r, g, b = mesh_c[t, 0], mesh_c[t, 1], mesh_c[t, 2]
            glow = 0.0
            if kind == ROAD:
                r, g, b, gloss = road(u, v, light, f, f * tilt)
            elif kind == PAVEMENT:
                r, g, b, gloss = pavement(u, v, light, f, f * tilt)
            elif kind == WALL:
                r, g, b, gloss = wall(u, v, int(mesh_p[t, 0]), int(mesh_p[t, 1]), mesh_p[t, 2], mesh_p[t, 3], r, g, b, f * tilt**0.5)
                if light[DUSK] > 0.0 and gloss > 0.1:
                    on = hash2(floor_int(u / 1.9), floor_int(v / 3.0), int(mesh_p[t, 0]) + 3)
                    if on < 0.4 * light[DUSK]:
                        glow, r, g, b = 1.5, 0.5 + r, 0.36 + g, 0.18 + b
            elif kind == KERB:
                r, g, b, gloss = kerb(u, v, light, f * tilt**0.5)
            elif kind == GRASS:
                r, g, b, gloss = grass(u, v, light, f * tilt**0.5)
            else:
                r, g, b, gloss, glow = surface(kind, u, v, px, py, pz, ny, r, g, b, mesh_p[t, 0], mesh_p[t, 1], mesh_p[t, 2], f)
            open_sky = openness(px, py, pz, ny, light, contact, cell, gx0, gz0)
            # In a street less sky is seen low down than high up.
            height_share = min(max(py / 11.0, 0.0), 1.0)
            canyon = 0.55 + 0.45 * height_share
            up = 0.5 + 0.5 * ny
            lr = (light[BOUNCE] + (light[AMBIENT] - light[BOUNCE]) * up) * open_sky * canyon
            lg = (light[BOUNCE + 1] + (light[AMBIENT + 1] - light[BOUNCE + 1]) * up) * open_sky * canyon
            lb = (light[BOUNCE + 2] + (light[AMBIENT + 2] - light[BOUNCE + 2]) * up) * open_sky * canyon
            sun = 0.0
            cosine = nx * light[SUN] + ny * light[SUN + 1] + nz * light[SUN + 2]
            if kind in (LEAF, TWIG):
                cosine = 0.35 + 0.45 * abs(cosine)
            if light[SUN_ON] > 0.0 and cosine > 0.0:
                sun = cosine * lit(px + 0.06 * nx, py + 0.06 * ny, pz + 0.06 * nz, light, shadow_map, row, column)
            r, g, b = r * (lr + sun * light[SUN_COLOUR]), g * (lg + sun * light[SUN_COLOUR + 1]), b * (lb + sun * light[SUN_COLOUR + 2])
            if kind == ROAD or kind == PAVEMENT:
                gloss = gloss * 0.3 + light[WET] * (0.35 if kind == ROAD else 0.2)
            if gloss > 0.025:
                grazing = 1.0 - facing
                g2 = grazing * grazing
                mirror = gloss * (0.25 + 0.75 * g2 * g2 * 1.0) if kind != ROAD else gloss * g2 * g2
                rx, ry, rz = dx / stretch + 2.0 * facing * nx, dy / stretch + 2.0 * facing * ny, dz / stretch + 2.0 * facing * nz
                er, eg, eb = surroundings(px, rx, ry, rz, light)
                r, g, b = r * (1.0 - mirror) + er * mirror, g * (1.0 - mirror) + eg * mirror, b * (1.0 - mirror) + eb * mirror
                if sun > 0.0:
                    spec = rx * light[SUN] + ry * light[SUN + 1] + rz * light[SUN + 2]
                    if spec > 0.0:
                        s2 = spec * spec
                        s8 = s2 * s2 * s2 * s2
                        s = s8 * s8 * s8 * s8 * sun * gloss * 6.0
                        r, g, b = r + s * light[SUN_COLOUR], g + s * light[SUN_COLOUR + 1], b + s * light[SUN_COLOUR + 2]
            if glow > 0.0:
                r, g, b = r + glow * mesh_c[t, 0], g + glow * mesh_c[t, 1], b + glow * mesh_c[t, 2]
            x = light[FOG] * z
            clear = 1.0 / (1.0 + x + 0.5 * x * x)
            r = light[FOG_COLOUR] + (r - light[FOG_COLOUR]) * clear
            g = light[FOG_COLOUR + 1] + (g - light[FOG_COLOUR + 1]) * clear
            b = light[FOG_COLOUR + 2] + (b - light[FOG_COLOUR + 2]) * clear
            out[row, column, 0], out[row, column, 1], out[row, column, 2] = r, g, b
    return seed + int(light[BEND] + light[SLOPE] + light[HALF_ROAD]) * 0

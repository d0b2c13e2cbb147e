"""Triangles to samples: perspective projection with near clipping, and a scan-line fill with a depth buffer.

    triangles (T,3,3) --project--> screen (P,3,3) + parent (P,) --fill--> nearest triangle a sample

Screen vertices are (x, y, nearness). Nearness is linear in the picture (1/z for the camera, height for the sun's map),
so one fill serves both. Cut-out materials (leaves, railings, spokes) drop samples by their texture coordinates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes.alpha_mask import is_hole
from benchmarks.datasets.roadscenes.jit import inlined, kernel

NEAR_M = 0.12

Floats = npt.NDArray[np.float64]


@kernel
def project(triangles, view, screen, parent):  # type: ignore[no-untyped-def]
    """Camera projection of (T,3,3) world triangles; returns how many screen triangles were written (at most 2 T)."""
    count = 0
    points = np.empty((3, 3))
    polygon = np.empty((4, 3))
    for t in range(triangles.shape[0]):
        for k in range(3):
            dx = triangles[t, k, 0] - view.origin[0]
            dy = triangles[t, k, 1] - view.origin[1]
            dz = triangles[t, k, 2] - view.origin[2]
            for r in range(3):
                points[k, r] = view.rotation[r, 0] * dx + view.rotation[r, 1] * dy + view.rotation[r, 2] * dz
        n = 0
        for k in range(3):
            j = (k + 1) % 3
            inside, following = points[k, 2] >= NEAR_M, points[j, 2] >= NEAR_M
            if inside:
                for r in range(3):
                    polygon[n, r] = points[k, r]
                n += 1
            if inside != following:
                f = (NEAR_M - points[k, 2]) / (points[j, 2] - points[k, 2])
                for r in range(2):
                    polygon[n, r] = points[k, r] + f * (points[j, r] - points[k, r])
                polygon[n, 2] = NEAR_M
                n += 1
        for fan in range(n - 2):
            for corner in range(3):
                source = 0 if corner == 0 else fan + corner
                w = 1.0 / polygon[source, 2]
                screen[count, corner, 0] = view.cx + view.focal * polygon[source, 0] * w
                screen[count, corner, 1] = view.cy - view.focal * polygon[source, 1] * w
                screen[count, corner, 2] = w
            parent[count] = t
            count += 1
    return count


@inlined
def span(y, x0, y0, x1, y1, x2, y2, slope_a, slope_b, slope_c):  # type: ignore[no-untyped-def]
    """Where the line at height y enters and leaves a triangle; right < left where it does not meet it."""
    left, right = 1e9, -1e9
    if (y0 <= y) != (y1 <= y):
        x = x0 + (y - y0) * slope_a
        left, right = min(left, x), max(right, x)
    if (y1 <= y) != (y2 <= y):
        x = x1 + (y - y1) * slope_b
        left, right = min(left, x), max(right, x)
    if (y2 <= y) != (y0 <= y):
        x = x2 + (y - y2) * slope_c
        left, right = min(left, x), max(right, x)
    return left, right


@inlined
def sees_through(x, y, corners, inverse, perspective, uv, kind, a, b):  # type: ignore[no-untyped-def]
    """Whether a cut-out card is open at screen point (x, y). corners (3,3) of the screen triangle, uv (3,2).

    A clipped triangle's corners are not those its uv belong to, so cut-outs must lie beyond the near plane.
    """
    x0, y0, w0 = corners[0, 0], corners[0, 1], corners[0, 2]
    x1, y1, w1 = corners[1, 0], corners[1, 1], corners[1, 2]
    x2, y2, w2 = corners[2, 0], corners[2, 1], corners[2, 2]
    b1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
    b2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
    b0 = 1.0 - b1 - b2
    if perspective:
        b0, b1, b2 = b0 * w0, b1 * w1, b2 * w2
        scale = 1.0 / (b0 + b1 + b2)
        b0, b1, b2 = b0 * scale, b1 * scale, b2 * scale
    u = b0 * uv[0, 0] + b1 * uv[1, 0] + b2 * uv[2, 0]
    v = b0 * uv[0, 1] + b1 * uv[1, 1] + b2 * uv[2, 1]
    return is_hole(kind, u, v, a, b)


@kernel
def fill(screen, parent, order, mesh, perspective, best, winner, stamp, amodal):  # type: ignore[no-untyped-def]
    """Rasterise ``screen[order]``; ``best`` (H,W) keeps the nearness, ``winner`` (H,W) the parent triangle.

    ``stamp`` and ``amodal`` count each instance's samples as if nothing stood before it; triangles of one instance must
    follow each other.
    """
    height, width = best.shape
    counting = stamp.shape[0] > 1
    for p in order:
        t = parent[p]
        x0, y0, w0 = screen[p, 0, 0], screen[p, 0, 1], screen[p, 0, 2]
        x1, y1, w1 = screen[p, 1, 0], screen[p, 1, 1], screen[p, 1, 2]
        x2, y2, w2 = screen[p, 2, 0], screen[p, 2, 1], screen[p, 2, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0 or min(x0, x1, x2) >= width or max(x0, x1, x2) <= 0.0:
            continue
        low_y, high_y = max(min(y0, y1, y2), 0.0), min(max(y0, y1, y2), float(height))
        inverse = 1.0 / area
        wx = ((w1 - w0) * (y2 - y0) - (w2 - w0) * (y1 - y0)) * inverse
        wy = ((w2 - w0) * (x1 - x0) - (w1 - w0) * (x2 - x0)) * inverse
        kind, who = mesh.material[t], mesh.instance[t]
        slope_a = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
        slope_b = (x2 - x1) / (y2 - y1) if y2 != y1 else 0.0
        slope_c = (x0 - x2) / (y0 - y2) if y0 != y2 else 0.0
        for row in range(int(low_y), min(int(high_y) + 1, height)):
            y = row + 0.5
            left, right = span(y, x0, y0, x1, y1, x2, y2, slope_a, slope_b, slope_c)
            if right <= left:
                continue
            for column in range(int(max(left + 0.5, 0.0)), int(min(right + 0.5, float(width)))):
                x = column + 0.5
                w = w0 + wx * (x - x0) + wy * (y - y0)
                nearer = w > best[row, column]
                if not nearer and not (counting and who > 0):
                    continue
                if kind >= 40 and sees_through(
                    x,
                    y,
                    screen[p],
                    inverse,
                    perspective,
                    mesh.uv[t],
                    kind,
                    mesh.parameters[t, 0],
                    mesh.parameters[t, 1],
                ):
                    continue
                if nearer:
                    best[row, column], winner[row, column] = w, t
                if counting and who > 0 and stamp[row, column] != who:
                    stamp[row, column] = who
                    amodal[who] += 1

"""The camera's pose, and its film: exposure, downsampling, blur, tone curve, sensor noise.

radiance (2H,2W,3) --mean of 4, exposed, clipped--> (H,W,3) --vignette, blur, sharpen--> --noise, tone curve--> uint8
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.datasets.roadscenes.jit import kernel
from benchmarks.datasets.roadscenes.noise import hash2

Floats = npt.NDArray[np.float64]


class View(NamedTuple):
    """A camera at one picture size, as kernels read it. rotation (3,3), origin (3,). focal, cx, cy: in samples."""

    rotation: Floats
    origin: Floats
    focal: float
    cx: float
    cy: float


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    position: metres. yaw, pitch, roll: radians, yaw towards +x, pitch upwards. focal: in image widths.
    """

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    focal: float

    def rotation(self) -> Floats:
        """(3,3): rows are the camera's right, up and forward axes in the world."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([sy * cp, sp, cy * cp])
        right = np.array([cy, 0.0, -sy])
        up = np.array([-sy * sp, cp, -cy * sp])
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        return np.stack([right * cr + up * sr, up * cr - right * sr, forward])

    def view(self, width: int, height: int) -> View:
        """This camera for pictures of width x height pixels, two samples a pixel each way."""
        return View(self.rotation(), np.array(self.position), self.focal * 2 * width, float(width), float(height))


@dataclass(frozen=True)
class Film:
    """The camera's response to light.

    exposure: mean of the non-sky part after exposure. blur: sigma in pixels. motion: streak in pixels. noise: sigma in
    8-bit steps at mid grey. grain: 0 white noise, 1 smooth. sharpen: overshoot. tint: gains (3,).
    """

    exposure: float
    blur: float
    motion: float
    noise: float
    grain: float
    sharpen: float
    vignette: float
    contrast: float
    saturation: float
    tint: tuple[float, float, float]


@kernel
def resolve(radiance, gain, red, green, blue, out):  # type: ignore[no-untyped-def]
    """Mean of 2x2 samples, each exposed and clipped as a sensor's well is, so bright sky eats into thin branches."""
    height, width = out.shape[0], out.shape[1]
    for row in range(height):
        for column in range(width):
            for channel in range(3):
                k = gain * (red if channel == 0 else (green if channel == 1 else blue))
                total = 0.0
                for i in range(2):
                    for j in range(2):
                        total += min(radiance[2 * row + i, 2 * column + j, channel] * k, 1.6)
                out[row, column, channel] = 0.25 * total


@kernel
def smooth(image, taps, axis, out):  # type: ignore[no-untyped-def]
    """Filter (H,W,3) along an axis with odd, normalised taps; edges repeat."""
    height, width = image.shape[0], image.shape[1]
    half = taps.shape[0] // 2
    down, along = (1, 0) if axis == 0 else (0, 1)
    for row in range(height):
        for column in range(width):
            index, end = (row, height) if axis == 0 else (column, width)
            r = g = b = 0.0
            if half <= index < end - half:
                for k in range(-half, half + 1):
                    i, j, w = row + k * down, column + k * along, taps[k + half]
                    r, g, b = r + w * image[i, j, 0], g + w * image[i, j, 1], b + w * image[i, j, 2]
            else:
                for k in range(-half, half + 1):
                    i, j = min(max(row + k * down, 0), height - 1), min(max(column + k * along, 0), width - 1)
                    w = taps[k + half]
                    r, g, b = r + w * image[i, j, 0], g + w * image[i, j, 1], b + w * image[i, j, 2]
            out[row, column, 0], out[row, column, 1], out[row, column, 2] = r, g, b


@kernel
def expose(image, soft, curve, sharpen, vignette, saturation, noise, grain, seed, out):  # type: ignore[no-untyped-def]
    """Vignette, sharpening (image minus ``soft``), saturation, tone curve, noise (stronger in the dark), rounding."""
    height, width = image.shape[0], image.shape[1]
    top = curve.shape[0] - 1
    for row in range(height):
        y = (row + 0.5) / height - 0.5
        for column in range(width):
            x = (column + 0.5) / width - 0.5
            fall = 1.0 - vignette * (x * x + y * y) * 2.0
            common = 0.0
            if noise > 0.0:
                a = hash2(row, column, seed) + hash2(row, column, seed + 1) + hash2(row, column, seed + 2) - 1.5
                coarse = hash2(row, column >> 1, seed + 3) + hash2(row >> 1, column, seed + 4) - 1.0
                common = a * 2.0 * (1.0 - grain) + coarse * 1.6 * grain
            mean = 0.0
            for channel in range(3):
                mean += image[row, column, channel]
            mean *= 0.3333333333333333
            for channel in range(3):
                value = image[row, column, channel]
                value = mean + (value - mean) * saturation
                value += sharpen * (image[row, column, channel] - soft[row, column, channel])
                value = min(max(value * fall, 0.0), 1.6)
                position = value * (top / 1.6)
                k = min(int(position), top - 1)
                level = curve[k] + (curve[k + 1] - curve[k]) * (position - k)
                if noise > 0.0:
                    own = hash2(row >> 1, (column >> 1) * 3 + channel, seed + 5) - 0.5
                    level += noise * (common + own * 1.5) * (1.25 - level * 0.004)
                out[row, column, channel] = int(min(max(level + 0.5, 0.0), 255.0))


def tone_curve(contrast: float) -> Floats:
    """8-bit level for radiance 0 to 1.6 in 4096 steps: sRGB-like gamma under a film S of the given strength."""
    x = np.linspace(0.0, 1.6, 4097)
    y = np.minimum(x, 1.0 + 0.0 * x)
    y = np.where(y < 0.0031308, 12.92 * y, 1.055 * np.power(np.maximum(y, 1e-12), 1 / 2.4) - 0.055)
    s = y * y * (3.0 - 2.0 * y)
    curve: Floats = np.round(255.0 * (y + contrast * (s - y)), 9)
    return curve


def gaussian(sigma: float) -> Floats:
    """Normalised odd taps."""
    half = max(1, int(np.ceil(2.5 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma, 1e-3)) ** 2)
    weights: Floats = np.round(taps / taps.sum(), 12)
    return weights


def develop(
    radiance: npt.NDArray[np.float32], ground: npt.NDArray[np.bool_], film: Film, seed: int
) -> npt.NDArray[np.uint8]:
    """Radiance (2H,2W,3) to a uint8 image (H,W,3). ground: bool (2H,2W), True except on sky; it sets the exposure."""
    height, width = radiance.shape[0] // 2, radiance.shape[1] // 2
    seen = np.minimum(radiance[::4, ::4, 1].astype(np.float64), 4.0)
    mask = ground[::4, ::4]
    level = float(seen[mask].mean()) if mask.any() else float(seen.mean())
    image = np.empty((height, width, 3))
    scratch = np.empty_like(image)
    resolve(radiance, film.exposure / max(level, 1e-4), *film.tint, image)
    taps = gaussian(film.blur)
    smooth(image, taps, 0, scratch)
    smooth(scratch, taps, 1, image)
    if film.motion >= 1.0:
        n = 2 * int(film.motion) + 1
        smooth(image, np.full(n, 1.0 / n), 1, scratch)
        image, scratch = scratch, image
    wide = np.array([0.25, 0.5, 0.25])
    smooth(image, wide, 0, scratch)
    soft = np.empty_like(image)
    smooth(scratch, wide, 1, soft)
    out = np.empty((height, width, 3), np.uint8)
    expose(
        image,
        soft,
        tone_curve(film.contrast),
        film.sharpen,
        film.vignette,
        film.saturation,
        film.noise,
        film.grain,
        seed,
        out,
    )
    return out

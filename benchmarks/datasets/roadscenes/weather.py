"""Time of day and weather drawn at random: the scene's light vector, and the camera film that goes with it."""

from __future__ import annotations

import numpy as np

from benchmarks.datasets.roadscenes import light as slot
from benchmarks.datasets.roadscenes.camera import Film
from benchmarks.datasets.roadscenes.mesh import Floats


def draw_light(rng: np.random.Generator) -> tuple[Floats, str]:
    """Light vector with sun, sky, haze and clouds set, and the name of the weather: sun, veil, overcast or dusk."""
    v = np.zeros(slot.SLOTS)
    weather = str(rng.choice(["sun", "veil", "overcast", "dusk"], p=[0.50, 0.16, 0.25, 0.09]))
    elevation = {
        "sun": rng.uniform(0.30, 0.95),
        "veil": rng.uniform(0.35, 0.9),
        "overcast": rng.uniform(1.2, 1.45),
        "dusk": rng.uniform(1.2, 1.4),
    }[weather]
    azimuth = rng.uniform(0, 2 * np.pi)
    v[slot.SUN : slot.SUN + 3] = (
        np.cos(elevation) * np.sin(azimuth),
        np.sin(elevation),
        np.cos(elevation) * np.cos(azimuth),
    )
    warm = float(np.clip(1.1 - elevation, 0.0, 0.8))
    blue = np.array([0.20, 0.38, 0.80])
    white = np.array([1.0, 1.03, 1.08])
    if weather in ("sun", "veil"):
        strength = rng.uniform(2.6, 4.4) if weather == "sun" else rng.uniform(0.9, 1.8)
        sun = strength * np.array([1.0, 0.95 - 0.16 * warm, 0.86 - 0.42 * warm])
        haze = rng.uniform(0.0, 0.35) if weather == "sun" else rng.uniform(0.5, 0.9)
        zenith = blue * (1 - haze) + white * haze * 0.9
        horizon = (np.array([0.75, 0.92, 1.15]) * (1 - haze) + white * haze) * rng.uniform(1.0, 1.5)
        ambient = (0.30 * zenith + 0.50 * horizon + 0.20 * horizon.mean()) * rng.uniform(0.55, 0.9)
        clouds, on = (rng.uniform(-0.1, 0.75) if rng.uniform() < 0.7 else 0.0), 1.0
        cloud_colour = np.array([1.35, 1.34, 1.36]) * rng.uniform(0.9, 1.4)
        v[slot.SOFT] = 1.0 if weather == "sun" else 3.0
    else:
        dusk = weather == "dusk"
        grey = rng.uniform(0.7, 1.1) * (0.55 if dusk else 1.0)
        zenith = grey * np.array([0.80, 0.86, 0.98]) * (np.array([0.6, 0.7, 1.0]) if dusk else 1.0)
        horizon = grey * (np.array([1.25, 0.95, 0.75]) if dusk else np.array([1.25, 1.28, 1.32]))
        ambient = (0.6 * zenith + 0.4 * horizon) * 1.0
        sun = ambient * 0.75
        clouds, on = (rng.uniform(0.3, 0.9) if rng.uniform() < 0.7 else 0.0), 1.0
        cloud_colour = zenith * rng.uniform(0.7, 1.05)
        v[slot.SOFT] = 9.0
        v[slot.DUSK] = 1.0 if dusk else 0.0
        v[slot.LAMPS] = 1.0 if dusk else 0.0
    _set(v, slot.SUN_COLOUR, sun)
    _set(v, slot.AMBIENT, ambient)
    _set(v, slot.BOUNCE, 0.16 * ambient + 0.035 * sun)
    _set(v, slot.ZENITH, zenith)
    _set(v, slot.HORIZON, horizon)
    _set(v, slot.FOG_COLOUR, (0.5 * horizon + 0.5 * horizon.mean()) * rng.uniform(0.45, 0.8))
    _set(v, slot.CLOUD_COLOUR, cloud_colour)
    v[slot.FOG] = rng.uniform(0.0002, 0.0022) if rng.uniform() < 0.88 else rng.uniform(0.003, 0.010)
    v[slot.CLOUDS], v[slot.SUN_ON] = clouds, on
    v[slot.WET] = rng.uniform(0.3, 1.0) if weather in ("overcast", "dusk") and rng.uniform() < 0.35 else 0.0
    return v, weather


def _set(v: Floats, start: int, colour: Floats) -> None:
    v[start : start + 3] = colour


def draw_film(rng: np.random.Generator, weather: str) -> Film:
    """The camera's settings: mostly sharp and clean, now and then shaken, soft or noisy."""
    low_light = weather == "dusk"
    shaken = rng.uniform() < 0.06
    return Film(
        exposure=float(rng.uniform(0.085, 0.19)) * (0.75 if low_light else 1.0),
        blur=float(rng.uniform(0.28, 0.45)) if rng.uniform() < 0.9 else float(rng.uniform(0.5, 0.85)),
        motion=float(rng.uniform(1.0, 2.0)) if shaken else 0.0,
        noise=float(rng.uniform(0.5, 1.9)) * (1.7 if low_light else 1.0),
        grain=float(rng.uniform(0.3, 0.8)),
        sharpen=float(rng.uniform(0.2, 0.9)),
        vignette=float(rng.uniform(0.05, 0.4)),
        contrast=float(rng.uniform(0.4, 1.0)),
        saturation=float(rng.uniform(0.75, 1.15)),
        tint=(float(rng.uniform(0.94, 1.04)), 1.0, float(rng.uniform(0.96, 1.10))),
    )

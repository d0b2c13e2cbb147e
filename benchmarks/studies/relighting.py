"""Does w control the lighting? Scenes relit in the bitstream, against renderings: ``hsc-bench relighting --help``.

stream of scene A ──w replaced by the w of scene B's stream──> A in the light of B   versus   A rendered in that light
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import CODECS, DATASETS, Relights
from benchmarks.harness.progress import Progress, Silent
from benchmarks.imaging.psnr import psnr
from hsc.api import DecodesLatents, Edits, Image
from hsc.errors import UnavailableError, UsageError

WAYS = ("as it is", "w of another scene in that light", "w of this scene in that light", "coded in that light")
"""The ways to make an image that is compared with the scene in the other light; the last is an upper bound."""
_LIGHT_OFFSET = 7
"""Offset to the scene whose lighting is borrowed."""


class Relit(NamedTuple):
    """A scene in another light, rendered and by each way.

    original: the scene in its own light. wanted: rendered in the other light. made: an image for each of ``WAYS``.
    size_bytes: of the stream that is edited.
    """

    original: Image
    wanted: Image
    made: tuple[Image, ...]
    size_bytes: int


def relight(dataset: Any, codec: Any, index: int) -> Relit:
    """Scene ``index`` in the light of another one, by each of ``WAYS``."""
    light_of = (index + _LIGHT_OFFSET) % len(dataset)
    image, wanted = dataset.load(index).image, dataset.relit(index, light_of)
    own, lit, lender = (codec.encode(scene) for scene in (image, wanted, dataset.load(light_of).image))
    w_own, w_lit, w_lender = (codec.decode_latents(data, ("w_hat",)).maps["w_hat"] for data in (own, lit, lender))
    images = (
        codec.decode(own),
        codec.edit(own, w_lender - w_own, 1.0),
        codec.edit(own, w_lit - w_own, 1.0),
        codec.decode(lit),
    )
    return Relit(image, wanted, images, len(own))


def measure(dataset: Any, codec: Any, images: int, progress: Progress | None = None) -> tuple[str, list[Relit]]:
    """Relight the first ``images`` scenes: (a Markdown table, the images behind it).

    Raises:
        UsageError: the data set cannot show its scenes in another light, or has fewer; the codec cannot edit.
        UnavailableError: the codec cannot be used here.
    """
    spec, reason = CODECS.spec(codec), codec.available()
    can_relight = isinstance(dataset, Relights)
    if not can_relight:
        raise UsageError(f"{DATASETS.spec(dataset)} cannot show its scenes in another light; take roadscenes")
    if not isinstance(codec, Edits) or not isinstance(codec, DecodesLatents):
        raise UsageError(f"{spec} cannot edit its streams; take hsc")
    if reason:
        raise UnavailableError(reason)
    if not 1 <= images <= len(dataset):
        raise UsageError(f"{images} images were asked for, the data set has 1 to {len(dataset)}")
    progress, scenes = progress or Silent(), []
    progress.begin("scenes", images)
    for index in range(images):
        scenes.append(relight(dataset, codec, index))
        progress.advance(str(index), 1)
    progress.end()
    by_way = [[_difference(scene.made[way], scene.wanted) for scene in scenes] for way in range(len(WAYS))]
    in_own_light = _mean_cells([_difference(scene.made[0], scene.original) for scene in scenes])
    lines = [
        f"{images} scenes of `{DATASETS.spec(dataset)}`, `{spec}`, each against itself in the light of the "
        f"{_LIGHT_OFFSET}th after it:",
        "means over scenes. Colour: how far the mean colour is off, in levels of 255, mean over channels.",
        "",
        "| made | against | PSNR dB | colour |",
        "|---|---|---|---|",
        f"| {WAYS[0]} | the scene in its own light | {in_own_light} |",
        *(f"| {way} | the scene in that light | {_mean_cells(rows)} |" for way, rows in zip(WAYS, by_way, strict=True)),
        "",
    ]
    return "\n".join(lines), scenes


class _Difference(NamedTuple):
    """Two images' PSNR, infinite for equal images, and the difference of their mean colours in levels of 255."""

    psnr_db: float
    colour: float


def _difference(image: Image, wanted: Image) -> _Difference:
    """How far an image is from the one wanted."""
    colour = np.abs(image.mean((0, 1)) - wanted.mean((0, 1))).mean()
    return _Difference(psnr(image, wanted) or np.inf, float(colour))


def _mean_cells(differences: Sequence[_Difference]) -> str:
    """The means as two cells of a table."""
    means: npt.NDArray[np.float64] = np.array(differences).mean(0)
    return f"{means[0]:.2f} | {means[1]:.1f}"

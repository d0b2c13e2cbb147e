"""Does w rule the light? Scenes edited in the bitstream, against what they look like in that light: ``python -m
benchmarks.relighting --help``.

stream of scene A ──w replaced by that of scene B's stream──> A in the light of B      against      A rendered in the light of B
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import CODECS, DATASETS
from benchmarks.harness.progress import Progress, Silent
from benchmarks.imaging.psnr import psnr
from hsc.api import DecodesLatents, Edits, Image
from hsc.errors import UnavailableError, UsageError

WAYS = ("as it is", "w of another scene in that light", "w of this scene in that light", "coded in that light")
"""How the image is made that is held against the scene in the other light; nothing beats the last."""
_FURTHER = 7
"""Whose light a scene is shown in: the one so many further on."""


class Relit(NamedTuple):
    """wanted: the scene in the other light. made: an image for each of ``WAYS``. size_bytes: of the stream that is
    edited.
    """

    original: Image
    wanted: Image
    made: tuple[Image, ...]
    size_bytes: int


def relight(dataset: Any, codec: Any, index: int) -> Relit:
    """Scene ``index`` in the light of another one, by each of ``WAYS``."""
    other = (index + _FURTHER) % len(dataset)
    image, wanted = dataset.load(index).image, dataset.relit(index, other)
    own, lit, far = (codec.encode(seen) for seen in (image, wanted, dataset.load(other).image))
    w_own, w_lit, w_far = (codec.decode_latents(data, ("w_hat",)).maps["w_hat"] for data in (own, lit, far))
    made = (
        codec.decode(own),
        codec.edit(own, w_far - w_own, 1.0),
        codec.edit(own, w_lit - w_own, 1.0),
        codec.decode(lit),
    )
    return Relit(image, wanted, made, len(own))


def measure(dataset: Any, codec: Any, images: int, progress: Progress | None = None) -> tuple[str, list[Relit]]:
    """The first ``images`` scenes: a table as Markdown, and what it was made of.

    Raises:
        UsageError: the data set cannot show its scenes in another light, or has not so many; the codec cannot edit.
        UnavailableError: the codec cannot be used here.
    """
    named, reason = CODECS.spec(codec), codec.available()
    if not hasattr(dataset, "relit"):
        raise UsageError(f"{DATASETS.spec(dataset)} cannot show its scenes in another light; take roadscenes")
    if not isinstance(codec, Edits) or not isinstance(codec, DecodesLatents):
        raise UsageError(f"{named} cannot edit its streams; take hsc")
    if reason:
        raise UnavailableError(reason)
    if not 1 <= images <= len(dataset):
        raise UsageError(f"{images} images were asked for, the data set has 1 to {len(dataset)}")
    progress, found = progress or Silent(), []
    progress.begin("scenes", images)
    for index in range(images):
        found.append(relight(dataset, codec, index))
        progress.advance(str(index), 1)
    progress.end()
    rows = [[_facts(one.made[way], one.wanted) for one in found] for way in range(len(WAYS))]
    same = _facts_of([_facts(one.made[0], one.original) for one in found])
    lines = [
        f"{images} scenes of `{DATASETS.spec(dataset)}`, `{named}`, each against itself in the light of the "
        f"{_FURTHER}th after it:",
        "means over scenes. Colour: how far the mean colour is off, in levels of 255, mean over channels.",
        "",
        "| made | against | PSNR dB | colour |",
        "|---|---|---|---|",
        f"| {WAYS[0]} | the scene in its own light | {same} |",
        *(f"| {way} | the scene in that light | {_facts_of(row)} |" for way, row in zip(WAYS, rows, strict=True)),
        "",
    ]
    return "\n".join(lines), found


def _facts(image: Image, wanted: Image) -> tuple[float, float]:
    """PSNR in dB, and how far the mean colour is off."""
    off = np.abs(image.mean((0, 1)) - wanted.mean((0, 1))).mean()
    return psnr(image, wanted) or np.inf, float(off)


def _facts_of(rows: Sequence[tuple[float, float]]) -> str:
    means: npt.NDArray[np.float64] = np.array(rows).mean(0)
    return f"{means[0]:.2f} | {means[1]:.1f}"

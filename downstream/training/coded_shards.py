"""What a codec leaves of training images, as it comes from ``python -m benchmarks.coded``: a folder of .npz files.

clean, decoded    uint8   (n, H, W, 3)   a view, and what the decoder makes of its bytes
latent_NAME       float16 (n, ...)       what ``decode_latents`` makes of the same bytes; none for codecs without latents
points            str     (n,)           the rate at which each was coded, and how many layers were kept
size_bytes        int64   (n,)           length of each file
codec, specs      str     ()             the codec's spec, and its LatentSpecs as JSON
boxes_xyxy, labels, ignored, owner, classes                 as in downstream/training/shards.py, where there are boxes
semantic, semantic_classes, semantic_space                  as in downstream/training/map_shards.py, where there are label maps
source            str     ()             data set, its revision and the images' indices, in words
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from downstream.api import LabelSpace
from downstream.training.shards import boxes_by_image, read_shards
from hsc.api import Image, LatentSpec
from hsc.errors import DataError

LATENT = "latent_"
_ALWAYS = ("clean", "decoded", "points", "codec", "specs", "source")
_OF_TASK = {
    "detection": ("boxes_xyxy", "labels", "ignored", "owner", "classes"),
    "segmentation": ("semantic", "semantic_classes", "semantic_space"),
}


@dataclass
class Coded:
    """All views of a folder, in memory. Entry i of each list is of view i; ``decoded`` or ``latents`` is empty where it
    was not asked for.

    truth: ``Boxes``, or uint8 (H, W) label maps. space: the classes they are in. specs: of the latents.
    """

    codec: str
    specs: tuple[LatentSpec, ...]
    space: LabelSpace
    clean: list[Image] = field(default_factory=list)
    decoded: list[Image] = field(default_factory=list)
    latents: dict[str, list[npt.NDArray[np.float16]]] = field(default_factory=dict)
    truth: list[Any] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def read_coded(folder: Path, task: str, *, latents: bool) -> Coded:
    """Read every shard of a folder, in the order of their names: latents, or else decoded images.

    Raises:
        DataError: there is none, one is damaged, lacks what the task learns from, or is of another codec than those
        before.
    """
    found: Coded | None = None
    for name, shard in read_shards(folder, (*_ALWAYS, *_OF_TASK[task])):
        codec, specs, space = str(shard["codec"]), specs_from(str(shard["specs"])), _space(shard, task)
        if found is None:
            found = Coded(codec, specs, space)
        if (codec, specs, space) != (found.codec, found.specs, found.space):
            raise DataError(
                f"{name} was coded by {codec} and labelled in {space.name}, the shards before by {found.codec} in "
                f"{found.space.name}"
            )
        if latents and not specs:
            raise DataError(
                f"{name} holds no latents, since {codec} hands out none; train on its images, or code with another "
                f"codec"
            )
        _add(found, shard, task, latents)
    assert found is not None
    return found


def _add(found: Coded, shard: Mapping[str, npt.NDArray[Any]], task: str, latents: bool) -> None:
    found.clean += list(shard["clean"])
    if latents:
        for spec in found.specs:
            found.latents.setdefault(spec.name, []).extend(shard[LATENT + spec.name])
    else:
        found.decoded += list(shard["decoded"])
    found.truth += boxes_by_image(shard, len(shard["clean"])) if task == "detection" else list(shard["semantic"])
    found.points += [str(point) for point in shard["points"]]
    found.sources.append(str(shard["source"]))


def _space(shard: Mapping[str, npt.NDArray[Any]], task: str) -> LabelSpace:
    names = shard["classes" if task == "detection" else "semantic_classes"]
    return LabelSpace("" if task == "detection" else str(shard["semantic_space"]), tuple(str(one) for one in names))


def specs_to(specs: Sequence[LatentSpec]) -> str:
    """Specs as JSON; ``specs_from`` reads them back."""
    return json.dumps([asdict(spec) for spec in specs])


def specs_from(text: str) -> tuple[LatentSpec, ...]:
    """The specs of ``specs_to``.

    Raises:
        DataError: the text is none.
    """
    try:
        return tuple(
            LatentSpec(one["name"], tuple(one["shape"]), one["stride"], one["space"]) for one in json.loads(text)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the specs of the latents in a shard cannot be read: {error}; code it again") from error

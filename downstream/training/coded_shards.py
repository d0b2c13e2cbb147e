"""Training shards of coded views, as ``hsc-bench encode-shards`` writes them: a folder of .npz files.

clean, decoded    uint8   (n, H, W, 3)   a view before coding, and the image decoded from its bitstream
latent_NAME       float16 (n, ...)       the latents decoded from the same bitstream; none for codecs without latents
points            str     (n,)           the operating point of each bitstream, and how many layers were kept
size_bytes        int64   (n,)           length of each bitstream
codec, specs      str     ()             the codec's spec, and its LatentSpecs as JSON
source            str     ()             data set, its revision and the images' indices, in words

boxes_xyxy, labels, ignored, owner, classes   as in downstream/training/shards.py, if the data set has boxes
semantic, semantic_classes, semantic_space    as in downstream/training/map_shards.py, if it has label maps
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
    """All views of a folder, in memory. Entry i of each list belongs to view i.

    codec: the codec's spec. specs: of its latents. space: the classes of ``truth``. clean, decoded: images before and
    after coding. latents: by name. truth: ``Boxes``, or label maps uint8 (H, W). Either ``decoded`` or ``latents`` is
    empty, as it was read. sources: the origin of each shard, in words.
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
    """Read every shard of a folder, in the order of their names: its latents, or else its decoded images.

    Raises:
        DataError: there is no shard, or a shard is damaged, lacks the labels of the task, or has another codec or other
        classes than earlier shards.
    """
    coded: Coded | None = None
    for name, shard in read_shards(folder, (*_ALWAYS, *_OF_TASK[task])):
        codec, specs, space = str(shard["codec"]), specs_from(str(shard["specs"])), _space(shard, task)
        if coded is None:
            coded = Coded(codec, specs, space)
        if (codec, specs, space) != (coded.codec, coded.specs, coded.space):
            raise DataError(
                f"{name} was coded by {codec} and labelled in {space.name}, earlier shards by {coded.codec} in "
                f"{coded.space.name}"
            )
        if latents and not specs:
            raise DataError(
                f"{name} holds no latents, because {codec} offers none; train on its decoded images, or encode with "
                f"another codec"
            )
        _add(coded, shard, task, latents)
    assert coded is not None
    return coded


def _add(coded: Coded, shard: Mapping[str, npt.NDArray[Any]], task: str, latents: bool) -> None:
    coded.clean += list(shard["clean"])
    if latents:
        for spec in coded.specs:
            coded.latents.setdefault(spec.name, []).extend(shard[LATENT + spec.name])
    else:
        coded.decoded += list(shard["decoded"])
    coded.truth += boxes_by_image(shard, len(shard["clean"])) if task == "detection" else list(shard["semantic"])
    coded.points += [str(point) for point in shard["points"]]
    coded.sources.append(str(shard["source"]))


def _space(shard: Mapping[str, npt.NDArray[Any]], task: str) -> LabelSpace:
    names = shard["classes" if task == "detection" else "semantic_classes"]
    return LabelSpace("" if task == "detection" else str(shard["semantic_space"]), tuple(str(name) for name in names))


def specs_to(specs: Sequence[LatentSpec]) -> str:
    """Latent specs as JSON, which ``specs_from`` reads back."""
    return json.dumps([asdict(spec) for spec in specs])


def specs_from(text: str) -> tuple[LatentSpec, ...]:
    """Latent specs from the JSON of ``specs_to``.

    Raises:
        DataError: the text is not of this form.
    """
    try:
        return tuple(
            LatentSpec(spec["name"], tuple(spec["shape"]), spec["stride"], spec["space"]) for spec in json.loads(text)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the latent specs of a shard cannot be read: {error}; encode it again") from error

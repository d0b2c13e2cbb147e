"""Encodes training shards so that heads can be fine-tuned on decoded images or latents.

    shard --view, rate drawn at random--> codec.encode --> bytes --decode---------> decoded images
                                                             \\\\--decode_latents--> latents

The command is ``hsc-bench encode-shards``. Nothing is simulated: the images and latents are decoded from the codec's
real bitstreams. The files' fields are described in downstream/training/coded_shards.py;
``python -m downstream.training --input latents`` and ``--input images`` read them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.executors import Executor
from benchmarks.harness.operating_points import curve_label, point_label
from downstream.training.coded_shards import LATENT, specs_to
from downstream.training.coded_views import View, coded_view
from downstream.training.shards import Boxes, boxes_by_image, read_shard
from hsc.api import Codec, DecodesLatents, Layered
from hsc.errors import DataError, HscError, UnavailableError, UsageError


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Settings of the random views and rates.

    views: views drawn of each image. height, width: of a view in pixels. whole: use each image as it is, without views.
    alone: share of layered streams that are cut after their first layer, so that heads learn the semantics alone. cut:
    share that is cut after a layer drawn at random. seed: of all draws.
    """

    views: int = 1
    height: int = 256
    width: int = 384
    whole: bool = False
    cut: float = 0.2
    seed: int = 0
    alone: float = 0.0

    def __post_init__(self) -> None:
        if self.views < 1 or min(self.height, self.width) < 32 or min(self.cut, self.alone) < 0:
            raise UsageError(
                f"{self.views} views of {self.height}x{self.width}, shares of {self.cut} cut and {self.alone} of the "
                f"first layer alone: expected 1 view or more, 32x32 pixels or more, and shares of 0 or more"
            )
        if self.cut + self.alone > 1:
            raise UsageError(
                f"a share of {self.cut} is cut after a random layer and one of {self.alone} after the first; expected "
                f"at most 1 together"
            )


class Job(NamedTuple):
    """One shard to encode. number: the shard's index in its folder. view: the index of the view drawn of each image."""

    source: Path
    target: Path
    number: int
    view: int
    codec: Codec
    drawing: Drawing


def code_folder(folder: Path, codec: Codec, out: Path, drawing: Drawing, executor: Executor) -> int:
    """Encode every shard of a folder, once for each view, and return the number of new files.

    Raises:
        UnavailableError: the codec cannot run here.
        UsageError: it has no rate to draw.
        DataError: there are no shards, or one could not be coded.
    """
    if reason := codec.available():
        raise UnavailableError(reason)
    _ladder_ends(codec)
    sources = sorted(folder.glob("*.npz"))
    if not sources:
        raise DataError(f"no .npz shards in {folder}; make them with hsc-bench export-shards")
    out.mkdir(parents=True, exist_ok=True)
    views = 1 if drawing.whole else drawing.views
    jobs = [
        Job(source, out / f"{source.stem}-v{view}.npz", number, view, codec, drawing)
        for view in range(views)
        for number, source in enumerate(sources)
    ]
    jobs = [job for job in jobs if not job.target.exists()]
    for job, reason, died in executor.run(code_shard, jobs):
        if reason or died:
            raise DataError(f"{job.source.name} could not be coded: {reason or died}")
    return len(jobs)


def code_shard(job: Job) -> str | None:
    """Encode one shard and write it. Returns None, or the reason why it failed."""
    try:
        _, shard = read_shard(job.source, ("images", "source"))
        arrays = _coded(job, shard)
        partial = job.target.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, job.target)
    except (HscError, OSError) as error:
        return str(error)
    return None


def _coded(job: Job, shard: dict[str, Any]) -> dict[str, Any]:
    """The arrays of the encoded shard."""
    boxes = boxes_by_image(shard, len(shard["images"])) if "boxes_xyxy" in shard else None
    labels = list(shard["semantic"]) if "semantic" in shard else None
    views, coded = [], []
    for i, image in enumerate(shard["images"]):
        random = np.random.default_rng([job.drawing.seed, job.number, i, job.view])
        view = View(image, boxes[i] if boxes else None, labels[i] if labels else None)
        if not job.drawing.whole:
            view = coded_view(view, random, height=job.drawing.height, width=job.drawing.width)
        views.append(view)
        coded.append(_code(job.codec, view.image, random, job.drawing))
    specs = job.codec.latent_specs() if isinstance(job.codec, DecodesLatents) else ()
    texts = {
        "codec": curve_label(job.codec),
        "specs": specs_to(specs),
        "source": f"{shard['source']}, seed {job.drawing.seed} view {job.view}",
    }
    arrays: dict[str, Any] = {name: np.array(text) for name, text in texts.items()}
    arrays |= {name: np.stack([fields[name] for fields in coded]) for name in coded[0]}
    arrays |= {"clean": np.stack([view.image for view in views])}
    arrays |= {name: shard[name] for name in ("classes", "semantic_classes", "semantic_space") if name in shard}
    if labels:
        arrays["semantic"] = np.stack([view.labels for view in views if view.labels is not None])
    return arrays | (_boxes([view.boxes for view in views if view.boxes is not None]) if boxes else {})


def _code(codec: Codec, image: Any, random: np.random.Generator, drawing: Drawing) -> dict[str, Any]:
    """Encode one image at a rate drawn at random: the decoded image, operating point, size, and latents if any."""
    low, high = _ladder_ends(codec)
    floats = isinstance(low, float)
    rate = float(random.uniform(low, high)) if floats else int(random.integers(low, high + 1))
    at_rate = dataclasses.replace(codec, **{codec.rate_field: rate})  # type: ignore[type-var]
    data, point = at_rate.encode(image), point_label(at_rate)
    layers = _layers_kept(len(at_rate.layers), random, drawing) if isinstance(at_rate, Layered) else None
    if isinstance(at_rate, Layered) and layers is not None:
        data, point = at_rate.cut(data, layers), f"{point}, {layers} layers"
    fields: dict[str, Any] = {
        "decoded": at_rate.decode(data),
        "points": np.array(point),
        "size_bytes": np.int64(len(data)),
    }
    if isinstance(at_rate, DecodesLatents):
        for name, values in at_rate.decode_latents(data).maps.items():
            fields[LATENT + name] = values.astype(np.float16)
            if not np.isfinite(fields[LATENT + name]).all():
                raise DataError(
                    f"the latent {name} holds values that are not finite in 16 bits; heads cannot be trained on it"
                )
    return fields


def _layers_kept(layers: int, random: np.random.Generator, drawing: Drawing) -> int | None:
    """How many of a stream's layers are kept, None for all of them."""
    draw = random.random()
    if draw >= drawing.cut + drawing.alone:
        return None
    return int(random.integers(1, layers)) if draw < drawing.cut else 1


def _ladder_ends(codec: Codec) -> tuple[Any, Any]:
    """The lowest and the highest number of the codec's ladder.

    Raises:
        UsageError: it has no ladder, or a ladder without numbers.
    """
    ends = sorted((codec.ladder[0], codec.ladder[-1])) if codec.rate_field else []
    if not ends or not isinstance(ends[0], int | float):
        raise UsageError(
            f"{curve_label(codec)} has no rate that could be drawn at random; "
            f"expected a codec with numbers on its ladder"
        )
    return ends[0], ends[1]


def _boxes(boxes: Sequence[Boxes]) -> dict[str, Any]:
    """The boxes of all images in one array each; ``owner`` is the index of each box's image."""
    return {
        "boxes_xyxy": np.concatenate([of_image.boxes_xyxy for of_image in boxes]).astype(np.float32),
        "labels": np.concatenate([of_image.labels for of_image in boxes]),
        "ignored": np.concatenate([of_image.ignored for of_image in boxes]),
        "owner": np.repeat(np.arange(len(boxes)), [len(of_image.labels) for of_image in boxes]),
    }

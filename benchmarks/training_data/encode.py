"""Codes training shards, for heads that are adapted to a codec: ``python -m benchmarks.coded --help``.

    shard --view, rate drawn at random--> codec.encode --> bytes --decode---------> decoded images
                                                             \\\\--decode_latents--> latents

What comes out are the codec's real bytes, decoded: nothing is simulated. The files' fields are described in
downstream/training/coded_shards.py; ``python -m downstream.training --input latents`` and ``--input images`` read them.
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
    """How views and rates are drawn. whole: images as they are, no views. cut: the share of streams cut after some
    layer, drawn at random.
    """

    views: int = 1
    height: int = 256
    width: int = 384
    whole: bool = False
    cut: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.views < 1 or min(self.height, self.width) < 32 or not 0 <= self.cut <= 1:
            raise UsageError(
                f"{self.views} views of {self.height}x{self.width}, a share of {self.cut} cut: expected 1, 32x32 and "
                f"0 to 1 at least"
            )


class Job(NamedTuple):
    """One shard to code into another. number: of the shard in its folder. view: which view of each image."""

    source: Path
    target: Path
    number: int
    view: int
    codec: Codec
    drawing: Drawing


def code_folder(folder: Path, codec: Codec, out: Path, drawing: Drawing, executor: Executor) -> int:
    """Code every shard of a folder, once a view; how many files were new.

    Raises:
        UnavailableError: the codec cannot run here.
        UsageError: it has no rate to draw.
        DataError: there are no shards, or one could not be coded.
    """
    if reason := codec.available():
        raise UnavailableError(reason)
    _rates(codec)
    sources = sorted(folder.glob("*.npz"))
    if not sources:
        raise DataError(f"no .npz shards in {folder}; make them with python -m benchmarks.export")
    out.mkdir(parents=True, exist_ok=True)
    views = 1 if drawing.whole else drawing.views
    jobs = [
        Job(s, out / f"{s.stem}-v{view}.npz", n, view, codec, drawing)
        for view in range(views)
        for n, s in enumerate(sources)
    ]
    jobs = [job for job in jobs if not job.target.exists()]
    for job, reason, died in executor.run(code_shard, jobs):
        if reason or died:
            raise DataError(f"{job.source.name} could not be coded: {reason or died}")
    return len(jobs)


def code_shard(job: Job) -> str | None:
    """Code one shard and write it; None, or what went wrong."""
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
    boxes = boxes_by_image(shard, len(shard["images"])) if "boxes_xyxy" in shard else None
    labels = list(shard["semantic"]) if "semantic" in shard else None
    views, coded = [], []
    for i, image in enumerate(shard["images"]):
        random = np.random.default_rng([job.drawing.seed, job.number, i, job.view])
        view = View(image, boxes[i] if boxes else None, labels[i] if labels else None)
        if not job.drawing.whole:
            view = coded_view(view, random, height=job.drawing.height, width=job.drawing.width)
        views.append(view)
        coded.append(_code(job.codec, view.image, random, job.drawing.cut))
    specs = job.codec.latent_specs() if isinstance(job.codec, DecodesLatents) else ()
    words = {
        "codec": curve_label(job.codec),
        "specs": specs_to(specs),
        "source": f"{shard['source']}, seed {job.drawing.seed} view {job.view}",
    }
    arrays: dict[str, Any] = {name: np.array(text) for name, text in words.items()}
    arrays |= {name: np.stack([one[name] for one in coded]) for name in coded[0]}
    arrays |= {"clean": np.stack([view.image for view in views])}
    arrays |= {name: shard[name] for name in ("classes", "semantic_classes", "semantic_space") if name in shard}
    if labels:
        arrays["semantic"] = np.stack([view.labels for view in views if view.labels is not None])
    return arrays | (_boxes([view.boxes for view in views if view.boxes is not None]) if boxes else {})


def _code(codec: Codec, image: Any, random: np.random.Generator, cut: float) -> dict[str, Any]:
    """One image at a rate drawn at random: what is kept of it."""
    low, high = _rates(codec)
    floats = isinstance(low, float)
    rate = float(random.uniform(low, high)) if floats else int(random.integers(low, high + 1))
    chosen = dataclasses.replace(codec, **{codec.rate_field: rate})  # type: ignore[type-var]
    data, point = chosen.encode(image), point_label(chosen)
    if isinstance(chosen, Layered) and random.random() < cut:
        layers = int(random.integers(1, len(chosen.layers)))
        data, point = chosen.cut(data, layers), f"{point}, {layers} layers"
    found: dict[str, Any] = {
        "decoded": chosen.decode(data),
        "points": np.array(point),
        "size_bytes": np.int64(len(data)),
    }
    if isinstance(chosen, DecodesLatents):
        for name, values in chosen.decode_latents(data).maps.items():
            found[LATENT + name] = values.astype(np.float16)
            if not np.isfinite(found[LATENT + name]).all():
                raise DataError(
                    f"the latent {name} holds values that are not finite in 16 bits; heads cannot be trained on it"
                )
    return found


def _rates(codec: Codec) -> tuple[Any, Any]:
    """Both ends of the codec's own ladder.

    Raises:
        UsageError: it has none, or no numbers in it.
    """
    ends = sorted((codec.ladder[0], codec.ladder[-1])) if codec.rate_field else []
    if not ends or not isinstance(ends[0], int | float):
        raise UsageError(
            f"{curve_label(codec)} has no rate that could be drawn at random; expected a codec with numbers on its "
            f"ladder"
        )
    return ends[0], ends[1]


def _boxes(boxes: Sequence[Boxes]) -> dict[str, Any]:
    return {
        "boxes_xyxy": np.concatenate([one.boxes_xyxy for one in boxes]).astype(np.float32),
        "labels": np.concatenate([one.labels for one in boxes]),
        "ignored": np.concatenate([one.ignored for one in boxes]),
        "owner": np.repeat(np.arange(len(boxes)), [len(one.labels) for one in boxes]),
    }

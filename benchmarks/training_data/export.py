"""Writes a data set as training shards: ``hsc-bench export-shards --help``.

Heads and the hsc codec are trained by ``python -m downstream.training`` and ``python -m hsc.training``, which do not
know the harness's data sets: they read the .npz files written here. The fields of these files are described in
downstream/training/shards.py (boxes), downstream/training/map_shards.py (label maps) and hsc/training/shards.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from benchmarks.api import DATASETS, HasLabelMaps, Relights, RendersFrames
from benchmarks.files.held_out import held_out
from downstream.api import Detections, SegmentationMap
from downstream.ops.batching import same_sizes
from hsc.errors import UsageError
from hsc.registry import Spec

_LIGHT_OFFSET = 1009
"""Offset to the scene whose lighting is borrowed; so far on, nothing else is alike."""


def export(
    dataset: Any,
    out: Path,
    *,
    first: int = 0,
    count: int | None = None,
    shard: int = 250,
    keep: str = "",
    leave_out: str = "",
    hold_out: int = 0,
    relit: bool = False,
) -> int:
    """Write images ``first`` to ``first + count - 1`` of a data set as shards of ``shard`` images each.

    Returns the number of new files; shards that exist already are skipped.

    Rendered frames give boxes and label maps, other data sets only their label maps, and those without boxes and maps,
    such as a folder of photographs, images alone. hold_out: without that many of all images, as
    ``benchmarks.files.held_out`` chooses them. keep: only images whose name begins with this; leave_out: only images
    whose name does not. These apply before ``first`` and ``count``. count: None for all remaining images. relit: also
    write every scene in the light of another one, if the data set ``Relights``.
    All images of a file have one size; where a shard's images differ, each further size goes into a file of its own
    beside it.

    Raises:
        UsageError: the data set has boxes but neither frames nor label maps, cannot relight its scenes, or has fewer
            images.
    """
    spec = str(DATASETS.spec(dataset))
    rendered = dataset.label_space(Detections) is not None and isinstance(dataset, RendersFrames)
    mapped = dataset.label_space(SegmentationMap) is not None and isinstance(dataset, HasLabelMaps)
    if not rendered and not mapped and dataset.label_space(Detections) is not None:
        raise UsageError(
            f"{spec} has boxes, but no frames and no label maps to export; expected one such as "
            f"roadscenes(split=train) or camvid(split=train), or images(path=...) for its pictures alone"
        )
    if relit and not isinstance(dataset, Relights):
        raise UsageError(f"{spec} cannot show its scenes in another light; leave out --relit")
    names_note = _names_note(keep, leave_out, hold_out)
    indices = _chosen_indices(dataset, keep, leave_out, hold_out)
    last = len(indices) if count is None else first + count
    if first < 0 or last <= first or shard < 1 or last > len(indices):
        more_images = rendered and not names_note
        cure = f"give it images={last}" if more_images else "ask for fewer, or for names of another beginning"
        raise UsageError(f"images {first} to {last - 1} were asked for, {spec} has {len(indices)}{names_note}; {cure}")
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for start in range(first, last, shard):
        stop = min(start + shard, last)
        path = out / f"{start:06d}.npz"
        if path.exists():
            continue
        source = f"{_public_spec(dataset)} revision {dataset.revision} images {start} to {stop - 1}{names_note}"
        texts = _texts(dataset, source, rendered)
        chosen = indices[start:stop]
        shards = [_frames(dataset, chosen, relit)] if rendered else _by_size(dataset, chosen, mapped)
        # The file without a number at its end is written last: if it exists, the others do too.
        for number, arrays in reversed(list(enumerate(shards))):
            _write(path.with_stem(f"{path.stem}-{number}") if number else path, texts | arrays)
            written += 1
    return written


def _chosen_indices(dataset: Any, keep: str, leave_out: str, hold_out: int) -> list[int]:
    """The indices of the images that are chosen by their names."""
    names = dataset.image_ids()
    apart = held_out(names, hold_out)
    return [
        index
        for index, name in enumerate(names)
        if name.startswith(keep) and not (leave_out and name.startswith(leave_out)) and name not in apart
    ]


def _names_note(keep: str, leave_out: str, hold_out: int) -> str:
    """The choice of images by name, as the end of a sentence."""
    kept, left = f" of those named {keep}*" if keep else "", f" without {leave_out}*" if leave_out else ""
    return kept + left + (f", {hold_out} images held out" if hold_out else "")


def _public_spec(dataset: Any) -> Spec:
    """The data set's spec with only the last part of each path, so that a shard holds no private path."""
    spec = DATASETS.spec(dataset)
    return Spec(
        spec.name, {k: PurePath(v).name if isinstance(v, str) and "/" in v else v for k, v in spec.arguments.items()}
    )


def _texts(dataset: Any, source: str, rendered: bool) -> dict[str, Any]:
    """A shard's texts: the origin of its images, the names of its classes and of its label space."""
    texts: dict[str, Any] = {"source": np.array(source)}
    map_space = dataset.label_space(SegmentationMap)
    if rendered:
        texts["classes"] = np.array(dataset.label_space(Detections).classes)
    if map_space is not None:
        texts |= {"semantic_classes": np.array(map_space.classes), "semantic_space": np.array(map_space.name)}
    return texts


def _frames(dataset: Any, indices: Sequence[int], relit: bool) -> dict[str, Any]:
    """The arrays of one shard of rendered frames: images, label maps, boxes."""
    frames = [dataset.frame(i) for i in indices]
    arrays = {
        "images": np.stack([f.image for f in frames]),  # (n, H, W, 3)
        "semantic": np.stack([f.semantic for f in frames]),  # (n, H, W)
        "boxes_xyxy": np.concatenate([f.boxes_xyxy for f in frames]).astype(np.float32),
        "labels": np.concatenate([f.classes for f in frames]).astype(np.int64),
        "ignored": np.concatenate([f.iscrowd for f in frames]).astype(np.bool_),
        "owner": np.repeat(np.arange(len(frames)), [len(f.classes) for f in frames]),
    }
    if relit:
        relit_images = [dataset.relit(i, (i + _LIGHT_OFFSET) % len(dataset)) for i in indices]
        arrays["relit"] = np.stack(relit_images)  # (n, H, W, 3)
    return arrays


def _by_size(dataset: Any, indices: Sequence[int], mapped: bool) -> list[dict[str, Any]]:
    """The arrays of images, and of their label maps where they are ``mapped``: one dict for each image size, in the
    order in which the sizes appear.
    """
    images = [dataset.load(i).image for i in indices]
    shards = []
    for same in same_sizes([image.shape for image in images]):
        arrays = {"images": np.stack([images[k] for k in same])}  # (n, H, W, 3)
        if mapped:
            arrays["semantic"] = np.stack([dataset.label_map(indices[k]).labels for k in same])  # (n, H, W)
        shards.append(arrays)
    return shards


def _write(path: Path, arrays: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(partial, path)

"""Writes a data set as training shards: ``python -m benchmarks.export --help``.

Heads and the hsc codec are trained by ``python -m downstream.training`` and ``python -m hsc.training``, which read no
data set of the
harness: what they need goes into .npz files here. Their fields are described in downstream/training/shards.py (boxes),
downstream/training/map_shards.py (label maps) and hsc/training/shards.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from benchmarks.api import DATASETS, HasLabelMaps
from downstream.api import Detections, SegmentationMap
from downstream.ops.batching import same_sizes
from hsc.errors import UsageError
from hsc.registry import Spec

_OTHER_LIGHT = 1009
"""Whose light a scene is shown in: the one so many further on, where nothing else is alike."""


def export(
    dataset: Any,
    out: Path,
    *,
    first: int = 0,
    count: int | None = None,
    shard: int = 250,
    keep: str = "",
    leave_out: str = "",
    relit: bool = False,
) -> int:
    """Write images ``first`` to ``first + count - 1`` of a data set as shards of ``shard`` images; how many files were
    new.

    Rendered frames give boxes and label maps, other data sets their label maps. keep: only images whose name begins so;
    leave_out: only those whose name does not; both choose before ``first`` and ``count`` do. count: None for all that
    are left.
    relit: also every scene in the light of another one, where the data set can (``relit``).
    Images of one file have one size; where a shard's images differ, each further size goes into a file of its own
    beside it.

    Raises:
        UsageError: the data set has neither frames nor label maps, or fewer images.
    """
    spec = str(DATASETS.spec(dataset))
    rendered = hasattr(dataset, "frame") and dataset.label_space(Detections) is not None
    mapped = isinstance(dataset, HasLabelMaps)
    if not rendered and not (mapped and dataset.label_space(SegmentationMap) is not None):
        raise UsageError(
            f"{spec} has no frames and no label maps to export; expected one such as roadscenes(split=train) or "
            f"camvid(split=train)"
        )
    if relit and not hasattr(dataset, "relit"):
        raise UsageError(f"{spec} cannot show its scenes in another light; leave out --relit")
    chosen = [
        i
        for i, name in enumerate(dataset.image_ids())
        if name.startswith(keep) and not (leave_out and name.startswith(leave_out))
    ]
    last = len(chosen) if count is None else first + count
    if first < 0 or last <= first or shard < 1 or last > len(chosen):
        cure = (
            f"give it images={last}"
            if rendered and not keep + leave_out
            else "ask for fewer, or for names of another beginning"
        )
        raise UsageError(
            f"images {first} to {last - 1} were asked for, {spec} has {len(chosen)}{_of_names(keep, leave_out)}; {cure}"
        )
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for start in range(first, last, shard):
        stop = min(start + shard, last)
        path = out / f"{start:06d}.npz"
        if path.exists():
            continue
        source = (
            f"{_public(dataset)} revision {dataset.revision} images {start} to {stop - 1}{_of_names(keep, leave_out)}"
        )
        words = _words(dataset, source, rendered)
        shards = _frames(dataset, chosen[start:stop], relit) if rendered else _maps(dataset, chosen[start:stop])
        # The file without a number at its end comes last: where it stands, the others do too.
        for number, arrays in reversed(list(enumerate(shards))):
            _write(path.with_stem(f"{path.stem}-{number}") if number else path, words | arrays)
            written += 1
    return written


def _of_names(keep: str, leave_out: str) -> str:
    """What was chosen by name, in words."""
    return (f" of those named {keep}*" if keep else "") + (f" without {leave_out}*" if leave_out else "")


def _public(dataset: Any) -> Spec:
    """The data set's spec with the last part of a path alone: where files lay on somebody's machine is nobody's
    business.
    """
    spec = DATASETS.spec(dataset)
    return Spec(
        spec.name, {k: PurePath(v).name if isinstance(v, str) and "/" in v else v for k, v in spec.arguments.items()}
    )


def _words(dataset: Any, source: str, rendered: bool) -> dict[str, Any]:
    """Names of classes and label space, and where the images come from."""
    words: dict[str, Any] = {"source": np.array(source)}
    maps = dataset.label_space(SegmentationMap)
    if rendered:
        words["classes"] = np.array(dataset.label_space(Detections).classes)
    if maps is not None:
        words |= {"semantic_classes": np.array(maps.classes), "semantic_space": np.array(maps.name)}
    return words


def _frames(dataset: Any, indices: Sequence[int], relit: bool) -> list[dict[str, Any]]:
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
        arrays["relit"] = np.stack(
            [dataset.relit(i, (i + _OTHER_LIGHT) % len(dataset)) for i in indices]
        )  # (n, H, W, 3)
    return [arrays]


def _maps(dataset: Any, indices: Sequence[int]) -> list[dict[str, Any]]:
    """One set of arrays a size of image, in the order the sizes come."""
    images = [dataset.load(i).image for i in indices]
    return [
        {
            "images": np.stack([images[k] for k in same]),
            "semantic": np.stack([dataset.label_map(indices[k]).labels for k in same]),
        }
        for same in same_sizes([image.shape for image in images])
    ]


def _write(path: Path, arrays: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(partial, path)

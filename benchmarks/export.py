"""Writes a rendered data set as training shards: ``python -m benchmarks.export --help``.

Heads and the hsc codec are trained by ``python -m downstream.training`` and ``python -m hsc.training``, which read no data set of the
harness: what they need goes into .npz files here. Their fields are described in downstream/training/shards.py and hsc/training/shards.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api import DATASETS
from downstream.api import Detections
from hsc.errors import HscError, UsageError

_EXAMPLES = """examples:
  python -m benchmarks.export "roadscenes(split=train)" --first 0 --count 3000 --out shards/a
  python -m benchmarks.export "roadscenes(split=train, images=8000)" --first 4000 --count 3000 --out shards/b

Shards that are already there are kept, so a stopped export goes on where it was."""


def export(dataset: Any, out: Path, *, first: int, count: int, shard: int = 250) -> int:
    """Write images ``first`` to ``first + count - 1`` of a data set as shards of ``shard`` images; how many files were new.

    Raises:
        UsageError: the data set does not render frames, or has fewer images.
    """
    spec = str(DATASETS.spec(dataset))
    space = dataset.label_space(Detections)
    if not hasattr(dataset, "frame") or space is None:
        raise UsageError(f"{spec} has no frames with boxes to export; expected a rendered data set such as roadscenes(split=train)")
    if first < 0 or count < 1 or shard < 1 or first + count > len(dataset):
        raise UsageError(f"images {first} to {first + count - 1} were asked for, {spec} has {len(dataset)}; give it images={first + count}")
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for start in range(first, first + count, shard):
        indices = range(start, min(start + shard, first + count))
        path = out / f"{start:06d}.npz"
        if path.exists():
            continue
        source = f"{spec} revision {dataset.revision} images {indices.start} to {indices.stop - 1}"
        arrays = _arrays([dataset.frame(i) for i in indices])
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, classes=np.array(space.classes), source=np.array(source), **arrays)
        os.replace(partial, path)
        written += 1
    return written


def _arrays(frames: list[Any]) -> dict[str, Any]:
    return {
        "images": np.stack([f.image for f in frames]),  # (n, H, W, 3)
        "semantic": np.stack([f.semantic for f in frames]),  # (n, H, W)
        "boxes_xyxy": np.concatenate([f.boxes_xyxy for f in frames]).astype(np.float32),
        "labels": np.concatenate([f.classes for f in frames]).astype(np.int64),
        "ignored": np.concatenate([f.iscrowd for f in frames]).astype(np.bool_),
        "owner": np.repeat(np.arange(len(frames)), [len(f.classes) for f in frames]),
    }


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.export",
        description="Write images, boxes and label maps of a rendered data set as .npz shards, for the training of heads and of hsc.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", help='a spec, such as "roadscenes(split=train)"')
    parser.add_argument("--out", required=True, type=Path, help="folder for the shards")
    parser.add_argument("--first", type=int, default=0, help="index of the first image (0)")
    parser.add_argument("--count", type=int, required=True, help="how many images")
    parser.add_argument("--shard", type=int, default=250, help="images a file (250)")
    arguments = parser.parse_args(argv)
    try:
        export(DATASETS.build(arguments.dataset), arguments.out, first=arguments.first, count=arguments.count, shard=arguments.shard)
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

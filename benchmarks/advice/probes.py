"""Settings tried on four images: what an image costs, and how far decoded images lie from the originals.

    settings --Coder--> streams, decoded images --head reads--> Probe: bytes, PSNR, seconds

What is coded here is in the cache, and is not coded again where the same settings are tried on all images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.cache import Store
from benchmarks.harness.config import Config
from benchmarks.harness.execute import Coder
from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded, why_unavailable
from benchmarks.harness.index_images import index_images
from benchmarks.harness.known_times import times_by_kind
from benchmarks.harness.operating_points import Curve, point_of
from benchmarks.harness.plan import Cell, IdentifiedReader, Plan, identified, stream_records
from benchmarks.harness.progress import Progress
from benchmarks.harness.scale_search import Scale
from benchmarks.harness.torch_threads import one_thread
from hsc.devices import use_device
from hsc.errors import HscError
from hsc.networks.network_holder import HOLDER
from hsc.weights.fetching import fetch_all

IMAGES = 4
"""Images of a probe."""
_LEAST_ERROR = 1e-4
"""The mean squared error that one without loss is taken for, so that its PSNR is a number: 88 dB."""
Place = tuple[str, Any]
"""A codec's label and a value of its scale."""


class Probe(NamedTuple):
    """One setting on a few images: mean bytes, mean PSNR in dB, and the median seconds to code, decode and read one; 0
    where times cannot be taken.
    """

    size_bytes: float
    psnr: float
    seconds: float


class Probes:
    """The probes of a config's codecs. images: the number of images to take those of the probes from.

    The other arguments are those of ``evaluation.run``.
    """

    def __init__(
        self, config: Config, images: int, *, executor: Executor, device: str, cache: str | Path, progress: Progress
    ) -> None:
        self.config, self._most = config, images
        self._executor, self._device, self._progress = executor, device, progress
        self._file = Path(cache) / "store.sqlite"
        self._known: dict[Place, Probe | None] = {}

    def of(self, wanted: Sequence[tuple[Scale, Any]]) -> dict[Place, Probe]:
        """The probes of settings, each a scale and a value. Those that cannot be coded here are left out.

        Raises:
            DataError: images do not load.
        """
        named = {(scale.curve.label, value): scale for scale, value in wanted}
        points = {}
        for (label, value), scale in named.items():
            if (label, value) not in self._known:
                self._known[label, value] = None
                if (codec := _codec(scale, value)) is not None:
                    points[label, value] = point_of(codec)
        if points:
            curves = {place: Curve(place[0], (point,)) for place, point in points.items()}
            self._known |= self._measured(curves)
        return {place: probe for place in named if (probe := self._known[place]) is not None}

    def _measured(self, curves: Mapping[Place, Curve]) -> dict[Place, Probe | None]:
        fetch_all([curve.points[0].codec for curve in curves.values()])
        config = replace(self.config, limit=self._most)
        with use_device(self._device), one_thread(), HOLDER.run(), Store(self._file) as store:
            images = index_images(config, store, self._executor, self._progress)
            few = images[:: max(1, len(images) // IMAGES)][:IMAGES]
            coder = Coder(config, few, store, self._executor, self._progress, _readers(config))
            plan = coder.code(list(curves.values()))
            return {place: _probe(plan, cell, store) for place, cell in zip(curves, plan.cells, strict=True)}


def _codec(scale: Scale, value: Any) -> Any:
    """A codec at a value; None where it refuses the value or cannot run here, which the search itself reports."""
    try:
        codec = guarded(scale.codec, value)
    except HscError:
        return None
    return None if why_unavailable(codec) else codec


def _readers(config: Config) -> list[IdentifiedReader]:
    """The config's readers; none where they cannot run here, which the search itself reports."""
    try:
        return [] if any(why_unavailable(reader.head) for reader in config.readers) else identified(config.readers)
    except HscError:
        return []


def _probe(plan: Plan, cell: Cell, store: Store) -> Probe | None:
    records, _ = stream_records(plan, cell, store)
    if not records:
        return None
    errors = [record.squared_error / (3 * math.prod(record.image_hw)) for record in records]
    psnr = np.mean([10 * math.log10(255**2 / max(error, _LEAST_ERROR)) for error in errors])
    kinds = [("encode_s", cell.streams), ("decode_s", cell.streams)]
    kinds += [("head_s", keys) for keys in cell.predictions.values()]
    seconds = 0.0
    for kind, keys in kinds:
        if known := times_by_kind(plan, cell, store, kind, list(keys)):
            seconds += float(np.median(list(known[0].seconds.values())))
    return Probe(float(np.mean([record.size_bytes for record in records])), float(psnr), seconds)

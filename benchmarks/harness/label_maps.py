"""The label maps of a data set's images in the classes that are scored: read one at a time, or packed by workers.

LabelMaps (data set, images) --jobs of a few maps--> packed label maps, which fit into memory
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

from benchmarks.harness.executors import Executor
from benchmarks.harness.guard import guarded
from benchmarks.harness.packed_predictions import PackedPredictions, Relabelling
from benchmarks.harness.worker import step
from downstream.api import SegmentationMap, to_bytes
from hsc.errors import HscError, PluginError

MAPS_A_JOB = 32


@dataclass(frozen=True, eq=False)
class LabelMaps(Sequence[Any]):
    """The label maps of some images, each read from the data set when it is asked for and not kept.

    dataset: one that has ``HasLabelMaps``. indices: of the images. relabel: from its classes to those scored.
    """

    dataset: Any
    indices: tuple[int, ...]
    relabel: Relabelling

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> SegmentationMap: ...
    @overload
    def __getitem__(self, place: slice) -> LabelMaps: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return LabelMaps(self.dataset, self.indices[place], self.relabel)
        return self.relabel(SegmentationMap(self.dataset.label_map(self.indices[place]).labels))


@dataclass(frozen=True)
class PackMaps:
    """A job: some label maps are read and packed. place: of the first in the list of all."""

    on_device: ClassVar[bool] = False
    place: int
    maps: LabelMaps


def pack_maps(job: PackMaps) -> list[bytes] | HscError:
    """The packed maps of a job, or the error that one of them cannot be read for."""
    try:
        return [guarded(_packed, job.maps, place) for place in range(len(job.maps))]
    except HscError as error:
        return error


def _packed(maps: LabelMaps, place: int) -> bytes:
    step()
    return to_bytes(maps[place])


def packed_maps(maps: LabelMaps, executor: Executor) -> PackedPredictions:
    """All maps, packed by the executor's workers.

    Raises:
        HscError: one cannot be read, with the data set's own error; or its process died.
    """
    data: dict[int, list[bytes]] = {}
    jobs = (PackMaps(start, maps[start : start + MAPS_A_JOB]) for start in range(0, len(maps), MAPS_A_JOB))
    for job, packed, died in executor.run(pack_maps, jobs):
        if packed is None:
            raise PluginError(f"label maps cannot be read: {died}")
        if isinstance(packed, HscError):
            raise packed
        data[job.place] = packed
    return PackedPredictions(tuple(one for place in sorted(data) for one in data[place]))

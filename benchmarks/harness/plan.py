"""The plan of a run: which images are coded at which operating points, and who reads them.

    Config --make_plan--> Plan (cells, with the keys of their results) --run_plan--> Store --score--> rows

A cell is one operating point of one codec on one data set, with every reader of it. Streams are coded once for all
readers and tasks; what the store knows is not done again.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from benchmarks.api import ScoresOriginals, StreamRecord
from benchmarks.harness.cache import Store
from benchmarks.harness.conditions import Conditions
from benchmarks.harness.config import Config
from benchmarks.harness.guard import guarded
from benchmarks.harness.indexed_image import IndexedImage
from benchmarks.harness.keys import (
    Keys,
    identity,
    key_of,
    prediction_keys,
    read_keys,
    regions_sha256,
    registered_name,
    steady_identity,
    stream_keys,
)
from benchmarks.harness.operating_points import OperatingPoint
from benchmarks.harness.packed_predictions import PackedPredictions, Relabelling
from benchmarks.harness.readers import Reader, ReaderName, latent_names
from benchmarks.harness.truth import labels_of
from downstream.api import Classification, LabelSpace, Prediction
from downstream.compatibility import why_not
from hsc.api import Codec
from hsc.devices import use_device
from hsc.errors import PluginError, ResultsError


@dataclass
class Cell:
    """One operating point: its codec, and the keys of its streams and of its readers' predictions.

    curve, point: labels. streams: keys, one an image. predictions: keys, one an image, of each reader that can read the
    codec. why_not: the reason of each reader that cannot. latents: the names of those that its readers read together.
    coded_apart: whether it is coded on the CPU, by jobs in which no head reads. todo: images that are not done.
    retimed: images among them that only times are missing of. differing: images that, coded again for their times, gave
    other bytes than those kept.
    """

    curve: str
    point: str
    codec: Codec
    id: str
    streams: Keys
    predictions: dict[ReaderName, Keys]
    why_not: dict[ReaderName, str]
    latents: tuple[str, ...] = ()
    coded_apart: bool = False
    todo: int = 0
    retimed: int = 0
    differing: int = 0

    @property
    def title(self) -> str:
        """Curve and operating point, for messages."""
        return f"{self.curve} {self.point}".strip()


class Unfit(NamedTuple):
    """The reason that a reader was left out before anything was coded.

    status: of its row, "skipped", or "failed" where it could not answer.
    """

    status: str
    reason: str


@dataclass
class Plan:
    """The work of a run.

    images: in data set order. skipped, skipped_heads: reasons of codecs and heads that cannot run here, by label.
    failures: reasons by the key of a stream or a prediction. unfit: readers left out. notices: sentences that stand
    before the scores. conditions: those its times are taken under, None for a plan that has no times.
    """

    config: Config
    images: list[IndexedImage]
    cells: list[Cell]
    skipped: dict[str, str] = field(default_factory=dict)
    skipped_heads: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unfit: dict[ReaderName, Unfit] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    conditions: Conditions | None = None

    @functools.cached_property
    def dataset_label(self) -> str:
        """The data set's name; it says so where predictions on originals stand in for labels."""
        config, name = self.config, registered_name(self.config.dataset)
        stands_in = not isinstance(config.task, ScoresOriginals) and labels_of(config, config.task.output) is None
        return f"{name} (pseudo-labels)" if stands_in else name

    @property
    def todo(self) -> int:
        """Images to code or read, counted at each operating point."""
        return sum(cell.todo for cell in self.cells)

    @property
    def retimed(self) -> int:
        """Images among these that only times are missing of."""
        return sum(cell.retimed for cell in self.cells)

    def cells_of(self, reader: Reader) -> list[Cell]:
        """The operating points that a reader reads."""
        return [cell for cell in self.cells if reader.name in cell.predictions]


@dataclass(frozen=True)
class IdentifiedReader:
    """A reader that can run here. identity: of its head, as prediction keys take it."""

    reader: Reader
    identity: dict[str, Any]


def identified(readers: Sequence[Reader]) -> list[IdentifiedReader]:
    """Readers with the identities of their heads.

    Raises:
        PluginError: as ``steady_identity``.
    """
    return [IdentifiedReader(reader, steady_identity(reader.head)) for reader in readers]


class _Unlabelled:
    """A data set as a task sees it that reads no labels."""

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        return None


def cell_of(
    config: Config,
    images: Sequence[IndexedImage],
    curve: str,
    point: OperatingPoint,
    readers: Sequence[IdentifiedReader],
    *,
    reads_apart: bool = False,
) -> Cell:
    """One operating point of a curve on these images, with those of the readers that can read it.

    reads_apart: as executors say (``benchmarks.harness.conditions``). A codec whose identity names the device is coded
    there nevertheless.

    Raises:
        HscError: the codec's identity cannot be read.
    """
    codec_identity = steady_identity(point.codec)
    streams = stream_keys([image.pixels.sha256 for image in images], codec_identity)
    regions = [regions_sha256(image.regions) for image in images]
    labelled = _Unlabelled() if isinstance(config.task, ScoresOriginals) else config.dataset
    predictions: dict[ReaderName, Keys] = {}
    reasons: dict[ReaderName, str] = {}
    for known in readers:
        reader = known.reader
        if reason := _why_not(point.codec, reader, labelled):
            reasons[reader.name] = reason
        else:
            read = read_keys(streams, regions) if reader.head.output is Classification else streams
            predictions[reader.name] = prediction_keys(read, reader.route, known.identity)
    latents = latent_names(known.reader for known in readers if known.reader.name in predictions)
    apart = reads_apart and _identity_on_cpu(point.codec) == codec_identity
    return Cell(
        curve, point.label, point.codec, key_of(list(streams))[:12], streams, predictions, reasons, latents, apart
    )


def _identity_on_cpu(codec: Codec) -> dict[str, Any]:
    with use_device("cpu"):
        return guarded(identity, codec)


def _why_not(codec: Codec, reader: Reader, labelled: Any) -> str | None:
    try:
        return guarded(why_not, codec, reader.head, labelled, reader.route)
    except PluginError as error:
        return f"{error}"


def cell_id(cell: Cell, reader: ReaderName) -> str:
    """The id in run.json of one reader at one operating point, which leads to the provenance of its numbers."""
    return key_of(list(cell.predictions[reader]))[:12]


def narrowed(plan: Plan, places: Sequence[int]) -> Plan:
    """The same cells on some of the plan's images. places: of these images in the plan, from 0."""
    cells = []
    for cell in plan.cells:
        streams = cell.streams.at(places)
        predictions = {reader: keys.at(places) for reader, keys in cell.predictions.items()}
        cells.append(
            replace(cell, id=key_of(list(streams))[:12], streams=streams, predictions=predictions, todo=0, retimed=0)
        )
    return replace(plan, images=[plan.images[k] for k in places], cells=cells)


class CellRecords(NamedTuple):
    """The stream records of a cell, one an image; none where some are missing. reason: why, empty if all are there."""

    records: list[StreamRecord]
    reason: str


def stream_records(plan: Plan, cell: Cell, store: Store) -> CellRecords:
    """The stream records of a whole cell, or the reason that it is not whole."""
    known = store.streams(dict(zip(cell.streams, plan.images, strict=True)))
    missing = [key for key in cell.streams if key not in known]
    if missing:
        reasons = [plan.failures[k] for k in missing if k in plan.failures] or ["not coded yet (--overwrite never)"]
        return CellRecords([], f"{len(missing)} of {len(cell.streams)} images failed: {reasons[0]}")
    # images of equal pixels have one stream, and each its own record
    named = zip(cell.streams, plan.images, strict=True)
    return CellRecords([replace(known[key], image_id=image.image_id) for key, image in named], "")


def packed_predictions(keys: Sequence[str], store: Store, relabel: Relabelling | None = None) -> PackedPredictions:
    """The predictions that the store had a moment ago. keys: one an image.

    Raises:
        ResultsError: some have been damaged since.
    """
    known = store.packed(keys)
    if damaged := [key for key in keys if key not in known]:
        raise ResultsError(
            f"{len(damaged)} of {len(keys)} predictions in the cache were damaged while the run went on; run the "
            f"same line again"
        )
    return PackedPredictions(tuple(known[key] for key in keys), relabel)

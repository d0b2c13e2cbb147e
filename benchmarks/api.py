"""What the harness works with: data sets, tasks, metrics, and the records and rows it keeps.

Dataset.load --> Sample --codec, head--> Record --Metric.compute--> Score --> ScoreRow --> Comparison --> tables, plots
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from downstream.api import LabelSpace, Prediction, SegmentationMap
from hsc.api import Codec, Image
from hsc.registry import Registry

CODECS: Registry[Codec] = Registry("codec", package="benchmarks.codecs", group="hsc.codecs")
DATASETS: Registry[Dataset] = Registry("data set", package="benchmarks.datasets", group="hsc.datasets")
TASKS: Registry[Task] = Registry("task", package="benchmarks.tasks", group="hsc.tasks")
METRICS: Registry[Metric] = Registry("metric", package="benchmarks.metrics", group="hsc.metrics")
RATES: Registry[RateDefinition] = Registry("rate definition", package="benchmarks.rates", group="hsc.rates")


@runtime_checkable
class Cited(Protocol):
    """Capability of a codec, head, data set or metric: the publication that a paper is to cite for it."""

    citation: ClassVar[str]
    """One BibTeX entry in ASCII, as ``@article{key, ...}``; its key is that of ``\\cite``."""


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    image_id: unique in the data set, stable between runs. source_bytes: size of the file it came from, None if there is
    none.
    """

    image_id: str
    image: Image
    source_bytes: int | None = None


class Dataset(Protocol):
    """Images, and labels where there are any: a frozen dataclass whose fields are its whole configuration.

    Picklable and cheap to pickle: workers load images by index. ``split`` is one of its fields or a constant.
    """

    split: str

    @property
    def revision(self) -> str:
        """A hash that changes when any image or label does."""

    def __len__(self) -> int: ...

    def image_ids(self) -> Sequence[str]: ...

    def load(self, index: int) -> Sample:
        """Image ``index``.

        Raises:
            ImageError: the file is missing, damaged, or of a kind that is not read.
        """

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """The classes of its labels of this kind; None if it has none, and predictions on the originals stand in."""

    def available(self) -> str | None:
        """None if it can be read here, else one sentence with the reason and the cure."""

    def provenance(self) -> Mapping[str, str]:
        """Where it comes from, under what licence, hashes of annotation files."""


class LoadsImages(Protocol):
    """Something that loads images of a data set: the data set itself, or a part of it that was handed out."""

    def load(self, index: int) -> Sample:
        """As ``Dataset.load``."""


@runtime_checkable
class HandsOutImages(Protocol):
    """Capability of a data set: images to be loaded without the rest, such as a label file of all of them."""

    def handed_out(self, indices: Sequence[int]) -> LoadsImages:
        """A small, picklable object that loads the images of these indices in the data set, and knows no others."""


@runtime_checkable
class HasBoxes(Protocol):
    """Capability: detection labels, as one COCO-format dict.

    ``images[i]["id"]`` are rising ints in the order of ``image_ids()``; ``categories`` stand in the order of the label
    space.
    """

    def coco(self) -> Mapping[str, Any]: ...


@runtime_checkable
class HasMasks(Protocol):
    """Capability: a mask with every box."""

    def coco_with_masks(self) -> Mapping[str, Any]:
        """As ``HasBoxes.coco``; every annotation has its "segmentation" as COCO's runs, {"size": [height, width],
        "counts": ...}, and every image its "height" and "width".

        Raises:
            AnnotationError: an annotation has no mask, or a damaged one.
        """


@runtime_checkable
class HasLabelMaps(Protocol):
    """Capability: semantic segmentation labels."""

    def label_map(self, index: int) -> SegmentationMap: ...


class Region(NamedTuple):
    """A part of an image in whole pixels, right and bottom exclusive, all of it inside the image."""

    left: int
    top: int
    right: int
    bottom: int


@runtime_checkable
class HasClassLabels(Protocol):
    """Capability: classification labels."""

    def class_labels(self, index: int) -> npt.NDArray[np.int64]:
        """The classes in image ``index``, int64 (N,), as indices into the label space: one, that of the whole image;
        or one for each of its regions, in their order, where the data set ``HasRegions``.

        Raises:
            AnnotationError: they are missing or damaged.
        """


@runtime_checkable
class HasRegions(Protocol):
    """Capability: what is classified are parts of the image, each cut out of it after it was coded."""

    def regions(self, index: int) -> Sequence[Region] | None:
        """The parts of image ``index``, of which there may be none; None where the data set is so configured that
        images are taken whole. Raises AnnotationError where they cannot be read.
        """


@runtime_checkable
class HasRemarks(Protocol):
    """Capability: what a reader of scores must know of its pictures and labels, such as photographs turned against
    them.
    """

    def remarks(self, indices: Sequence[int]) -> Sequence[str]:
        """One sentence each on these images, with the cure; none where there is nothing to say."""


class RenderedFrame(Protocol):
    """A rendered image with exact labels.

    image: uint8 (H, W, 3). semantic: uint8 (H, W), labels of the map's classes, 255 void. boxes_xyxy: float32 (N, 4) in
    pixels. classes: int64 (N,), labels of the boxes' classes. iscrowd: bool (N,), True for boxes that are not scored.
    """

    @property
    def image(self) -> Image: ...

    @property
    def semantic(self) -> npt.NDArray[np.uint8]: ...

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float32]: ...

    @property
    def classes(self) -> npt.NDArray[np.int64]: ...

    @property
    def iscrowd(self) -> npt.NDArray[np.bool_]: ...


@runtime_checkable
class RendersFrames(Protocol):
    """Capability: rendered scenes, each with its boxes and its label map."""

    def frame(self, index: int) -> RenderedFrame: ...


@runtime_checkable
class Relights(Protocol):
    """Capability: a scene shown in the light of another scene."""

    def relit(self, index: int, light_of: int) -> Image: ...


@runtime_checkable
class Control(Protocol):
    """Capability of a data set: its labels are not those of its images, on purpose, so that heads are at chance."""

    at_chance: ClassVar[bool]


@dataclass(frozen=True)
class Truth:
    """What predictions are scored against, already limited to the images of the run and the classes a head could know.

    coco: for Detections, a COCO-format dict whose categories stand in the order of ``classes``; image i of the run is
    ``coco["images"][i]``. maps: for SegmentationMap, one a image. Annotations and maps may be made when they are asked
    for, and not kept: go through them once. labels: for Classification, int64 (N,) a image, one label for each row of
    its ranking, -1 for those that are not scored. pseudo: True where these are predictions on originals.
    """

    image_ids: tuple[str, ...]
    classes: tuple[str, ...]
    coco: Mapping[str, Any] | None = None
    maps: Sequence[SegmentationMap] | None = None
    labels: Sequence[npt.NDArray[np.int64]] | None = None
    pseudo: bool = False


@dataclass(frozen=True)
class Score:
    """One number: a metric's value, of all classes (``part`` empty) or of one class. NaN where it is undefined."""

    metric: str
    value: float
    part: str = ""


@dataclass(frozen=True)
class MetricFacts:
    """What the values of one score mean and how people read them.

    low, high: the bounds of a value, infinite where there are none. higher_is_better: the direction. unit: of its
    values, "1" where they have none. percent: tables show it times 100. title: its name in tables and on axes, without
    a unit.
    digits: decimals in tables, of the value as it is shown. main: the score that stands for the metric where one is to
    be picked.
    """

    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True
    unit: str = "1"
    percent: bool = True
    title: str = ""
    digits: int = 1
    main: bool = False

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.higher_is_better else -1

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds of ``sign * value`` in rising order, for curves that rise with quality."""
        low, high = sorted((self.sign * self.low + 0.0, self.sign * self.high + 0.0))
        return low, high

    @property
    def factor(self) -> float:
        """What a value is multiplied by for people: 100 where it is shown in percent, else 1."""
        return 100.0 if self.percent else 1.0


class Metric(Protocol):
    """A way to score predictions: a frozen dataclass. ``version`` changes when its numbers do.

    facts: by name of each score that ``compute`` returns, in the order of tables; exactly one of them is the main one.
    The score of a class (``Score.part``) has the facts of its name.
    """

    output: ClassVar[type[Prediction]]
    version: ClassVar[str]
    facts: ClassVar[Mapping[str, MetricFacts]]

    def compute(self, truth: Truth, predictions: Sequence[Prediction]) -> list[Score]:
        """Score one operating point: ``predictions[i]`` is for image i of ``truth``, labels index ``truth.classes``.

        Predictions are unpacked when they are asked for, and not kept: go through them once.
        """


@runtime_checkable
class Resampled(Protocol):
    """Capability of a metric: its scores on many resamples of the images, for much less than scoring each."""

    def resample(
        self, truth: Truth, predictions: Sequence[Prediction], draws: npt.NDArray[np.int64]
    ) -> Mapping[str, npt.NDArray[np.float64]]:
        """Some of the scores, the main one among them, with image i counted ``draws[r, i]`` times: (R, N) -> (R,) each,
        NaN where undefined.

        A score of one class, where it is given, has the name ``metric/part``.
        """


@runtime_checkable
class Counted(Protocol):
    """Capability of a metric: the counts that its scores are made from, summed over the data set."""

    def counts(self, truth: Truth, predictions: Sequence[Prediction]) -> npt.NDArray[np.int64]:
        """For figures of the task that names the metric, which knows what they mean. Raises as ``compute`` does."""


class RateDefinition(Protocol):
    """The picture that a file's bits are divided by: a frozen dataclass.

    ``bpp`` is always over the original's pixels; another definition adds a row beside it, for figures of others.
    """

    metric: ClassVar[str]
    """The name of its rate in ``scores.csv``; its facts stand in ``benchmarks.stats.metric_facts``."""

    def pixels(self, height: int, width: int) -> int:
        """The pixels that the file of a picture of this size is divided by, at least 1."""


@runtime_checkable
class LeavesOutScores(Protocol):
    """Capability of a metric: some of its scores mean nothing for some label spaces, so it does not give them."""

    def left_out(self, classes: Sequence[str]) -> str:
        """One sentence on which scores it does not give for these classes, and why; empty if it gives all."""


class Tally(Protocol):
    """Whatever a metric needs of each image, so that its scores and resamples come from one pass over predictions."""

    def scores(self) -> list[Score]:
        """As ``Metric.compute``."""

    def resample(self, draws: npt.NDArray[np.integer[Any]]) -> Mapping[str, npt.NDArray[np.float64]]:
        """As ``Resampled.resample``; draws may come in blocks of rows."""


@runtime_checkable
class CountsTally(Protocol):
    """Capability of a tally: the counts of a metric that has ``Counted``."""

    def counts(self) -> npt.NDArray[np.int64]: ...


@runtime_checkable
class Tallied(Protocol):
    """Capability of a metric that has ``Resampled``: a tally of one operating point, asked for in place of its other
    methods.
    """

    def tally(self, truth: Truth, predictions: Sequence[Prediction]) -> Tally:
        """The tally of these predictions; it raises as ``Metric.compute``, at once or when it is asked."""


@dataclass(frozen=True)
class Counts:
    """What a metric counted of one head at one operating point, named as in ``scores.csv``. original: of the
    uncompressed images.
    classes: those scored.
    """

    head: str
    route: str
    codec: str
    point: str
    classes: tuple[str, ...]
    counted: npt.NDArray[np.int64]
    original: bool = False


@runtime_checkable
class ScoresOriginals(Protocol):
    """Capability of a task: heads of several outputs, all scored against what they say of the originals, whatever
    labels there are.
    """

    outputs: ClassVar[tuple[type[Prediction], ...]]
    against_originals: ClassVar[bool]


class Task(Protocol):
    """A machine's job, and the defaults that make ``--task NAME`` enough.

    columns: the scores that tables show. A head's own main score is the first of them that it has.
    """

    version: ClassVar[str]
    output: ClassVar[type[Prediction]]
    metrics: ClassVar[tuple[str, ...]]
    main_metric: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    dataset: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]
    codecs: ClassVar[tuple[str, ...]]
    anchors: ClassVar[tuple[str, ...]]


@runtime_checkable
class Illustrated(Protocol):
    """Capability of a task: figures of a run beside its curves."""

    def figures(
        self, scores: Sequence[ScoreRow], counts: Sequence[Counts], folder: Path, names: Mapping[str, str]
    ) -> None:
        """Write them into the run's folder, each file whole or not at all. counts: of every cell that has a score.
        names: those that codecs and heads were given for people to read, by label.
        """


class Tile(NamedTuple):
    """A picture of a sheet. column: how its codec is called. size_bytes: of its stream, 0 for the original."""

    column: str
    image: Image
    point: str
    size_bytes: int
    prediction: Prediction


class Scene(NamedTuple):
    """A scene of a sheet: the original, then what codecs leave of it; ``number`` is its index in the data set."""

    number: int
    image_id: str
    tiles: tuple[Tile, ...]


@runtime_checkable
class DrawsSheet(Protocol):
    """Capability of a task: a sheet on which people see what a head sees in images."""

    def draw_sheet(self, scenes: Sequence[Scene], dataset: Dataset, head: Any, path: Path, least_score: float) -> None:
        """Write the sheet, whole or not at all, in the format that ``path`` ends in. least_score: what is found with
        less is not drawn.
        """


@runtime_checkable
class ScoresMasks(Protocol):
    """Capability of a task on boxes: what it scores is the mask that comes with each, so heads and data sets must have
    them.
    """

    scores_masks: ClassVar[bool]


@dataclass(frozen=True)
class StreamRecord:
    """What coding one image gave. status: "ok", or "failed" with a reason (then sizes and times are 0).

    encode_s, decode_s: NaN where the image was coded in a batch with others.
    """

    image_id: str
    image_hw: tuple[int, int]
    size_bytes: int
    encode_s: float
    decode_s: float
    squared_error: int
    status: str = "ok"
    reason: str = ""


@dataclass(frozen=True)
class PredictionRecord:
    """What a head said of one decoded image."""

    image_id: str
    head_s: float
    prediction: Prediction | None
    status: str = "ok"
    reason: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """One number of one cell: the columns of ``scores.csv``, in this order.

    cell: the key of its provenance in ``run.json``. ladder: "second" for a codec's second ladder, which measures the
    noise floor, empty for its own. part: the class scored, empty for all classes. low, high: the ends of the 95 %
    interval, NaN where there is none. status: "ok", or why there is no value: "n/a", "skipped", "failed" or "missing",
    explained by ``reason``; where the status is "ok", ``reason`` says why a score has no interval, or how a time was
    taken.
    """

    cell: str
    task: str
    dataset: str
    split: str
    codec: str
    ladder: str
    point: str
    route: str
    regime: str
    head: str
    part: str
    seed: int
    metric: str
    value: float
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    images: int = 0
    status: str = "ok"
    reason: str = ""


Kind = Literal[
    "bd_rate",
    "bd_metric",
    "noise_floor_rate",
    "noise_floor_metric",
    "difference_at_rate",
    "score_at_rate",
    "lead_at_rate",
    "lead_bd_rate",
    "lead_bd_metric",
    "heads_apart",
    "matched_rate",
]


Method = Literal["", "pchip", "fit", "isotonic", "local"]


@dataclass(frozen=True)
class Comparison:
    """One number about two curves, two codecs or two heads: the columns of ``comparisons.csv``, in this order.

    kind:
        bd_rate, bd_metric: the codec's Bjontegaard difference from ``anchor``, in percent of rate or in the metric.
        noise_floor_rate, noise_floor_metric: the same of the codec's second ladder from its own ladder (``anchor``).
        difference_at_rate: the codec's curve less that of ``anchor`` at ``at_bpp``, where a Bjontegaard difference is
        missing; ``codec_score`` and ``other_score`` are the two scores.
        score_at_rate: the codec's score at ``at_bpp``; ``point`` names the operating point that was matched to the
        rate, and is empty where the curve was read between its points. "n/a" where the codec's curve spans the rate
        and yet has no value there; a codec whose curve does not reach the rate has no row.
        lead_at_rate: the score of the best codec at ``at_bpp`` less that of ``other``.
        lead_bd_rate, lead_bd_metric: the Bjontegaard difference of the best codec from ``anchor`` less that of
        ``other``.
        heads_apart: the score of ``head`` by ``route`` less that of the head ``other`` by ``other_route``, at one
        point.
        matched_rate: the rate of the operating point that a search found for the target ``at_bpp``.
    metric: the score compared, "bpp" for a matched rate. low, high: the 95 % interval of the difference itself, paired
    over ``resamples`` resamples of the images; NaN where there is none. ``refused`` of them gave no number, and the
    others lie between ``valued_low`` and ``valued_high``. method: "pchip" where the curves were interpolated, "fit"
    where one dips and a monotone cubic stands in, "isotonic" where no cubic is near and its dips alone were levelled,
    "local" where a score at a rate was read between two neighbouring points, since the curve has neither. overlap_test,
    overlap_anchor: the share, 0 to 1, of the codec's and of the anchor's own range that both curves cover. status:
    "ok", or "n/a" with the reason.
    """

    kind: Kind
    task: str
    dataset: str
    split: str
    metric: str
    head: str = ""
    route: str = ""
    regime: str = ""
    codec: str = ""
    point: str = ""
    anchor: str = ""
    other: str = ""
    other_route: str = ""
    at_bpp: float = math.nan
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    codec_score: float = math.nan
    other_score: float = math.nan
    method: str = ""
    overlap_test: float = math.nan
    overlap_anchor: float = math.nan
    resamples: int = 0
    refused: int = 0
    valued_low: float = math.nan
    valued_high: float = math.nan
    seed: int = 0
    images: int = 0
    status: str = "ok"
    reason: str = ""

"""The contract of a head: a network that does a machine's task on decoded images, or on a codec's decoded latents.

    image            --ImageHead.predict-----------> Detections | SegmentationMap | Classification   (route "image")
    latents          --LatentHead.predict_latents--> Detections | SegmentationMap | Classification   (route "latent")
    original, image  --FidelityHead.compare--------> Fidelity | FeaturePair                          (route "image")

A head answers in its own classes. Files in ``downstream/class_maps`` say how these map onto a data set's classes. Where
there is no such file, classes of the same name, whatever its spelling, are taken as the same and the run reports it; no
other names are matched.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from downstream import array_bytes, packed_arrays
from hsc.api import Image, Latents, LatentSpec
from hsc.errors import DataError
from hsc.registry import Registry

VOID = 255
"""The label of pixels that are left out of every score."""
NO_CLASS = 65535
"""The end of a ranking of classes that holds fewer than others."""


@dataclass(frozen=True)
class LabelSpace:
    """A named, ordered list of classes; label i is ``classes[i]``. Two spaces are equal if name and classes are."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Masks:
    """The masks of some objects in one image, as run lengths in COCO's packed form.

    ``downstream/ops/masks.py`` packs and unpacks them. counts: one byte string for each object. image_hw: height and
    width of the image that the masks belong to, in pixels.
    """

    counts: tuple[bytes, ...]
    image_hw: tuple[int, int]

    def kept(self, keep: npt.NDArray[np.bool_]) -> Masks:
        """The masks of the objects for which ``keep``, bool (N,), is true."""
        return Masks(tuple(itertools.compress(self.counts, keep.tolist())), self.image_hw)


@dataclass(frozen=True)
class Detections:
    """The boxes that a head found in one image, in any order.

    boxes_xyxy: float32 (N, 4), left, top, right, bottom in pixels of the image as given; they are not clipped.
    scores: float32 (N,), 0 to 1. labels: int64 (N,), index into the head's classes. masks: of the same objects in the
    same order; None from heads that give no masks.

    Raises:
        ValueError: the arrays, or the number of masks, do not fit together.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    masks: Masks | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.masks is not None and len(self.masks.counts) != n:
            raise ValueError(
                f"{len(self.masks.counts)} masks do not fit {n} boxes: expected one for each box, empty where no "
                f"pixel is inside"
            )
        if self.boxes_xyxy.shape != (n, 4) or self.labels.shape != (n,):
            raise ValueError(
                f"boxes {self.boxes_xyxy.shape}, scores {self.scores.shape} and labels {self.labels.shape} do not "
                f"fit: expected (N, 4), (N,), (N,)"
            )


@dataclass(frozen=True)
class SegmentationMap:
    """The class of each pixel: uint8 (H, W), index into the head's classes, ``VOID`` where a pixel has no class."""

    labels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Classification:
    """The classes of one image, or of each of its objects, from the likeliest on.

    ranking: uint16 (N, K), K different indices into the head's classes in each row, the likeliest first. A head gives
    one row for each image that it is given; a prediction of a scene has a row for each object that was cut out of it.
    Rows that hold fewer than K classes end in ``NO_CLASS``.

    Raises:
        ValueError: the ranking has other than two axes.
    """

    ranking: npt.NDArray[np.uint16]

    def __post_init__(self) -> None:
        if self.ranking.ndim != 2:
            raise ValueError(f"a ranking of shape {self.ranking.shape} came, expected (objects, classes)")


def ranked(scores: npt.NDArray[Any]) -> Classification:
    """The ranking of scores (N, C), higher is likelier, logits and probabilities alike; of equal ones the first class
    leads.

    >>> ranked(np.array([[0.1, 0.7, 0.2]])).ranking.tolist()
    [[1, 2, 0]]
    """
    return Classification(np.argsort(-scores, axis=1, kind="stable").astype(np.uint16))


@dataclass(frozen=True)
class Fidelity:
    """How close one decoded image is to its original, by one fidelity measure.

    measure: its name ("psnr", "lpips"). numbers: float64 (K,), the numbers that the score of a set is computed from:
    the value for this image, or for pooled measures the sums that are pooled.
    """

    measure: str
    numbers: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeaturePair:
    """A network's features of P patches of an original and of its decoded image, float32 (P, D) each.

    They are for distances between the distributions of a whole set, such as FID. measure: the name of that distance.
    """

    original: npt.NDArray[np.float32]
    decoded: npt.NDArray[np.float32]
    measure: str = "fid"


Prediction: TypeAlias = Detections | SegmentationMap | Classification | Fidelity | FeaturePair


def arrays_of(prediction: Prediction) -> dict[str, npt.NDArray[Any]]:
    """A prediction's arrays by name, the same for equal predictions; masks, if it has any, are three arrays.

    The features of FID name no measure, as in caches from before other features had one.
    """
    arrays = dict(vars(prediction))
    if isinstance(prediction, FeaturePair) and prediction.measure == FeaturePair.measure:
        del arrays["measure"]
    masks = arrays.pop("masks", None)
    if masks is not None:
        arrays["mask_bytes"] = np.frombuffer(b"".join(masks.counts), np.uint8)
        arrays["mask_lengths"] = np.array([len(counts) for counts in masks.counts], np.int64)
        arrays["mask_hw"] = np.array(masks.image_hw, np.int64)
    return {name: np.asarray(value) for name, value in arrays.items()}


def to_bytes(prediction: Prediction) -> bytes:
    """Pack a prediction for the cache (``downstream/array_bytes.py``); equal predictions give equal bytes."""
    return array_bytes.pack(arrays_of(prediction))


def from_bytes(data: bytes) -> Prediction:
    """Unpack what ``to_bytes`` packed, or the .npz file that caches held before.

    Raises:
        DataError: the data are damaged, or hold something other than a prediction.
    """
    try:
        unpack = array_bytes.unpack if data.startswith(array_bytes.START) else packed_arrays.unpack
        return _prediction(unpack(data))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise DataError(f"these packed arrays are no prediction's: {error}") from error


def _prediction(arrays: dict[str, Any]) -> Prediction:
    if "decoded" in arrays:
        return FeaturePair(**arrays | {"measure": str(arrays.get("measure", FeaturePair.measure))})
    if "measure" in arrays:
        return Fidelity(str(arrays["measure"]), arrays["numbers"])
    if "ranking" in arrays:
        return Classification(**arrays)
    if "scores" not in arrays:
        return SegmentationMap(**arrays)
    if "mask_hw" not in arrays:
        return Detections(**arrays)
    joined, lengths, (height, width) = (arrays.pop(name) for name in ("mask_bytes", "mask_lengths", "mask_hw"))
    ends = np.cumsum(lengths)
    counts = tuple(joined[end - length : end].tobytes() for length, end in zip(lengths, ends, strict=True))
    return Detections(**arrays, masks=Masks(counts, (int(height), int(width))))


class Head(Protocol):
    """What every head states: it is a frozen dataclass, and its fields are its whole configuration.

    output: the kind of its predictions. regime: "frozen" for a head trained on clean images, "adapted" for one trained
    on a codec's decoded images or latents, "reference" for one that compares with the original.
    """

    output: ClassVar[type[Prediction]]
    regime: ClassVar[Literal["frozen", "adapted", "reference"]]

    @property
    def label_space(self) -> LabelSpace:
        """The classes that the head answers in."""

    def available(self) -> str | None:
        """None if the head can run here, else one sentence with the reason and the cure."""

    def provenance(self) -> Mapping[str, str]:
        """sha256 of its weights, and whatever else decides its answers besides the config; in the prediction key."""


@runtime_checkable
class PredictsFromImages(Protocol):
    """Capability of a head: it answers on decoded images."""

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """One prediction for each image, in order. Images may differ in size; the head resizes and batches freely."""


@runtime_checkable
class PredictsFromLatents(Protocol):
    """Capability of a head: it answers on decoded latents."""

    def predict_latents(self, latents: Sequence[Latents]) -> list[Prediction]:
        """One prediction for the latents of each image, in order."""


@runtime_checkable
class ComparesWithOriginals(Protocol):
    """Capability of a head: it answers on pairs of an original and its decoded image."""

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One answer for each pair, in order; the two images of a pair have the same size."""


@runtime_checkable
class ImageHead(Head, PredictsFromImages, Protocol):
    """A head on images.

    It holds its network outside its fields and builds it on first use, so that the head itself can be sent to workers.
    """


@runtime_checkable
class LatentHead(Head, PredictsFromLatents, Protocol):
    """A head on decoded latents. needs: the maps that it reads, each with its latent space."""

    needs: Sequence[LatentSpec]


@runtime_checkable
class HasMeasure(Protocol):
    """Capability of a head: all its answers are of one measure. measure: the metric's score that they give."""

    measure: ClassVar[str]


@runtime_checkable
class NeedsManyImages(Protocol):
    """Capability of a head: its score is one of a whole set, and means nothing for a small one."""

    def why_too_few(self, image_sizes: Sequence[tuple[int, int]]) -> str | None:
        """None if images of these sizes (height, width) are enough, else one sentence with the reason and the cure.
        It needs no weights.
        """


class FidelityHead(Head, HasMeasure, ComparesWithOriginals, Protocol):
    """A head that compares the decoded image with its original. Its regime is "reference", and it has no classes."""


@runtime_checkable
class GivesMasks(Protocol):
    """Capability of a detector: a mask with each box."""

    @property
    def gives_masks(self) -> bool:
        """Whether this configuration gives masks; it may depend on the weights."""


@runtime_checkable
class AdaptedHead(Protocol):
    """Capability of a head on images: it was trained on the images that one codec decodes."""

    @property
    def adapted_to(self) -> str:
        """The latent space of that codec; empty if the head may follow any codec."""


Route: TypeAlias = Literal["image", "latent"]
"""The input of a head: the decoded image, or the decoded latents without an image."""

_ROUTES: dict[Route, tuple[type, ...]] = {
    "image": (PredictsFromImages, ComparesWithOriginals),
    "latent": (PredictsFromLatents,),
}


def routes_of(head: Any) -> tuple[Route, ...]:
    """The routes that a head can take. Only its methods are looked at, so its weights may be missing."""
    return tuple(route for route, capabilities in _ROUTES.items() if isinstance(head, capabilities))


def sees_originals(head: Any) -> bool:
    """Whether a head compares with originals. Only its methods are looked at, so its weights may be missing."""
    return isinstance(head, ComparesWithOriginals)


def measure_of(head: Any) -> str:
    """The one score that a head's answers give; empty if the task's metrics decide it."""
    return head.measure if isinstance(head, HasMeasure) else ""


class LabelledData(Protocol):
    """The part of a data set that a head must agree with."""

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """The classes of the labels for predictions of this kind; None if the data set has no such labels."""


HEADS: Registry[Any] = Registry("head", package="downstream.heads", group="hsc.heads")

"""What a head is: a network that does a machine's job on an image, or straight on a codec's latents.

    image   --ImageHead.predict---> Detections | SegmentationMap      (route "image")
    latents --LatentHead.predict--> Detections | SegmentationMap      (route "latent")

A head answers in its own classes. How those map onto a data set's classes is written in files
(``downstream/class_maps``); where there is none, classes of exactly the same name are the same, which a run says, and
no other name is guessed.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from downstream.packed_arrays import unpack
from hsc.api import Image, Latents, LatentSpec
from hsc.errors import DataError
from hsc.registry import Registry

VOID = 255
"""The label of pixels that count for nobody."""


@dataclass(frozen=True)
class LabelSpace:
    """A named, ordered list of classes; label i is ``classes[i]``. Two spaces are the same where their names are."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Masks:
    """The pixels of some objects of one image, as run lengths in COCO's packed form (``downstream/ops/masks.py`` packs
    and unpacks).

    counts: one byte string an object. image_hw: height and width of the image they are drawn in.
    """

    counts: tuple[bytes, ...]
    image_hw: tuple[int, int]

    def kept(self, keep: npt.NDArray[np.bool_]) -> Masks:
        """Those of the objects that ``keep`` (N,) says."""
        return Masks(tuple(itertools.compress(self.counts, keep.tolist())), self.image_hw)


@dataclass(frozen=True)
class Detections:
    """Boxes found in one image, best score first or in any order.

    boxes_xyxy: float32 (N, 4), left, top, right, bottom in pixels of the image as given, not clipped further.
    scores: float32 (N,), 0 to 1. labels: int64 (N,), index into the head's classes. masks: of the same objects in the
    same order, None from heads that give none.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    masks: Masks | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.masks is not None and len(self.masks.counts) != n:
            raise ValueError(
                f"{len(self.masks.counts)} masks do not fit {n} boxes: expected one each, an empty one where nothing "
                f"is seen"
            )
        if self.boxes_xyxy.shape != (n, 4) or self.labels.shape != (n,):
            raise ValueError(
                f"boxes {self.boxes_xyxy.shape}, scores {self.scores.shape} and labels {self.labels.shape} do not "
                f"fit: expected (N, 4), (N,), (N,)"
            )


@dataclass(frozen=True)
class SegmentationMap:
    """One class a pixel: uint8 (H, W), index into the head's classes, ``VOID`` where there is none."""

    labels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Likeness:
    """How near a decoded image is to its original, by one measure of people's vision.

    measure: its name ("psnr", "lpips"). numbers: float64 (K,), what the measure is computed from: one value, or sums
    for pooled ones.
    """

    measure: str
    numbers: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeaturePair:
    """What a network sees in an original and in its decoded image, for distances between sets: float32 (P, D) each, P
    patches.
    """

    original: npt.NDArray[np.float32]
    decoded: npt.NDArray[np.float32]


Prediction: TypeAlias = Detections | SegmentationMap | Likeness | FeaturePair


def arrays_of(prediction: Prediction) -> dict[str, npt.NDArray[Any]]:
    """A prediction's arrays by name: the same for equal predictions; masks, where there are any, as three."""
    arrays = dict(vars(prediction))
    masks = arrays.pop("masks", None)
    if masks is not None:
        arrays["mask_bytes"] = np.frombuffer(b"".join(masks.counts), np.uint8)
        arrays["mask_lengths"] = np.array([len(one) for one in masks.counts], np.int64)
        arrays["mask_hw"] = np.array(masks.image_hw, np.int64)
    return {name: np.asarray(value) for name, value in arrays.items()}


def to_bytes(prediction: Prediction) -> bytes:
    """Pack a prediction for the store: a compressed .npz of its arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays_of(prediction))
    return buffer.getvalue()


def from_bytes(data: bytes) -> Prediction:
    """Unpack what ``to_bytes`` packed.

    Raises:
        DataError: it is damaged, or is no prediction's.
    """
    try:
        return _prediction(unpack(data))
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"these packed arrays are no prediction's: {error}") from error


def _prediction(arrays: dict[str, Any]) -> Prediction:
    if "measure" in arrays:
        return Likeness(str(arrays["measure"]), arrays["numbers"])
    if "scores" not in arrays:
        kind = FeaturePair if "decoded" in arrays else SegmentationMap
        return kind(**arrays)
    if "mask_hw" not in arrays:
        return Detections(**arrays)
    joined, lengths, (height, width) = (arrays.pop(name) for name in ("mask_bytes", "mask_lengths", "mask_hw"))
    ends = np.cumsum(lengths)
    counts = tuple(joined[end - length : end].tobytes() for length, end in zip(lengths, ends, strict=True))
    return Detections(**arrays, masks=Masks(counts, (int(height), int(width))))


class Head(Protocol):
    """What every head says of itself: a frozen dataclass whose fields are its whole configuration."""

    output: ClassVar[type[Prediction]]
    regime: ClassVar[Literal["frozen", "adapted", "reference"]]

    @property
    def label_space(self) -> LabelSpace:
        """The classes it knows."""

    def available(self) -> str | None:
        """None if it can run here, else one sentence with the reason and the cure."""

    def provenance(self) -> Mapping[str, str]:
        """sha256 of its weights and whatever else decides its answer beside the config. Part of the prediction key."""


@runtime_checkable
class ImageHead(Head, Protocol):
    """A head on images. Holds its network outside its fields, built on first use, so that it travels to workers."""

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        """One prediction an image, in order. Images may differ in size; the head resizes and batches as it likes."""


class Judge(Head, Protocol):
    """A head that sees the original beside the decoded image and says how near it is; of regime "reference", without
    classes.

    measure: the score its answers give, a metric's.
    """

    measure: ClassVar[str]

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One answer a pair, in order; the two of a pair are of one size."""


@runtime_checkable
class GivesMasks(Protocol):
    """Capability of a head of boxes: a mask with each, where ``gives_masks`` says so; it may depend on the weights."""

    @property
    def gives_masks(self) -> bool: ...


@runtime_checkable
class LatentHead(Head, Protocol):
    """A head on decoded latents. ``needs`` names the maps it reads, in whose space."""

    needs: Sequence[LatentSpec]

    def predict_latents(self, latents: Sequence[Latents]) -> list[Prediction]: ...


Route: TypeAlias = Literal["image", "latent"]
"""How a head comes to its input: from the decoded image, or straight from the decoded latents."""


def routes_of(head: Any) -> tuple[Route, ...]:
    """The routes a head can take, told from its methods alone, so that one whose weights are missing can be asked too."""
    methods: dict[Route, tuple[str, ...]] = {"image": ("predict", "compare"), "latent": ("predict_latents",)}
    return tuple(
        route for route, names in methods.items() if any(callable(getattr(head, name, None)) for name in names)
    )


def sees_originals(head: Any) -> bool:
    """Whether a head is a ``Judge``, told from its methods alone."""
    return callable(getattr(head, "compare", None))


class AdaptedHead(Protocol):
    """A head on images that was trained on what one codec decodes."""

    @property
    def adapted_to(self) -> str:
        """The latent space of that codec, empty for any."""


class LabelledData(Protocol):
    """The part of a data set that a head must agree with."""

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None: ...


HEADS: Registry[Any] = Registry("head", package="downstream.heads", group="hsc.heads")

"""Heads: detectors, segmenters, classifiers, fidelity measures. Their results on decoded images are what we measure.

import downstream
head = downstream.HEADS.build("small")
(boxes,) = head.predict([image])                      # uint8 (H, W, 3) RGB -> Detections
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsc.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from downstream.api import (
        HEADS,
        NO_CLASS,
        VOID,
        AdaptedHead,
        Classification,
        ComparesWithOriginals,
        Detections,
        FeaturePair,
        Fidelity,
        FidelityHead,
        GivesMasks,
        Head,
        ImageHead,
        LabelSpace,
        LatentHead,
        Masks,
        Prediction,
        PredictsFromImages,
        PredictsFromLatents,
        Route,
        SegmentationMap,
        ranked,
        routes_of,
    )
    from downstream.compatibility import why_not

__all__ = [
    "HEADS",
    "NO_CLASS",
    "VOID",
    "AdaptedHead",
    "Classification",
    "ComparesWithOriginals",
    "Detections",
    "FeaturePair",
    "Fidelity",
    "FidelityHead",
    "GivesMasks",
    "Head",
    "ImageHead",
    "LabelSpace",
    "LatentHead",
    "Masks",
    "Prediction",
    "PredictsFromImages",
    "PredictsFromLatents",
    "Route",
    "SegmentationMap",
    "ranked",
    "routes_of",
    "why_not",
]

_HOMES = {**dict.fromkeys(__all__, "downstream.api"), "why_not": "downstream.compatibility"}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

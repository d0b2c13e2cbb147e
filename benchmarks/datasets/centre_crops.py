"""Another data set's pictures as classifiers see them: the shorter side scaled, and the square in the middle.

picture --resize, shorter side--> --centre crop--> side x side pixels, with the picture's class

Papers on coding for classifiers code this crop and count their rates over it (TransTIC, ICCV 2023; Adapt-ICMH, ECCV
2024). The resize is bilinear, by Pillow, as torchvision's transforms do it, which also say where the crop lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.api import DATASETS, HasClassLabels, HasRegions, Sample
from benchmarks.datasets._wrapped import WrappedDataset
from benchmarks.programs.data_only import why_not_spec
from downstream.api import Classification, LabelSpace, Prediction
from downstream.ops.centre_crop import centre_crop
from downstream.ops.shortest_side import LONGEST_SIDE
from hsc.errors import DataError

VERSION = "1"


@DATASETS.register("centre_crops")
@dataclass(frozen=True)
class CentreCrops(WrappedDataset):
    """The middle square of each picture of a data set of one class a picture.

    The pictures have no file of their own, so there is no rate of their source. of: the data set. side: of the square,
    in pixels, which the shorter side is scaled to before.
    """

    of: str = "imagenet"
    side: int = 256

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """The answer of the data set itself."""
        return why_not_spec(DATASETS, settings["of"])

    def __post_init__(self) -> None:
        if not 1 <= self.side <= LONGEST_SIDE:
            raise ValueError(f"side came as {self.side}, expected 1 to {LONGEST_SIDE:,} pixels")

    @property
    def revision(self) -> str:
        """That of the data set, with the side and the version of the resize."""
        return f"{self.wrapped.revision} {self.side} {VERSION}"

    def load(self, index: int) -> Sample:
        """The crop of image ``index``. Raises as the data set does."""
        whole = self.wrapped.load(index)
        return Sample(whole.image_id, centre_crop(whole.image, self.side, self.side))

    def class_labels(self, index: int) -> npt.NDArray[np.int64]:
        """The class of image ``index``.

        Raises:
            DataError: the data set has no class of a whole picture.
        """
        dataset = self.wrapped
        if not isinstance(dataset, HasClassLabels) or isinstance(dataset, HasRegions):
            raise DataError(f"{self.of} has no class for each whole picture; name one that has, such as imagenet")
        return dataset.class_labels(index)

    def label_space(self, kind: type[Prediction]) -> LabelSpace | None:
        """The classes; there are no other labels, since boxes and maps are of whole pictures."""
        return self.wrapped.label_space(kind) if kind is Classification else None

    def provenance(self) -> Mapping[str, str]:
        """The data set's provenance, and the version of Pillow, which resizes."""
        import PIL

        return {**self.wrapped.provenance(), "resized_by": f"Pillow {PIL.__version__}"}

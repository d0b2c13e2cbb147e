"""The measure of lattices in decoded images: blockiness at 16, 8 or 4 pixels, alone or over that of the original.

The formula is in ``downstream/ops/blockiness.py``. It looks at the decoded image alone; codecs that upsample by 2 leave
patterns of 16, 8 and 4 pixels, and JPEG those of 8 and 16. The 64 rendered streets of roadscenes' val measure 1.02,
1.02 and 1.01 in the mean at these periods, one alone .87 to 1.19 at 16: a value is read over many images, beside that
of the codec ``original`` in the same table, or relative to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from downstream.api import HEADS, Fidelity, Prediction
from downstream.heads._reference import ReferenceHead
from downstream.ops.blockiness import blockiness
from hsc.api import Image

PERIODS = (16, 8, 4)


@HEADS.register("blockiness")
@dataclass(frozen=True)
class Blockiness(ReferenceHead):
    """Mean step across a lattice's lines over the mean step elsewhere, both directions, mean of R, G and B.

    period: of the lattice in pixels, 16, 8 or 4. relative: over the original's own value, so that 1 is what the
    original has.

    Raises:
        ValueError: the period is another one.
    """

    period: int = 16
    relative: bool = False

    output: ClassVar[type[Prediction]] = Fidelity

    def __post_init__(self) -> None:
        if self.period not in PERIODS:
            raise ValueError(f"period came as {self.period}, expected one of {', '.join(map(str, PERIODS))} pixels")

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """It has no weights, so it is always data only."""
        return None

    @property
    def measure(self) -> str:
        """Such as "blockiness_16", or "relative_blockiness_16"."""
        return f"{'relative_' if self.relative else ''}blockiness_{self.period}"

    def compare(self, originals: Sequence[Image], images: Sequence[Image]) -> list[Prediction]:
        """One Fidelity for each pair; its one number is the value of the decoded image.

        Raises:
            UnavailableError: an image has no side that is longer than the period.
        """
        answers: list[Prediction] = []
        for original, image in zip(originals, images, strict=True):
            value = blockiness(image, self.period)
            value /= blockiness(original, self.period) if self.relative else 1.0
            answers.append(Fidelity(self.measure, np.array([value], np.float64)))
        return answers

    def available(self) -> str | None:
        """Always None, since it needs only numpy."""
        return None

    def provenance(self) -> Mapping[str, str]:
        return {"code": "blockiness-1"}

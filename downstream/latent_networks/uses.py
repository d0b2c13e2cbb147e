"""Which of a codec's latents a head reads."""

from __future__ import annotations

from typing import Literal

Use = Literal["both", "F", "w"]
"""F: the map that follows the image. w: the vectors that stand for all of it. both: F, modulated by w."""

USES = ("both", "F", "w")

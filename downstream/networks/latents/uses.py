"""Which of a codec's latents a head reads."""

from __future__ import annotations

from typing import Literal

Use = Literal["both", "y", "w"]
"""y: the map that follows the image, the first of those that a codec names. w: the vectors that stand for all of it.
both: y, modulated by w.
"""

USES = ("both", "y", "w")

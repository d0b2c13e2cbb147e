"""The choice of which of a codec's latents a head reads."""

from __future__ import annotations

from typing import Literal

Use = Literal["both", "y", "w"]
"""The latents that are read.

y: the map that follows the size of the image, the first that the codec names. w: the vectors that describe the whole
image. both: y, modulated by w.
"""

USES = ("both", "y", "w")

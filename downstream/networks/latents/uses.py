"""The choice of which of a codec's latents a head reads."""

from __future__ import annotations

from typing import Literal

Use = Literal["both", "y", "w", "F"]
"""The latents that are read.

y: the map that follows the size of the image, the first that the codec names. w: the vectors that describe the whole
image, and the map w_map of codecs whose w says where things are. both: y, modulated by those vectors, beside that map.
F: the decoded feature that the codec names F_hat, in which y and w are joined: what w predicts, and what the layers of
F add to it. Where y is F less that prediction, y alone says little.
"""

USES = ("both", "y", "w", "F")
FEATURE, PLACED = "F_hat", "w_map"
"""The names of the map that use F reads, and of the one that places what w says."""

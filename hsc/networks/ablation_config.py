"""What a profile leaves out of its compression networks for a study, as plain data, without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AblationConfig:
    """Parts that are left out to see what they are worth; all other networks keep their sizes.

    semantics: False codes nothing of W+. Its symbols are their priors' means, so every image has the same w_hat, which
    is learned, and the layer costs next to nothing.
    condition: False codes F without w: zeros stand in the place of w_hat in g_a and g_s, and in that of w's symbols in
    the context of the slices. The generator still gets w_hat.
    shared: False predicts every slice of F from w alone, without the slices before it.
    """

    semantics: bool = True
    condition: bool = True
    shared: bool = True

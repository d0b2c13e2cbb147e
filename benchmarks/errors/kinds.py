"""The kinds of errors, by which every labelled object, every false detection and every labelled pixel is counted once.

    labelled objects of the originals  = kept + missed + gained + lost
    lost                               = vanished + class_changed + box_moved           (boxes and masks alone)
    false detections on coded images   = already_false + new_false
    new_false                          = hallucinated + wrong_class + wrong_box + duplicate + wrong_both   (as above)
    false detections on the originals  = already_false + cured

In label maps a labelled pixel stands for an object, and a pixel with the wrong class for a false detection of it.
"""

from __future__ import annotations

from typing import Literal

By = Literal["all", "class", "size", "contrast", "distance"]
"""What a part is a part by; "all" is the whole."""

KEPT, MISSED, GAINED, VANISHED, CLASS_CHANGED, BOX_MOVED = range(6)
OBJECT_KINDS = ("kept", "missed", "gained", "vanished", "class_changed", "box_moved")
"""What becomes of a labelled object: found on original and coded image, on neither, on the coded one alone; the last
three are found on the original alone.
"""
ALREADY_FALSE, HALLUCINATED, WRONG_CLASS, WRONG_BOX, DUPLICATE, WRONG_BOTH = range(6)
FALSE_KINDS = ("already_false", "hallucinated", "wrong_class", "wrong_box", "duplicate", "wrong_both")
"""What a detection on a coded image is that takes no labelled object."""

LOST = ("vanished", "class_changed", "box_moved")
NEW_FALSE = FALSE_KINDS[1:]
BOX_KINDS = ("kept", "missed", "gained", "lost", *LOST, "already_false", "new_false", *NEW_FALSE, "cured")
"""The kinds that are counted of boxes and masks."""
PIXEL_KINDS = ("kept", "missed", "gained", "lost", "already_false", "new_false", "cured")
"""The kinds that are counted of label maps."""
OF_THE_TRUTH = ("kept", "missed", "gained", "lost", *LOST)
"""Kinds of what is labelled, which are shares of it; the others are shares of the images, or of all labelled pixels."""
SUMS = {"lost": LOST, "new_false": NEW_FALSE}
"""Kinds that are sums of others, where those are counted."""
SIZES = ("small", "medium", "large")
SIZE_EDGES = (32.0**2, 96.0**2)
"""Areas in pixels from which an object is medium and large, those of COCO."""
CONTRASTS = ("low", "medium", "high")
CONTRAST_EDGES = (0.1, 0.3)
"""Michelson contrasts from which an object's contrast is medium and high."""
DISTANCES = ("0-2", "2-8", "8+")
DISTANCE_EDGES = (2.0, 8.0)
"""Distances in pixels to the nearest class boundary at which a band ends."""

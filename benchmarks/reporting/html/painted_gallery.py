"""The gallery as the page's script draws it: label maps painted in the colours of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.reporting.html.curves import class_colours
from benchmarks.reporting.images.embedding import coloured_map
from benchmarks.runs.domains import domain_of
from hsc.errors import ResultsError


def painted_gallery(gallery: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A run's gallery with its label maps painted and its heads' domains named; None where it has no picture.

    Raises:
        ResultsError: a label map is damaged.
    """
    if gallery is None or not gallery["images"]:
        return None
    colours = class_colours(len(gallery["classes"]))
    table = np.zeros((256, 4), np.uint8)
    for label, colour in enumerate(colours[:255]):
        table[label] = [*bytes.fromhex(colour[1:]), 255]

    def painted(drawing: Any) -> Any:
        return {"map": coloured_map(drawing["map"], table)} if drawing and "map" in drawing else drawing

    images = []
    try:
        for image in gallery["images"]:
            tiles = [{**tile, "found": [painted(drawing) for drawing in tile["found"]]} for tile in image["tiles"]]
            images.append({**image, "labels": painted(image["labels"]), "tiles": tiles})
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ResultsError(
            f"the run's gallery.json is damaged: {error}; remove it, or let hsc-bench run write it again"
        ) from error
    heads = [{**head, "domain": domain_of(head["route"])} for head in gallery["heads"]]
    kept = {name: gallery[name] for name in ("target_bpp", "classes")}
    return {**kept, "heads": heads, "colours": colours, "images": images}

"""The gallery as the page's script draws it: label maps painted in the colours of their classes, and their errors.

prediction, labels, prediction on the original --errors--> transparent where right, orange where wrong on the original,
too, red where wrong here alone. Without labels the prediction on the original stands in for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.reporting.html.curves import class_colours
from benchmarks.reporting.images.embedding import coloured_map, map_labels, painted_map
from benchmarks.reporting.images.label_maps import errors
from benchmarks.runs.domains import domain_of
from hsc.errors import ResultsError

_COLOURS = {"wrong on the original, too": "#E69F00", "wrong here alone": "#D21F3C"}
"""Kinds of wrong pixels in the order of ``errors``, which counts them from 1."""


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
            wrong = _wrong(image)
            tiles = [
                {**tile, "found": [_with_errors(painted(d), wrong(n, d)) for n, d in enumerate(tile["found"])]}
                for tile in image["tiles"]
            ]
            images.append({**image, "labels": painted(image["labels"]), "tiles": tiles})
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ResultsError(
            f"the run's gallery.json is damaged: {error}; remove it, or let hsc-bench run write it again"
        ) from error
    heads = [{**head, "domain": domain_of(head["route"])} for head in gallery["heads"]]
    kept = {name: gallery[name] for name in ("target_bpp", "classes")}
    kept |= {"rates": gallery["rates"], "errors": _COLOURS}
    return {**kept, "heads": heads, "colours": colours, "images": images}


def _with_errors(drawing: Any, errors: str | None) -> Any:
    return {**drawing, "errors": errors} if drawing and errors else drawing


def _wrong(image: Mapping[str, Any]) -> Callable[[int, Any], str | None]:
    """A function from a head's number and its drawing to the painted errors of its label map; None of boxes."""
    original = next((tile for tile in image["tiles"] if tile["point"] == ""), None)
    labels = image["labels"]
    truth = map_labels(labels["map"]) if labels and "map" in labels else None
    table = np.zeros((256, 4), np.uint8)
    for kind, colour in enumerate(_COLOURS.values(), 1):
        table[kind] = [*bytes.fromhex(colour[1:]), 255]

    def painted(head: int, drawing: Any) -> str | None:
        if not drawing or "map" not in drawing:
            return None
        first = original["found"][head] if original else None
        on_original = map_labels(first["map"]) if first else None
        reference = on_original if truth is None else truth
        if reference is None:
            return None
        predicted = map_labels(drawing["map"])
        return painted_map(errors(reference, predicted, predicted if on_original is None else on_original), table)

    return painted

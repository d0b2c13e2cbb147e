"""Scenes in another scene's light, edited and rendered, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.studies.relighting import Relit


def draw(found: Sequence[Relit], shown: Sequence[int], point: str, path: Path) -> None:
    """Write a picture of some scenes: original, decoded, edited in two ways, and the scene in that light."""
    from benchmarks.reporting.figures.rate_curves import TEXT, pyplot, readable
    from benchmarks.reporting.images.boxes import close_layout, save_sheet

    titles = ("original", "decoded", "w of another scene", "w of this scene in that light", "the scene in that light")
    height, width = found[0].original.shape[:2]
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        size = (2.4 * len(titles), (2.4 * height / width + 0.22) * len(shown) + 0.2)
        figure, axes = plt.subplots(len(shown), len(titles), figsize=size, squeeze=False, layout=close_layout())
        for line, index in zip(axes, shown, strict=True):
            one = found[index]
            pictures = (one.original, *one.made[:3], one.wanted)
            for axis, picture, coded in zip(line, pictures, (False, True, True, True, False), strict=True):
                axis.imshow(picture, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.set_xlabel(f"{readable(point)}   {one.size_bytes} bytes" if coded else " ", fontsize=7, labelpad=2)
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title, fontsize=9)
        save_sheet(figure, path)

"""A sheet of scenes in another scene's light, edited in the bitstream and rendered, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting.figures.figure_files import TEXT, pyplot, readable
from benchmarks.reporting.images.sheet_layout import close_layout, save_sheet
from benchmarks.studies.relighting import Relit

_TITLES = ("original", "decoded", "w of another scene", "w of this scene in that light", "the scene in that light")


def draw(scenes: Sequence[Relit], shown: Sequence[int], point: str, path: Path) -> None:
    """Write a sheet of some scenes: original, decoded, edited in two ways, and rendered in the other light.

    shown: indices into ``scenes``. point: the name of the codec's operating point.
    """
    height, width = scenes[0].original.shape[:2]
    plt = pyplot()
    with plt.rc_context({**TEXT, "font.size": 8}):
        size = (2.4 * len(_TITLES), (2.4 * height / width + 0.22) * len(shown) + 0.2)
        figure, axes = plt.subplots(len(shown), len(_TITLES), figsize=size, squeeze=False, layout=close_layout())
        for line, index in zip(axes, shown, strict=True):
            scene = scenes[index]
            bytes_text = f"{readable(point)}   {scene.size_bytes} bytes"
            images = (scene.original, *scene.made[:3], scene.wanted)
            texts = (" ", bytes_text, bytes_text, bytes_text, " ")
            for axis, image, text in zip(line, images, texts, strict=True):
                axis.imshow(image, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.set_xlabel(text, fontsize=7, labelpad=2)
        for axis, title in zip(axes[0], _TITLES, strict=True):
            axis.set_title(title, fontsize=9)
        save_sheet(figure, path)

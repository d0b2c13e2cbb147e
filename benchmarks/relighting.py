"""Does w rule the light? Scenes edited in the bitstream, against what they look like in that light: ``python -m benchmarks.relighting --help``.

stream of scene A ──w replaced by that of scene B's stream──> A in the light of B      against      A rendered in the light of B
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.api import CODECS, DATASETS
from benchmarks.pictures import psnr
from benchmarks.points import point_label
from benchmarks.progress import Bar, Progress, Silent
from benchmarks.whole_files import write_text
from hsc.api import DecodesLatents, Edits, Image
from hsc.errors import HscError, UnavailableError, UsageError

EXAMPLES = """examples:
  python -m benchmarks.relighting
      64 scenes of roadscenes val, each in the light of another one: how near an edited stream comes
  python -m benchmarks.relighting --codec 'hsc(quality=2)' --images 16 --out light.md --picture light.jpg --shown 0 5 9 21"""

WAYS = ("as it is", "w of another scene in that light", "w of this scene in that light", "coded in that light")
"""How the image is made that is held against the scene in the other light; nothing beats the last."""
_FURTHER = 7
"""Whose light a scene is shown in: the one so many further on."""


class Relit(NamedTuple):
    """wanted: the scene in the other light. made: an image for each of ``WAYS``. size_bytes: of the stream that is edited."""

    original: Image
    wanted: Image
    made: tuple[Image, ...]
    size_bytes: int


def relight(dataset: Any, codec: Any, index: int) -> Relit:
    """Scene ``index`` in the light of another one, by each of ``WAYS``."""
    other = (index + _FURTHER) % len(dataset)
    image, wanted = dataset.load(index).image, dataset.relit(index, other)
    own, lit, far = (codec.encode(seen) for seen in (image, wanted, dataset.load(other).image))
    w_own, w_lit, w_far = (codec.decode_latents(data, ("w_hat",)).maps["w_hat"] for data in (own, lit, far))
    made = codec.decode(own), codec.edit(own, w_far - w_own, 1.0), codec.edit(own, w_lit - w_own, 1.0), codec.decode(lit)
    return Relit(image, wanted, made, len(own))


def measure(dataset: Any, codec: Any, images: int, progress: Progress | None = None) -> tuple[str, list[Relit]]:
    """The first ``images`` scenes: a table as Markdown, and what it was made of.

    Raises:
        UsageError: the data set cannot show its scenes in another light, or has not so many; the codec cannot edit.
        UnavailableError: the codec cannot be used here.
    """
    named, reason = CODECS.spec(codec), codec.available()
    if not hasattr(dataset, "relit"):
        raise UsageError(f"{DATASETS.spec(dataset)} cannot show its scenes in another light; take roadscenes")
    if not isinstance(codec, Edits) or not isinstance(codec, DecodesLatents):
        raise UsageError(f"{named} cannot edit its streams; take hsc")
    if reason:
        raise UnavailableError(reason)
    if not 1 <= images <= len(dataset):
        raise UsageError(f"{images} images were asked for, the data set has 1 to {len(dataset)}")
    progress, found = progress or Silent(), []
    progress.begin("scenes", images)
    for index in range(images):
        found.append(relight(dataset, codec, index))
        progress.advance(str(index), 1)
    progress.end()
    rows = [[_facts(one.made[way], one.wanted) for one in found] for way in range(len(WAYS))]
    same = _facts_of([_facts(one.made[0], one.original) for one in found])
    lines = [
        f"{images} scenes of `{DATASETS.spec(dataset)}`, `{named}`, each against itself in the light of the {_FURTHER}th after it:",
        "means over scenes. Colour: how far the mean colour is off, in levels of 255, mean over channels.",
        "",
        "| made | against | PSNR dB | colour |",
        "|---|---|---|---|",
        f"| {WAYS[0]} | the scene in its own light | {same} |",
        *(f"| {way} | the scene in that light | {_facts_of(row)} |" for way, row in zip(WAYS, rows, strict=True)),
        "",
    ]
    return "\n".join(lines), found


def draw(found: Sequence[Relit], shown: Sequence[int], point: str, path: Path) -> None:
    """Write a picture of some scenes: original, decoded, edited in two ways, and the scene in that light."""
    from benchmarks.box_sheet import close_layout, save_sheet
    from benchmarks.plots import TEXT, pyplot, readable

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


def _facts(image: Image, wanted: Image) -> tuple[float, float]:
    """PSNR in dB, and how far the mean colour is off."""
    off = np.abs(image.mean((0, 1)) - wanted.mean((0, 1))).mean()
    return psnr(image, wanted) or np.inf, float(off)


def _facts_of(rows: Sequence[tuple[float, float]]) -> str:
    means: npt.NDArray[np.float64] = np.array(rows).mean(0)
    return f"{means[0]:.2f} | {means[1]:.1f}"


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.relighting",
        description="Edit the light of coded scenes by their semantics alone, and hold them against the scenes in that light.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", default="roadscenes", help="one whose scenes can be had in another light (%(default)s)")
    parser.add_argument("--codec", default="hsc(quality=4)", help="one that edits its streams (%(default)s)")
    parser.add_argument("--images", type=int, default=64, help="how many scenes (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table here too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw some scenes: .jpg, .png, .webp or .pdf")
    parser.add_argument("--shown", type=int, nargs="+", default=[0, 1, 2, 3], metavar="I", help="which scenes are drawn (0 1 2 3)")
    chosen = parser.parse_args(argv)
    try:
        for path in (chosen.out, chosen.picture):
            if path is not None and not path.parent.is_dir():
                raise UsageError(f"there is no folder {path.parent}; make it first")
        if chosen.picture and not all(0 <= i < chosen.images for i in chosen.shown):
            raise UsageError(f"scenes {chosen.shown} should be drawn, 0 to {chosen.images - 1} are measured")
        dataset, codec = DATASETS.build(chosen.dataset), CODECS.build(chosen.codec)
        table, found = measure(dataset, codec, chosen.images, Bar())
        sys.stdout.write(table)
        if chosen.out:
            write_text(chosen.out, table)
        if chosen.picture:
            draw(found, chosen.shown, point_label(codec), chosen.picture)
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""``hsc-bench relighting``: edited scenes against the same scenes rendered in that light."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.api import CODECS, DATASETS
from benchmarks.harness.operating_points import point_label
from benchmarks.harness.progress import Bar
from benchmarks.reporting.images.relighting import draw
from benchmarks.studies.relighting import measure
from hsc.errors import HscError, UsageError
from hsc.files.atomic_files import write_text

EXAMPLES = """examples:
  hsc-bench relighting
      64 scenes of roadscenes val, each in the light of another one: how near an edited stream comes
  hsc-bench relighting --codec 'hsc(quality=2)' --images 16 --out light.md --picture light.jpg --shown 0 5 9 21"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench relighting",
        description="Edit the light of coded scenes by their semantics alone, and hold them against the scenes in that light.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dataset", default="roadscenes", help="one whose scenes can be had in another light (%(default)s)"
    )
    parser.add_argument("--codec", default="hsc(quality=4)", help="one that edits its streams (%(default)s)")
    parser.add_argument("--images", type=int, default=64, help="how many scenes (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table here too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw some scenes: .jpg, .png, .webp or .pdf")
    parser.add_argument(
        "--shown", type=int, nargs="+", default=[0, 1, 2, 3], metavar="I", help="which scenes are drawn (0 1 2 3)"
    )
    chosen = parser.parse_args(arguments)
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

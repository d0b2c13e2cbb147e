"""View the data set as a contact sheet, print statistics, and check or pin the renderer's pixels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.datasets.roadscenes import pixel_hashes, scene_seed
from benchmarks.datasets.roadscenes.sheet import gather, save, statistics, write_sheet
from hsc.errors import HscError

EXAMPLES = """examples:
  python -m benchmarks.datasets.roadscenes --sheet streets.png
  python -m benchmarks.datasets.roadscenes --sheet labels.png --count 24 --labels
  python -m benchmarks.datasets.roadscenes --split train --first 1000 --count 100      (statistics only)
  python -m benchmarks.datasets.roadscenes --split train --count 400 --save streets
      pictures and their conditions, for python -m hsc directions --labels streets/dusk.csv
  python -m benchmarks.datasets.roadscenes --check                                     (every pinned frame)
  python -m benchmarks.datasets.roadscenes --pin       (after an intended change of pixels and of pixel_hashes.VERSION)
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    command = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets.roadscenes",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--sheet", type=Path, metavar="OUT.png", help="write a contact sheet here")
    command.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="write the pictures here as PNG, and dusk.csv, haze.csv, exposure.csv",
    )
    command.add_argument("--labels", action="store_true", help="overlay the labels on the pictures")
    command.add_argument("--split", choices=("train", "val", "test"), default="val")
    command.add_argument("--seed", type=int, default=None, help="seed for streets other than the split's own")
    command.add_argument("--first", type=int, default=0, help="index of the first scene")
    command.add_argument("--count", type=int, default=48)
    command.add_argument("--columns", type=int, default=6)
    command.add_argument("--size", type=int, nargs=2, default=(384, 256), metavar=("W", "H"))
    command.add_argument("--check", action="store_true", help="render all pinned frames and compare")
    command.add_argument("--pin", action="store_true", help="render all pinned frames and write their hashes anew")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if all went well, 1 if pixels differ from the pinned ones, 2 for an error."""
    options = parser().parse_args(arguments)
    write = sys.stdout.write
    try:
        if options.pin:
            pixel_hashes.write(list(pixel_hashes.pinned()))
            return 0
        if options.check:
            pinned = pixel_hashes.pinned()
            differing = [key for key, sha256 in pinned.items() if pixel_hashes.measured(key) != sha256]
            write(f"{len(pinned) - len(differing)} of {len(pinned)} pinned frames agree\n")
            write("".join(f"other pixels: {key}\n" for key in differing))
            return 1 if differing else 0
        seed = scene_seed(options.split, options.seed)
        frames, images_per_s = gather(seed, options.first, max(options.count, 2), tuple(options.size))
        if options.save:
            save(frames, seed, options.first, options.save)
        if options.sheet:
            write_sheet(frames, options.sheet, columns=options.columns, labels=options.labels)
        write(f"{statistics(frames, images_per_s)}\n")
    except (HscError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

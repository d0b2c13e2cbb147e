"""Prints what scoring costs at the size of COCO and beyond (``benchmarks/studies/scale.py``), as a Markdown table.

python -m benchmarks.studies                   all figures
python -m benchmarks.studies scoring 1000      one of them, at another number of pictures
"""

from __future__ import annotations

import sys

from benchmarks.studies.scale import measured

PICTURES = {"scoring": 5_000, "label_maps": 5_000, "driver": 100_000, "worker": 100_000}


def main(arguments: list[str]) -> None:
    sys.stdout.write("| figure | pictures | CPU s | peak MiB | before the work MiB |\n|---|---|---|---|---|\n")
    for name in arguments[:1] or PICTURES:
        pictures = int(arguments[1]) if arguments[1:] else PICTURES[name]
        figure = measured(name, pictures)
        numbers = f"{figure.cpu_s:.2f} | {figure.peak_mib:.0f} | {figure.start_mib:.0f}"
        sys.stdout.write(f"| {figure.name} | {figure.pictures:,} | {numbers} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

"""The command of ``convert``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hsc.errors import HscError, UsageError

DONE, FAILED, USAGE = 0, 1, 2
EXAMPLES = """examples:
  python -m downstream.networks.rcnn model_final_280758.pkl faster_rcnn_R_50_FPN_3x.safetensors
      weights of Detectron2's zoo, which are pickles of arrays; nothing that they name is run
  python -m downstream.networks.rcnn model_final.pth mine.safetensors --overwrite
      a checkpoint of your own training with COCO's 80 classes

exit codes: 0 done, 1 the file cannot be converted, 2 the request cannot be met"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="python -m downstream.networks.rcnn",
        description="Convert Faster or Mask R-CNN of Detectron2 (R50, R101 or X101-32x8d with a feature pyramid) to a "
        "safetensors file that the head detectron2 reads.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("checkpoint", type=Path, help="a model_final file, .pkl or .pth")
    command.add_argument("output", type=Path, help="the file to write, ending in .safetensors")
    command.add_argument(
        "--allow-pickle",
        action="store_true",
        help="also load files that run their own code; only for files from people you trust",
    )
    command.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        from downstream.networks.rcnn.convert import convert

        layout = convert(
            options.checkpoint, options.output, allow_pickle=options.allow_pickle, overwrite=options.overwrite
        )
    except HscError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE if isinstance(error, UsageError) else FAILED
    masks = "with masks" if layout.masks else "without masks"
    trunk = f"ResNet-{layout.depth}" if layout.groups == 1 else f"ResNeXt-{layout.depth} 32x8d"
    sys.stdout.write(f"wrote {options.output}: {trunk}, {layout.classes} classes, {masks}\n")
    return DONE


if __name__ == "__main__":
    sys.exit(main())

"""The command line ``python -m hsc encode in.png out.hsc --quality 3``; ``hsc.cli.commands`` has the commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from hsc.cli.commands import DEFAULT_MODEL, FAILED, USAGE, directions, run
from hsc.errors import HscError, UsageError
from hsc.weights import convert_stylegan2

EXAMPLES = """examples:
  python -m hsc encode in.png out.hsc --quality 3
  python -m hsc decode out.hsc out.png
      the decoded image
  python -m hsc preview out.hsc small.png
      the image from the semantics alone, the first few bytes of the file
  python -m hsc info out.hsc
      size, quality, and the bits of each layer
  python -m hsc cut out.hsc short.hsc --layers 4
      a complete, shorter file of the first four layers
  python -m hsc directions streams/*.hsc --out axes.safetensors --labels dusk.csv
      the axis of the semantics along which a label changes; without --labels, the axes of most variance
  python -m hsc edit out.hsc edited.png --directions axes.safetensors --direction 0 --step -2 0 2
      the image with its semantics moved along such an axis
  python -m hsc edit out.hsc dusk.png --like evening.hsc
      the image in the light of another file
  python -m hsc encode *.png --into streams
      several files; outputs are named after inputs, progress goes to standard error
  python -m hsc encode - - --model mine.safetensors < in.png | python -m hsc decode - out.png --model mine.safetensors

exit codes: 0 done, 1 a file could not be coded, 2 the request cannot be met"""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with all commands."""
    main_parser = argparse.ArgumentParser(
        prog="python -m hsc",
        description="Code images by their semantics and features: HSC, hierarchical semantic compression.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    encode = _file_command(commands, "encode", "encode an image to an .hsc file")
    encode.add_argument(
        "--quality",
        type=float,
        default=3.0,
        metavar="Q",
        help="1 (small) to 6 (large), in steps of 1/32; default %(default)s",
    )
    decode = _file_command(
        commands, "decode", "decode an .hsc file to a lossless image (PNG, or the format of the file's ending)"
    )
    decode.add_argument("--layers", type=int, metavar="N", help="use only the first N layers")
    preview = _file_command(commands, "preview", "decode an .hsc file to the image of its semantics alone")
    info = _file_command(
        commands, "info", "describe an .hsc file layer by layer, on standard output unless an output is named"
    )
    cut = _file_command(commands, "cut", "cut an .hsc file to its first layers")
    cut.add_argument("--layers", type=int, required=True, metavar="N", help="how many layers to keep")
    _add_edit(commands)
    _add_directions(commands)
    convert = commands.add_parser(
        "convert-stylegan2",
        help="convert a StyleGAN2 generator's checkpoint to a safetensors file",
        description=convert_stylegan2.DESCRIPTION,
        epilog=convert_stylegan2.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    convert_stylegan2.add_arguments(convert)
    convert.set_defaults(act=convert_stylegan2.run)
    for command in (decode, preview, info):
        command.add_argument(
            "--partial", action="store_true", help="also read a file with a missing end, as far as it goes (unverified)"
        )
    return main_parser


def _add_edit(commands: Commands) -> None:
    edit = _file_command(commands, "edit", "decode an .hsc file with its semantics moved along a direction")
    direction = edit.add_mutually_exclusive_group(required=True)
    direction.add_argument("--directions", metavar="FILE", help="a file written by the command directions")
    direction.add_argument(
        "--like",
        metavar="HSC",
        help="move towards the semantics of this .hsc file of the same quality; a step of 1 adopts them",
    )
    edit.add_argument("--direction", type=int, default=0, metavar="K", help="which of its axes; default %(default)s")
    edit.add_argument(
        "--step",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="X",
        help="how far to move, in standard deviations (1); the images of several steps are placed side by side",
    )


def _add_directions(commands: Commands) -> None:
    command = _add_command(
        commands, directions, "directions", "find axes along which the semantics of many .hsc files differ, for edit"
    )
    command.add_argument("files", nargs="+", metavar="FILE", help=".hsc files; more files give better axes")
    command.add_argument("--out", required=True, metavar="FILE", help="the file of directions to write, safetensors")
    command.add_argument(
        "--count", type=int, default=8, metavar="K", help="how many axes of most variance; default %(default)s"
    )
    command.add_argument(
        "--labels", metavar="CSV", help="lines NAME,NUMBER: find the one axis along which this number changes instead"
    )


def _file_command(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    """Add a command that turns each input file into an output file."""
    command = _add_command(commands, run, name, summary)
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help='INPUT OUTPUT, "-" for standard input or output; with --into all are inputs',
    )
    command.add_argument("--into", metavar="FOLDER", help="write outputs to this folder, named after their inputs")
    return command


def _add_command(
    commands: Commands, act: Callable[[argparse.Namespace], int], name: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command with the options that all commands have."""
    command = commands.add_parser(
        name, help=summary, description=summary, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.set_defaults(act=act)
    command.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    command.add_argument(
        "--model",
        default=None,
        metavar="M",
        help=f"weights by name, or a .safetensors file; default: {DEFAULT_MODEL} to encode, else the packaged weights "
        f"that made the file",
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.act(options)
        return code
    except HscError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return FAILED


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m hsc encode in.png out.hsc --quality 3``. See ``hsc.cli.commands`` for what the commands
do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from hsc.cli.commands import FAILED, USAGE, directions, run
from hsc.errors import HscError, UsageError

DEFAULT_MODEL = "roadscenes"

EXAMPLES = """examples:
  python -m hsc encode in.png out.hsc --quality 3
  python -m hsc decode out.hsc out.png
      the image again
  python -m hsc preview out.hsc small.png
      what the first few bytes of the file tell: its semantics
  python -m hsc info out.hsc
      size, quality, and how many bits each layer takes
  python -m hsc cut out.hsc short.hsc --layers 4
      a whole, shorter file of the first four layers
  python -m hsc directions streams/*.hsc --out axes.safetensors --labels dusk.csv
      the axis of the semantics that a label follows; without --labels, the axes of most variance
  python -m hsc edit out.hsc edited.png --directions axes.safetensors --direction 0 --step -2 0 2
      the image, its semantics moved along such an axis
  python -m hsc edit out.hsc dusk.png --like evening.hsc
      the image in the light that another file's semantics tell
  python -m hsc encode *.png --into streams
      several files; names are kept, progress goes to standard error
  python -m hsc encode - - --model mine.safetensors < in.png | python -m hsc decode - out.png --model mine.safetensors

exit codes: 0 done, 1 a file could not be coded, 2 the request cannot be met"""


def parser() -> argparse.ArgumentParser:
    """The arguments, with their help."""
    made = argparse.ArgumentParser(
        prog="python -m hsc",
        description="Code images by their semantics and features: HSC, hierarchical semantic compression.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    encode = _command(commands, "encode", "an image to an .hsc file")
    encode.add_argument(
        "--quality",
        type=float,
        default=3.0,
        metavar="Q",
        help="1 (small) to 6 (large), in steps of 1/32; default %(default)s",
    )
    decode = _command(commands, "decode", "an .hsc file to an image (PNG, or what the name ends in; lossless)")
    decode.add_argument("--layers", type=int, metavar="N", help="use only the first N layers")
    preview = _command(commands, "preview", "the image as the semantics alone give it")
    info = _command(
        commands, "info", "what an .hsc file holds, layer by layer; to standard output unless a file is named"
    )
    cut = _command(commands, "cut", "a shorter .hsc file")
    cut.add_argument("--layers", type=int, required=True, metavar="N", help="how many layers to keep")
    edit = _command(commands, "edit", "the image with its semantics moved along a direction")
    way = edit.add_mutually_exclusive_group(required=True)
    way.add_argument("--directions", metavar="FILE", help="a file of the command directions")
    way.add_argument(
        "--like",
        metavar="HSC",
        help="towards the semantics of this .hsc file of the same quality; with a step of 1 they are taken over",
    )
    edit.add_argument("--direction", type=int, default=0, metavar="K", help="which of its axes; default %(default)s")
    edit.add_argument(
        "--step",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="X",
        help="how far, in standard deviations (1); of several, the images side by side",
    )
    found = _plain(
        commands, directions, "directions", "axes along which the semantics of many .hsc files differ, for edit"
    )
    found.add_argument("files", nargs="+", metavar="FILE", help=".hsc files; the more, the better")
    found.add_argument("--out", required=True, metavar="FILE", help="the file of directions, safetensors")
    found.add_argument(
        "--count", type=int, default=8, metavar="K", help="how many axes of most variance; default %(default)s"
    )
    found.add_argument(
        "--labels", metavar="CSV", help="lines of NAME,NUMBER: one axis instead, along which this number changes"
    )
    for command in (decode, preview, info):
        command.add_argument(
            "--partial", action="store_true", help="also read a file whose end is missing, as far as it goes (unproven)"
        )
    return made


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str
) -> argparse.ArgumentParser:
    made = _plain(commands, run, name, words)
    made.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help='INPUT OUTPUT, "-" for standard input or output; with --into all are inputs',
    )
    made.add_argument("--into", metavar="FOLDER", help="write outputs here, named after their inputs")
    return made


def _plain(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    act: Callable[[argparse.Namespace], int],
    name: str,
    words: str,
) -> argparse.ArgumentParser:
    made = commands.add_parser(
        name, help=words, description=words, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.set_defaults(act=act)
    made.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    made.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="M",
        help="weights by name, or a .safetensors file; default %(default)s",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit code."""
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

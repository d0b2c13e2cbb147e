"""What ``python -m hsc`` does with its arguments: each command turns input bytes into output bytes.

files ──pairs (input, output)──> read ──command──> bytes ──.name.pid.part──rename──> output
                              one after another; a failure is told, the rest goes on
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hsc.errors import DataError, HscError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hsc.codec import HscCodec

STANDARD = "-"
DONE, FAILED, USAGE = 0, 1, 2


class Pair(NamedTuple):
    """An input and its output: paths, or "-" for standard input and output."""

    source: str
    target: str


class Command(NamedTuple):
    """run: (codec, options, input's bytes, pair) -> output's bytes. suffix: of outputs that are named after their
    input.
    """

    run: Callable[[HscCodec, Namespace, bytes, Pair], bytes]
    suffix: str


def run(options: Namespace) -> int:
    """Run a parsed command that turns each input into an output; the result is the exit code."""
    command = COMMANDS[options.command]
    pairs = pair_up(options.files, options.into, command.suffix, options.overwrite)
    codec = _codec(options.model)
    failures = []
    for number, pair in enumerate(pairs, start=1):
        try:
            made = command.run(codec, options, _read(pair.source), pair)
            _write(pair.target, made, options.overwrite)
            note = f"{len(made)} bytes"
        except HscError as error:
            failures.append(error)
            note = f"failed: {error}"
        if len(pairs) > 1:
            _tell(f"[{number}/{len(pairs)}] {pair.source} -> {pair.target}: {note}")
    if len(pairs) == 1 and failures:
        raise failures[0]
    if failures:
        _tell(f"{len(failures)} of {len(pairs)} files failed")
    return FAILED if failures else DONE


def pair_up(files: list[str], into: str | None, suffix: str, overwrite: bool) -> list[Pair]:
    """Which output belongs to which input, checked before any work is done.

    Raises:
        UsageError: names are missing, clash, exist already, or are input and output at once.
    """
    if into is None:
        if suffix == "" and len(files) == 1:
            files = [*files, STANDARD]
        if len(files) != 2:
            raise UsageError(
                f"{len(files)} names came, expected INPUT OUTPUT; for several inputs name a folder with --into"
            )
        pairs = [Pair(files[0], files[1])]
    else:
        if not Path(into).is_dir():
            raise UsageError(f"there is no folder {into}; make it first")
        if STANDARD in files:
            raise UsageError("standard input has no name to be kept under; write INPUT OUTPUT instead of --into")
        pairs = [Pair(name, str(Path(into) / f"{Path(name).stem}{suffix or '.txt'}")) for name in files]
    targets = [pair.target for pair in pairs if pair.target != STANDARD]
    twice = {target for target in targets if targets.count(target) > 1}
    if twice:
        raise UsageError(f"two inputs would both become {min(twice)}; code them into different folders")
    for pair in pairs:
        _check(pair, overwrite)
    return pairs


def _check(pair: Pair, overwrite: bool) -> None:
    target = Path(pair.target)
    if pair.target == STANDARD:
        return
    if pair.source != STANDARD and target.exists() and Path(pair.source).exists() and target.samefile(pair.source):
        raise UsageError(f"the output {target} is the input; name another file")
    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(
            f"{target} is a folder; use --into"
            if target.is_dir()
            else f"there is no folder {target.parent}; make it first"
        )
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists; name another file, or replace it with --overwrite")


def encode(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """An image file to an hsc file."""
    from hsc.cli.image_files import read_picture

    return codec.encode(read_picture(data, pair.source), options.quality)


def decode(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """An hsc file to an image file."""
    return _picture(codec.decode(data, options.layers, allow_partial=options.partial), pair)


def preview(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """The image that the semantics alone give."""
    return _picture(codec.preview(data, allow_partial=options.partial), pair)


def edit(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """The image with its semantics moved; of several steps, the images beside each other."""
    import numpy as np

    direction = _direction(codec, options, data)
    made = [codec.edit(data, direction, step) for step in options.step]
    return _picture(np.concatenate(made, 1), pair)


def _direction(codec: HscCodec, options: Namespace, data: bytes) -> npt.NDArray[np.float32]:
    """Where semantics are moved: along a known axis, or from a file's own to those of another."""
    from hsc.networks.directions import load_directions

    if options.like is not None:
        streams = (data, _read(options.like))
        _same_quality(codec, streams)
        own, other = (codec.decode_latents(stream, ("w_hat",)).maps["w_hat"] for stream in streams)
        move: npt.NDArray[np.float32] = other - own
        return move
    known = load_directions(Path(options.directions))
    if not 0 <= options.direction < len(known.axes):
        raise UsageError(
            f"there is no direction {options.direction}, {options.directions} holds 0 to {len(known.axes) - 1}"
        )
    axis: npt.NDArray[np.float32] = known.axes[options.direction]
    return axis


def _same_quality(codec: HscCodec, streams: Sequence[bytes]) -> None:
    """Refuse to compare semantics of files of several qualities: at each, w_hat has a scale and a middle of its own."""
    from hsc.entropy_coding.container import QUALITY_STEPS, unpack

    found = sorted(
        {
            unpack(stream, codec.entropy.fingerprint, len(codec.layers)).header.quality / QUALITY_STEPS
            for stream in streams
        }
    )
    if len(found) > 1:
        raise UsageError(
            f"the files are of qualities {found[0]:g} to {found[-1]:g}; semantics are compared at one: code the "
            f"images again at the same"
        )


def cut(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """A shorter hsc file."""
    return codec.cut(data, options.layers)


def info(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """What a file holds, as text."""
    found = codec.info(data, allow_partial=options.partial)
    height, width = found.image_hw
    state = "whole" if found.complete else "cut off: unproven"
    lines = [
        f"{pair.source}: {width}x{height} pixels, quality {found.quality:g}, {found.size_bytes} bytes, "
        f"{found.bpp:.4f} bpp, {state}",
        f"model {found.model}",
        f"{'layer':<10} {'symbols':>8} {'bits':>10}",
        *(f"{layer.name:<10} {layer.symbols:>8} {layer.bits:>10.1f}" for layer in found.layers),
        f"{'in all':<10} {sum(layer.symbols for layer in found.layers):>8} "
        f"{sum(layer.bits for layer in found.layers):>10.1f}",
    ]
    if len(found.slices) < len(found.layers):
        lines += ["by slice: " + ", ".join(f"{name} {bits:.1f}" for name, bits in found.slices.items())]
    return ("\n".join(lines) + "\n").encode()


def directions(options: Namespace) -> int:
    """The semantics of many hsc files to one file of the axes they spread along, or of the one a label follows; the
    exit code as ``run``'s.
    """
    from hsc.networks.directions import directions_to_bytes, principal_directions, probe_axis

    for source in options.files:
        _check(Pair(source, options.out), options.overwrite)
    labels = _labels(options.labels, options.files) if options.labels else None
    codec, words = _codec(options.model), []
    streams = [_read(source) for source in options.files]
    _same_quality(codec, streams)
    for number, stream in enumerate(streams, start=1):
        words.append(codec.decode_latents(stream, ("w_hat",)).maps["w_hat"])
        if number % 50 == 0 or number == len(options.files):
            _tell(f"[{number}/{len(options.files)}] semantics read")
    if labels is None:
        found = principal_directions(words, options.count)
        _tell("share of the variance: " + ", ".join(f"{share:.3f}" for share in found.share))
    else:
        found, correlation = probe_axis(words, labels)
        _tell(
            f"the label is told with a correlation of {correlation:.2f} on files held out; the axis holds "
            f"{found.share[0]:.3f} of the variance"
        )
    _write(options.out, directions_to_bytes(found), options.overwrite)
    return DONE


def _labels(path: str, files: list[str]) -> list[float]:
    """A number for each file, from lines of ``name,number``; names with or without folder and ending.

    Raises:
        DataError: a line is no pair, or a file has no line.
    """
    known: dict[str, float] = {}
    for number, line in enumerate(_read(path).decode("utf-8", "replace").splitlines(), start=1):
        name, _, value = line.rpartition(",")
        try:
            label = float(value)
        except ValueError:
            if number > 1:  # the first may be a heading
                raise DataError(f"line {number} of {path} is {line[:80]!r}, expected NAME,NUMBER") from None
            continue
        if not math.isfinite(label):
            raise DataError(f"line {number} of {path} is {line[:80]!r}, expected a finite number behind the name")
        known[Path(name.strip()).stem] = label
    missing = [name for name in files if Path(name).stem not in known]
    if missing:
        raise DataError(
            f"{path} has no line for {missing[0]}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}"
        )
    return [known[Path(name).stem] for name in files]


COMMANDS = {
    "encode": Command(encode, ".hsc"),
    "decode": Command(decode, ".png"),
    "preview": Command(preview, ".png"),
    "edit": Command(edit, ".png"),
    "cut": Command(cut, ".hsc"),
    "info": Command(info, ""),
}


def _codec(model: str) -> HscCodec:
    from hsc.codec import HscCodec
    from hsc.weights import files as weights

    loaded = weights.load(model)
    return HscCodec(loaded, light=lambda: weights.light_for(model, loaded))


def _picture(image: object, pair: Pair) -> bytes:
    import numpy as np

    from hsc.cli.image_files import write_picture

    return write_picture(np.asarray(image), "" if pair.target == STANDARD else Path(pair.target).suffix)


def _read(source: str) -> bytes:
    if source == STANDARD:
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {source}: {error.strerror or error}") from error


def _write(target: str, data: bytes, overwrite: bool) -> None:
    """Write whole or not at all."""
    if target == STANDARD:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return
    try:
        with _part_of(Path(target)) as part:
            part.write_bytes(data)
            if overwrite:
                part.replace(target)
            else:
                _put(part, Path(target))
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error


@contextlib.contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _put(part: Path, target: Path) -> None:
    """Give the finished file its name; a link, unlike a rename, fails where the name was taken in the meantime."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise UsageError(
            f"{target} appeared in the meantime; name another file, or replace it with --overwrite"
        ) from None
    except OSError:  # a file system without links
        part.replace(target)


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

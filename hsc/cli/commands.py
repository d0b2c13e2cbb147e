"""The commands of ``python -m hsc``: each turns input bytes into output bytes.

    files ──pairs (input, output)──> read ──command──> bytes ──.name.pid.part──rename──> output

Files are processed one after another; a failure is reported, and the others continue.
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
DEFAULT_MODEL = "roadscenes"
DONE, FAILED, USAGE = 0, 1, 2


class Pair(NamedTuple):
    """An input and its output: paths, or "-" for standard input and output."""

    source: str
    target: str


class Command(NamedTuple):
    """A command. run: (codec, options, input bytes, pair) -> output bytes. suffix: ending of outputs in a folder."""

    run: Callable[[HscCodec, Namespace, bytes, Pair], bytes]
    suffix: str


def run(options: Namespace) -> int:
    """Run a parsed command on each of its inputs and return the exit code.

    Raises:
        HscError: the only input failed.
    """
    command = COMMANDS[options.command]
    pairs = pair_up(options.files, options.into, command.suffix, options.overwrite)
    chosen = options.model or (DEFAULT_MODEL if options.command == "encode" else None)
    codecs = {} if chosen is None else {chosen: _codec(chosen)}
    failures = []
    for number, pair in enumerate(pairs, start=1):
        try:
            data = _read(pair.source)
            model = chosen or _maker(data)
            if model not in codecs:
                codecs[model] = _codec(model)
            output = command.run(codecs[model], options, data, pair)
            _write(pair.target, output, options.overwrite)
            note = f"{len(output)} bytes"
        except HscError as error:
            failures.append(error)
            note = f"failed: {error}"
        if len(pairs) > 1:
            _report(f"[{number}/{len(pairs)}] {pair.source} -> {pair.target}: {note}")
    if len(pairs) == 1 and failures:
        raise failures[0]
    if failures:
        _report(f"{len(failures)} of {len(pairs)} files failed")
    return FAILED if failures else DONE


def pair_up(files: list[str], into: str | None, suffix: str, overwrite: bool) -> list[Pair]:
    """The inputs with their outputs, checked before any work is done.

    Raises:
        UsageError: names are missing or clash, an output exists, or a file is both input and output.
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
            raise UsageError("standard input has no name for its output; write INPUT OUTPUT instead of --into")
        pairs = [Pair(name, str(Path(into) / f"{Path(name).stem}{suffix or '.txt'}")) for name in files]
    targets = [pair.target for pair in pairs if pair.target != STANDARD]
    duplicates = {target for target in targets if targets.count(target) > 1}
    if duplicates:
        raise UsageError(f"two inputs have the same output {min(duplicates)}; write them to different folders")
    for pair in pairs:
        _check(pair, overwrite)
    return pairs


def _check(pair: Pair, overwrite: bool) -> None:
    """Raise UsageError if the output cannot be written or would replace a file."""
    target = Path(pair.target)
    if pair.target == STANDARD:
        return
    if pair.source != STANDARD and target.exists() and Path(pair.source).exists() and target.samefile(pair.source):
        raise UsageError(f"the output {target} is the input; name another file")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; use --into")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}; make it first")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists; name another file, or replace it with --overwrite")


def encode(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """Encode an image file to an hsc file."""
    from hsc.cli.image_files import read_picture

    return codec.encode(read_picture(data, pair.source), options.quality)


def decode(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """Decode an hsc file to an image file."""
    return _picture(codec.decode(data, options.layers, allow_partial=options.partial), pair)


def preview(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """Decode an hsc file to the image of its semantics alone."""
    return _picture(codec.preview(data, allow_partial=options.partial), pair)


def edit(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """Decode an hsc file to its image with moved semantics; the images of several steps are placed side by side."""
    import numpy as np

    direction = _direction(codec, options, data)
    images = [codec.edit(data, direction, step) for step in options.step]
    return _picture(np.concatenate(images, 1), pair)


def _direction(codec: HscCodec, options: Namespace, data: bytes) -> npt.NDArray[np.float32]:
    """The direction of an edit: a stored axis, or the difference from a file's semantics to those of another.

    Raises:
        UsageError: there is no such axis, or the files have different qualities.
        DataError: the file of directions cannot be read.
    """
    from hsc.networks.directions import load_directions

    if options.like is not None:
        streams = (data, _read(options.like))
        _require_one_quality(codec, streams)
        start, end = (codec.decode_latents(stream, ("w_hat",)).maps["w_hat"] for stream in streams)
        move: npt.NDArray[np.float32] = end - start
        return move
    axes = load_directions(Path(options.directions)).axes
    if not 0 <= options.direction < len(axes):
        raise UsageError(f"there is no direction {options.direction}, {options.directions} holds 0 to {len(axes) - 1}")
    axis: npt.NDArray[np.float32] = axes[options.direction]
    return axis


def _require_one_quality(codec: HscCodec, streams: Sequence[bytes]) -> None:
    """Refuse to compare semantics of different qualities, because scale and mean of w_hat depend on the quality.

    Raises:
        UsageError: the files have different qualities.
    """
    from hsc.entropy_coding.container import QUALITY_STEPS, unpack

    headers = [unpack(stream, codec.entropy.fingerprint, len(codec.layers)).header for stream in streams]
    qualities = sorted({header.quality / QUALITY_STEPS for header in headers})
    if len(qualities) > 1:
        raise UsageError(
            f"the files have qualities from {qualities[0]:g} to {qualities[-1]:g}, expected one; encode the images "
            f"again at the same quality"
        )


def cut(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """Cut an hsc file to its first layers."""
    return codec.cut(data, options.layers)


def info(codec: HscCodec, options: Namespace, data: bytes, pair: Pair) -> bytes:
    """Describe the content of an hsc file as text."""
    content = codec.info(data, allow_partial=options.partial)
    height, width = content.image_hw
    state = "complete" if content.complete else "truncated, not verified"
    lines = [
        f"{pair.source}: {width}x{height} pixels, quality {content.quality:g}, {content.size_bytes} bytes, "
        f"{content.bpp:.4f} bpp, {state}",
        f"model {content.model}",
        f"{'layer':<10} {'symbols':>8} {'bits':>10}",
        *(f"{layer.name:<10} {layer.symbols:>8} {layer.bits:>10.1f}" for layer in content.layers),
        f"{'total':<10} {sum(layer.symbols for layer in content.layers):>8} "
        f"{sum(layer.bits for layer in content.layers):>10.1f}",
    ]
    if len(content.slices) < len(content.layers):
        lines += ["by slice: " + ", ".join(f"{name} {bits:.1f}" for name, bits in content.slices.items())]
    return ("\n".join(lines) + "\n").encode()


def directions(options: Namespace) -> int:
    """Write a file of directions from the semantics of many hsc files, and return the exit code.

    Without labels these are the axes of most variance; with labels, the axis along which the label changes.
    """
    from hsc.networks.directions import directions_to_bytes, principal_directions, probe_axis

    for source in options.files:
        _check(Pair(source, options.out), options.overwrite)
    labels = _labels(options.labels, options.files) if options.labels else None
    streams, styles = [_read(source) for source in options.files], []
    codec = _codec(options.model or _maker(streams[0]))
    _require_one_quality(codec, streams)
    for number, stream in enumerate(streams, start=1):
        styles.append(codec.decode_latents(stream, ("w_hat",)).maps["w_hat"])
        if number % 50 == 0 or number == len(options.files):
            _report(f"[{number}/{len(options.files)}] semantics read")
    if labels is None:
        axes = principal_directions(styles, options.count)
        _report("share of the variance: " + ", ".join(f"{share:.3f}" for share in axes.share))
    else:
        axes, correlation = probe_axis(styles, labels)
        _report(
            f"predictions and labels of held-out files have a correlation of {correlation:.2f}; the axis explains "
            f"{axes.share[0]:.3f} of the variance"
        )
    _write(options.out, directions_to_bytes(axes), options.overwrite)
    return DONE


def _labels(path: str, files: list[str]) -> list[float]:
    """The label of each file, from lines ``name,number``; names may have a folder and an ending.

    Raises:
        DataError: a line is no such pair, or a file has no line.
    """
    labels: dict[str, float] = {}
    for number, line in enumerate(_read(path).decode("utf-8", "replace").splitlines(), start=1):
        name, _, value = line.rpartition(",")
        try:
            label = float(value)
        except ValueError:
            if number > 1:  # the first line may be a heading
                raise DataError(f"line {number} of {path} is {line[:80]!r}, expected NAME,NUMBER") from None
            continue
        if not math.isfinite(label):
            raise DataError(f"line {number} of {path} is {line[:80]!r}, expected a finite number after the name")
        labels[Path(name.strip()).stem] = label
    missing = [name for name in files if Path(name).stem not in labels]
    if missing:
        raise DataError(
            f"{path} has no line for {missing[0]}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}"
        )
    return [labels[Path(name).stem] for name in files]


COMMANDS = {
    "encode": Command(encode, ".hsc"),
    "decode": Command(decode, ".png"),
    "preview": Command(preview, ".png"),
    "edit": Command(edit, ".png"),
    "cut": Command(cut, ".hsc"),
    "info": Command(info, ""),
}


def _maker(data: bytes) -> str:
    """The name of the packaged weights that made a file; the default where none did, whose error then says so."""
    from hsc.weights import files

    return files.maker(data) or DEFAULT_MODEL


def _codec(model: str) -> HscCodec:
    import hsc

    return hsc.load(model, device="cpu")


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
    """Write a file whole or not at all, or to standard output."""
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
    """Give the finished file its name; unlike a rename, a link fails if the name was taken in the meantime."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise UsageError(
            f"{target} appeared in the meantime; name another file, or replace it with --overwrite"
        ) from None
    except OSError:  # a file system without links
        part.replace(target)


def _report(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

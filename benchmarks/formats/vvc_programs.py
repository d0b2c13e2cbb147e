"""Command lines of programs that encode or decode one H.266 picture: ffmpeg (libvvenc), vvencapp and vvdecapp, VTM.

Encoders take 4:2:0 planes of 10 bits in 16-bit little-endian words and return an Annex-B stream; decoders do the
reverse. A program's kind is recognised by its file name (``kind_of``). Units that cost bytes and are useless for one
picture (access unit delimiter, buffer parameters) are switched off where the program writes them by default: 18 bytes
of libvvenc's, 5 % at the lowest rates.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from benchmarks.programs.external_program import binary_sha256, private_folder, run_program
from hsc.errors import CodecError, ProcessError, UnavailableError

PRESETS = ("faster", "fast", "medium", "slow", "slower")
ENCODERS = ("ffmpeg", "vvencapp", "vtm")
DECODERS = ("ffmpeg", "vvdecapp", "vtm")

_ENCODE_S = 3600.0  # VTM needs minutes for a photo
_DECODE_S = 120.0
_ALIGNMENT = 256  # ffmpeg counts the rows and columns that it adds for alignment against its pixel limit
_FORMAT = "yuv420p10le"
_QUIET = "-hide_banner -loglevel error"
_LIBVVENC = "intraperiod=1:intraqpoffset=0:accessunitdelimiter=0:hrdparameterspresent=0"
_VTM = "--InputBitDepth=10 --InternalBitDepth=10 --InputChromaFormat=420 --ConformanceWindowMode=1"
_NAMES = {"vvenc": "vvencapp", "vvdec": "vvdecapp", "encoderapp": "vtm", "decoderapp": "vtm", "ffmpeg": "ffmpeg"}

_LIBRARY_FAILED = "Generic error in an external library"
"""ffmpeg's whole message when libvvenc's buffer of one byte a luma sample is too small (FFmpeg, libvvenc.c)."""


class RoomError(ProcessError):
    """ffmpeg's libvvenc returned no picture, as it does when a picture takes more bytes than it has luma samples."""


def kind_of(program: str, allowed: Sequence[str]) -> str:
    """Which of the ``allowed`` kinds a program is, by its file name.

    >>> kind_of("/opt/VTM/bin/EncoderAppStatic", ENCODERS)
    'vtm'

    Raises:
        ValueError: it is none of them.
    """
    name = os.path.basename(program).lower()
    for part, kind in _NAMES.items():
        if part in name and kind in allowed:
            return kind
    raise ValueError(
        f"the program came as {program!r}, allowed are ffmpeg or a path to one of {', '.join(allowed)} "
        f"(recognised by the file's name)"
    )


def find_program(program: str) -> str:
    """A program's full path; "ffmpeg" alone is the binary in the package imageio-ffmpeg, as others rarely know H.266.

    Raises:
        UnavailableError: there is no such program here.
    """
    if program == "ffmpeg":
        return _bundled_ffmpeg()
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(f"{program} is not an executable file here and not on PATH; install it or give its path")
    return os.path.abspath(path)


@cache
def _bundled_ffmpeg() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise UnavailableError(f"no ffmpeg: {error}; pip install 'imageio-ffmpeg>=0.8.1'") from error


def why_not(encoder: str, decoder: str, encoder_config: str) -> str | None:
    """None if both programs are available and ffmpeg, if used, knows H.266; else the reason and the cure."""
    try:
        paths = {program: find_program(program) for program in (encoder, decoder)}
    except UnavailableError as error:
        return str(error)
    if kind_of(encoder, ENCODERS) == "vtm" and not Path(encoder_config).is_file():
        return (
            f"VTM needs its configuration file, encoder_config came as {encoder_config!r}; "
            f"give the path of encoder_intra_vtm.cfg"
        )
    for program, option, word in ((encoder, "-encoders", "libvvenc"), (decoder, "-decoders", " vvc ")):
        if kind_of(program, (*ENCODERS, *DECODERS)) == "ffmpeg":
            try:
                listing = _listing(paths[program], option, binary_sha256(paths[program]))
            except (CodecError, OSError) as error:
                return f"{paths[program]} does not run: {error}"
            if word not in listing:
                return f"{paths[program]} has no {word.strip()}; pip install 'imageio-ffmpeg>=0.8.1', whose ffmpeg has"
    return None


@cache
def _listing(path: str, option: str, _sha256: str) -> str:
    """ffmpeg's list of its encoders or decoders, cached by the hash of its file."""
    return run_program([path, "-hide_banner", option], timeout_s=30).stdout.decode(errors="replace")


def version_of(program: str) -> str:
    """The first line of a program's version output, or "unknown"."""
    path = find_program(program)
    option = "-version" if kind_of(program, (*ENCODERS, *DECODERS)) == "ffmpeg" else "--version"
    return _version(path, option, binary_sha256(path))


@cache
def _version(path: str, option: str, _sha256: str) -> str:
    """The value of ``version_of``, cached by the hash of the program's file."""
    try:
        answer = run_program([path, option], timeout_s=30)
    except CodecError:
        return "unknown"
    lines = (answer.stdout.decode(errors="replace") + answer.stderr).strip().splitlines()
    return lines[0].split(" Copyright")[0].strip() if lines else "unknown"


def encode_planes(program: str, planes: bytes, hw: tuple[int, int], *, qp: int, preset: str, config: str) -> bytes:
    """An Annex-B stream of one intra picture at ``qp``.

    planes: 4:2:0, 10 bits in 16-bit words. hw: (H, W) of the luma plane. preset: ignored by VTM. config: the path of
    VTM's configuration file.

    Raises:
        UnavailableError: the program is not available.
        ProcessError: it failed; ``RoomError`` if a taller picture of the same content may succeed.
    """
    path, kind = find_program(program), kind_of(program, ENCODERS)
    with private_folder() as folder:
        if kind == "ffmpeg":
            return _encode_with_ffmpeg(path, planes, hw, qp, preset, folder)
        (folder / "in.yuv").write_bytes(planes)
        size = f"{hw[1]}x{hw[0]}"
        if kind == "vvencapp":
            options = (
                f"-i in.yuv -s {size} -c yuv420_10 -r 1 --frames 1 --threads 1 --preset {preset} --qp {qp} --qpa 0"
            ).split()
            options += ["--additional", _LIBVVENC.replace(":", " "), "-o", "out.vvc"]
        else:
            options = ["-c", os.path.abspath(config)]
            options += f"-i in.yuv -wdt {hw[1]} -hgt {hw[0]} -fr 1 -f 1 {_VTM} -q {qp} -b out.vvc".split()
        run = run_program([path, *options], folder=folder, timeout_s=_ENCODE_S, outputs=("out.vvc",))
        return run.files["out.vvc"]


def _encode_with_ffmpeg(path: str, planes: bytes, hw: tuple[int, int], qp: int, preset: str, folder: Path) -> bytes:
    """The stream of libvvenc, by way of a file: on stdout libvvenc's own messages would land in the stream.

    Raises:
        ProcessError: as ``encode_planes``.
    """
    size = f"{hw[1]}x{hw[0]}"
    options = (
        f"{_QUIET} -threads 1 -f rawvideo -pix_fmt {_FORMAT} -s {size} -r 1 -i pipe:0 "
        f"-c:v libvvenc -threads 1 -preset {preset} -qp {qp} -qpa 0 -vvenc-params {_LIBVVENC} "
        f"-frames:v 1 -f vvc out.vvc"
    ).split()
    try:
        run = run_program([path, *options], stdin=planes, folder=folder, timeout_s=_ENCODE_S, outputs=("out.vvc",))
    except ProcessError as error:
        if _LIBRARY_FAILED not in str(error):
            raise
        raise RoomError(
            f"libvvenc gave no picture of {size} at qp {qp}, where it has {hw[0] * hw[1]} bytes of room: {error}"
        ) from error
    return run.files["out.vvc"]


def decode_planes(program: str, stream: bytes, hw: tuple[int, int]) -> bytes:
    """The planes of the first picture in an Annex-B stream. hw: the size in the stream's own SPS, already checked.

    Raises:
        UnavailableError: the program is not available.
        ProcessError: it failed.
        CodecError: it returned more or fewer bytes than ``hw`` needs.
    """
    path, kind, expected = find_program(program), kind_of(program, DECODERS), 3 * hw[0] * hw[1]
    if kind == "ffmpeg":
        max_pixels = (hw[0] + _ALIGNMENT) * (hw[1] + _ALIGNMENT)
        options = (
            f"{_QUIET} -xerror -err_detect explode -threads 1 -max_pixels {max_pixels} -f vvc -i pipe:0 "
            f"-frames:v 1 -threads 1 -f rawvideo -pix_fmt {_FORMAT} pipe:1"
        ).split()
        planes = run_program([path, *options], stdin=stream, timeout_s=_DECODE_S, max_output_bytes=expected).stdout
    else:
        with private_folder() as folder:
            (folder / "in.vvc").write_bytes(stream)
            options = ["-t", "1"] if kind == "vvdecapp" else ["-d", "10"]
            command = [path, "-b", "in.vvc", "-o", "out.yuv", *options]
            run = run_program(
                command, folder=folder, timeout_s=_DECODE_S, outputs=("out.yuv",), max_output_bytes=expected
            )
            planes = run.files["out.yuv"]
    if len(planes) != expected:
        raise CodecError(f"{os.path.basename(path)} gave {len(planes)} bytes of picture, expected {expected}")
    return planes

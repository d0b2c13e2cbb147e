"""Command lines of the programs that code or decode one H.266 picture: ffmpeg with libvvenc, vvencapp and vvdecapp,
VTM.

All take 4:2:0 planes of 10 bits in 16-bit little-endian words and give an Annex-B stream, or the other way round. What
a program is, its file name says (``kind_of``). Units that cost bytes and carry nothing for one picture (access unit
delimiter, buffer parameters) are switched off where the program writes them by default: 18 bytes of libvvenc's, 5 % at
the lowest rates.
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
_ALIGNED = 256  # ffmpeg counts rows and columns it adds for alignment against its limit
_FORMAT = "yuv420p10le"
_QUIET = ("-hide_banner", "-loglevel", "error")
_LIBVVENC = "intraperiod=1:intraqpoffset=0:accessunitdelimiter=0:hrdparameterspresent=0"
_NAMES = {"vvenc": "vvencapp", "vvdec": "vvdecapp", "encoderapp": "vtm", "decoderapp": "vtm", "ffmpeg": "ffmpeg"}

_LIBRARY_FAILED = "Generic error in an external library"
"""All that ffmpeg says where libvvenc's "payload size is too small": it is given a byte a luma sample (FFmpeg,
libvvenc.c).
"""


class RoomError(ProcessError):
    """ffmpeg's libvvenc gave no picture, as it does where one takes more bytes than it has luma samples."""


def kind_of(program: str, allowed: Sequence[str]) -> str:
    """Which of ``allowed`` a program is, by the name of its file.

    >>> kind_of("/opt/VTM/bin/EncoderAppStatic", ENCODERS)
    'vtm'

    Raises:
        ValueError: none of them.
    """
    name = os.path.basename(program).lower()
    for part, kind in _NAMES.items():
        if part in name and kind in allowed:
            return kind
    raise ValueError(
        f"the program came as {program!r}, allowed are ffmpeg or a path to one of {', '.join(allowed)} (told by the "
        f"file's name)"
    )


def find_program(program: str) -> str:
    """Its full path. "ffmpeg" alone is the binary that the package imageio-ffmpeg brings, since others rarely know
    H.266.

    Raises:
        UnavailableError: it is not there.
    """
    if program == "ffmpeg":
        return _bundled_ffmpeg()
    found = shutil.which(program)
    if found is None:
        raise UnavailableError(f"{program} is not an executable file here and not on PATH; install it or give its path")
    return os.path.abspath(found)


@cache
def _bundled_ffmpeg() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise UnavailableError(f"no ffmpeg: {error}; pip install 'imageio-ffmpeg>=0.8.1'") from error


def why_not(encoder: str, decoder: str, encoder_config: str) -> str | None:
    """None where both programs are there and ffmpeg, if used, knows H.266; else the reason and the cure."""
    try:
        paths = {program: find_program(program) for program in (encoder, decoder)}
    except UnavailableError as error:
        return str(error)
    if kind_of(encoder, ENCODERS) == "vtm" and not Path(encoder_config).is_file():
        return (
            f"VTM needs its configuration file, encoder_config came as {encoder_config!r}; give the path of "
            f"encoder_intra_vtm.cfg"
        )
    for program, what, word in ((encoder, "-encoders", "libvvenc"), (decoder, "-decoders", " vvc ")):
        if kind_of(program, (*ENCODERS, *DECODERS)) == "ffmpeg":
            try:
                listing = _listing(paths[program], what, binary_sha256(paths[program]))
            except (CodecError, OSError) as error:
                return f"{paths[program]} does not run: {error}"
            if word not in listing:
                return f"{paths[program]} has no {word.strip()}; pip install 'imageio-ffmpeg>=0.8.1', whose ffmpeg has"
    return None


@cache
def _listing(path: str, what: str, _sha256: str) -> str:
    """What an ffmpeg says it has; asked once for each state of its file."""
    return run_program([path, "-hide_banner", what], timeout_s=30).stdout.decode(errors="replace")


def version_of(program: str) -> str:
    """The first line a program says of itself, or "unknown"."""
    path = find_program(program)
    option = "-version" if kind_of(program, (*ENCODERS, *DECODERS)) == "ffmpeg" else "--version"
    return _version(path, option, binary_sha256(path))


@cache
def _version(path: str, option: str, _sha256: str) -> str:
    """The same, asked once for each state of the program's file."""
    try:
        answer = run_program([path, option], timeout_s=30)
    except CodecError:
        return "unknown"
    lines = (answer.stdout.decode(errors="replace") + answer.stderr).strip().splitlines()
    return lines[0].split(" Copyright")[0].strip() if lines else "unknown"


def encode_planes(program: str, planes: bytes, hw: tuple[int, int], *, qp: int, preset: str, config: str) -> bytes:
    """An Annex-B stream of one intra picture at ``qp``.

    Raises:
        UnavailableError: the program is not there.
        ProcessError: it failed; ``RoomError`` where a taller picture of the same content may not.
    """
    path, size, kind = find_program(program), f"{hw[1]}x{hw[0]}", kind_of(program, ENCODERS)
    with private_folder() as folder:
        if kind == "ffmpeg":
            # To a file: on stdout libvvenc's own messages would land in the stream.
            command = [
                path,
                *_QUIET,
                "-threads",
                "1",
                "-f",
                "rawvideo",
                "-pix_fmt",
                _FORMAT,
                "-s",
                size,
                "-r",
                "1",
                "-i",
                "pipe:0",
            ]
            command += [
                "-c:v",
                "libvvenc",
                "-threads",
                "1",
                "-preset",
                preset,
                "-qp",
                str(qp),
                "-qpa",
                "0",
                "-vvenc-params",
                _LIBVVENC,
            ]
            command += ["-frames:v", "1", "-f", "vvc", "out.vvc"]
            try:
                return run_program(
                    command, stdin=planes, folder=folder, timeout_s=_ENCODE_S, outputs=("out.vvc",)
                ).files["out.vvc"]
            except ProcessError as error:
                if _LIBRARY_FAILED not in str(error):
                    raise
                raise RoomError(
                    f"libvvenc gave no picture of {size} at qp {qp}, where it has {hw[0] * hw[1]} bytes of room: "
                    f"{error}"
                ) from error
        (folder / "in.yuv").write_bytes(planes)
        if kind == "vvencapp":
            command = [
                path,
                "-i",
                "in.yuv",
                "-s",
                size,
                "-c",
                "yuv420_10",
                "-r",
                "1",
                "--frames",
                "1",
                "--threads",
                "1",
                "--preset",
                preset,
            ]
            command += ["--qp", str(qp), "--qpa", "0", "--additional", _LIBVVENC.replace(":", " "), "-o", "out.vvc"]
        else:
            command = [
                path,
                "-c",
                os.path.abspath(config),
                "-i",
                "in.yuv",
                "-wdt",
                str(hw[1]),
                "-hgt",
                str(hw[0]),
                "-fr",
                "1",
                "-f",
                "1",
            ]
            command += [
                "--InputBitDepth=10",
                "--InternalBitDepth=10",
                "--InputChromaFormat=420",
                "--ConformanceWindowMode=1",
            ]
            command += ["-q", str(qp), "-b", "out.vvc"]
        return run_program(command, folder=folder, timeout_s=_ENCODE_S, outputs=("out.vvc",)).files["out.vvc"]


def decode_planes(program: str, stream: bytes, hw: tuple[int, int]) -> bytes:
    """The planes of the first picture in an Annex-B stream. hw: what the stream's own SPS says, already checked.

    Raises:
        UnavailableError: the program is not there.
        ProcessError: it failed, or gave more or fewer bytes than ``hw`` needs.
    """
    path, kind, expected = find_program(program), kind_of(program, DECODERS), 3 * hw[0] * hw[1]
    if kind == "ffmpeg":
        command = [
            path,
            *_QUIET,
            "-xerror",
            "-err_detect",
            "explode",
            "-threads",
            "1",
            "-max_pixels",
            str((hw[0] + _ALIGNED) * (hw[1] + _ALIGNED)),
        ]
        command += [
            "-f",
            "vvc",
            "-i",
            "pipe:0",
            "-frames:v",
            "1",
            "-threads",
            "1",
            "-f",
            "rawvideo",
            "-pix_fmt",
            _FORMAT,
            "pipe:1",
        ]
        planes = run_program(command, stdin=stream, timeout_s=_DECODE_S, max_output_bytes=expected).stdout
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

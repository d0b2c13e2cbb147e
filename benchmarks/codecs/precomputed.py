"""Streams and decoded images that were made elsewhere.

    originals/street/a.png      the image as the data set hands it out, losslessly
    bitstreams/street/a.bin     what the codec made of it: its size is the rate
    images/street/a.png         what the codec's decoder made of that

The three belong together by path and stem. An image is recognised by its pixels, a stream by its sha256, so ``encode`` and
``decode`` are look-ups; the times a run reports for them are those of reading files and mean nothing.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.api import CODECS
from benchmarks.images import SUFFIXES, pixels_sha256, read_image, require_image
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, DataError, ImageError

_POINT = "{point}"


@CODECS.register("precomputed")
@dataclass(frozen=True)
class Precomputed:
    """A codec that already ran: ``precomputed(originals=kodak, bitstreams="out/q{point}", images="dec/q{point}", point=[1, 4])``.

    originals, bitstreams, images: folders as drawn above. point: which operating point; where it is given, "{point}" stands
    for it in the paths of bitstreams and images. The bitstream files must hold all their decoder needs: nothing is added.
    """

    originals: str
    bitstreams: str
    images: str
    point: str = ""

    rate_field: ClassVar[str] = "point"
    ladder: ClassVar[tuple[Any, ...]] = ("",)

    def __post_init__(self) -> None:
        given = [_POINT in self.bitstreams, _POINT in self.images]
        if any(given) and not (all(given) and self.point):
            raise ValueError("with {point} in bitstreams it must be in images too, and point must be named, as in point=[1, 4]")
        if self.point and not any(given):
            raise ValueError(f"point is {self.point!r} but {{point}} is in neither bitstreams nor images, so every point would be the same")
        if "/" in self.point:
            raise ValueError(f"point is {self.point!r}, expected one word without a slash")

    def encode(self, image: Image) -> bytes:
        stem = _originals(self.originals).get(pixels_sha256(require_image(image)))
        if stem is None:
            raise CodecError(
                f"no file in {self.originals!r} has this image's {image.shape[1]}x{image.shape[0]} pixels; save what the data set loads there"
            )
        stream = _stems(self._at(self.bitstreams)).get(stem)
        if stream is None:
            raise CodecError(f"there is no bitstream for {stem!r} in {self._at(self.bitstreams)!r}")
        data = stream.read_bytes()
        if not data:
            raise CodecError(f"the bitstream {str(stream)!r} is empty")
        decoded = self._decoded(self._at(self.images), stem)
        if decoded.shape != image.shape:
            raise CodecError(f"the decoded {stem!r} is {decoded.shape[1]}x{decoded.shape[0]}, the original {image.shape[1]}x{image.shape[0]}")
        return data

    def decode(self, data: bytes) -> Image:
        known = _streams(self.bitstreams).get(hashlib.sha256(data).hexdigest())
        if not known:
            raise BitstreamError(f"these {len(data)} bytes are none of the files in {self.bitstreams!r}")
        found = [self._decoded(self.images.replace(_POINT, point), stem) for point, stem in known]
        if len({pixels_sha256(image) for image in found}) > 1:
            names = ", ".join(f"{stem!r}" + (f" at {point}" if point else "") for point, stem in known[:4])
            raise CodecError(f"one bitstream stands for different decoded images: {names}; a decoder cannot do that")
        return found[0]

    def available(self) -> str | None:
        for folder in (self.originals, self._at(self.bitstreams), self._at(self.images)):
            if not Path(folder).expanduser().is_dir():
                return f"there is no folder {folder!r}; precomputed needs originals, bitstreams and images"
        try:
            _originals(self.originals)
            _stems(self._at(self.bitstreams))
        except (CodecError, DataError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        """Hashes of the streams' bytes, and of the decoded images' names, sizes and times of change."""
        streams = hashlib.sha256(repr(sorted(_streams(self.bitstreams).items())).encode())
        images = hashlib.sha256()
        for stem, file in sorted(_stems(self._at(self.images), SUFFIXES).items()):
            images.update(f"{stem}\0{file.stat().st_size}\0{file.stat().st_mtime_ns}\n".encode())
        return {"code": "precomputed-1", "streams": streams.hexdigest(), "images": images.hexdigest()}

    def _at(self, folder: str) -> str:
        return folder.replace(_POINT, self.point)

    def _decoded(self, folder: str, stem: str) -> Image:
        file = _stems(folder, SUFFIXES).get(stem)
        if file is None:
            raise CodecError(f"there is no decoded image for {stem!r} in {folder!r}")
        try:
            return read_image(file)
        except ImageError as error:
            raise CodecError(str(error)) from error


@functools.lru_cache(maxsize=256)
def _stems(folder: str, suffixes: frozenset[str] | None = None) -> Mapping[str, Path]:
    """Path below the folder without its suffix -> file, for all files, or all with one of the suffixes.

    Raises:
        CodecError: two files differ in their suffix only.
    """
    root = Path(folder).expanduser()
    found: dict[str, Path] = {}
    for file in sorted(root.rglob("*")):
        below = file.relative_to(root)
        if not file.is_file() or any(part.startswith(".") for part in below.parts) or (suffixes and file.suffix.lower() not in suffixes):
            continue
        stem = below.with_suffix("").as_posix()
        if stem in found:
            raise CodecError(f"{found[stem].name!r} and {file.name!r} in {folder!r} have the same stem; keep one")
        found[stem] = file
    return found


@functools.lru_cache(maxsize=8)
def _originals(folder: str) -> Mapping[str, str]:
    """sha256 of the pixels -> stem; of equal images the first."""
    found: dict[str, str] = {}
    for stem, file in _stems(folder, SUFFIXES).items():
        found.setdefault(pixels_sha256(read_image(file)), stem)
    return found


@functools.lru_cache(maxsize=8)
def _streams(pattern: str) -> Mapping[str, list[tuple[str, str]]]:
    """sha256 of a bitstream -> the (point, stem) it stands for, over every point there is: decode must know them all."""
    found: dict[str, list[tuple[str, str]]] = {}
    for point, folder in _folders(pattern):
        for stem, file in _stems(folder).items():
            with file.open("rb") as stream:
                found.setdefault(hashlib.file_digest(stream, "sha256").hexdigest(), []).append((point, stem))
    return found


def _folders(pattern: str) -> Iterator[tuple[str, str]]:
    """(point, folder) of every folder that fits ``pattern``."""
    pattern = str(Path(pattern).expanduser())
    if _POINT not in pattern:
        yield "", pattern
        return
    first, *rest = (re.escape(part) for part in pattern.split(_POINT))
    shape = re.compile(first + "([^/]+)" + r"\1".join(rest))
    for folder in sorted(glob.glob("*".join(glob.escape(part) for part in pattern.split(_POINT)))):
        match = shape.fullmatch(folder)
        if match and Path(folder).is_dir():
            yield match.group(1), folder

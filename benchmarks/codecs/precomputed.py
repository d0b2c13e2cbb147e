"""Bitstreams and decoded images that a codec produced elsewhere.

    originals/street/a.png      the image as the data set hands it out, stored losslessly
    bitstreams/street/a.bin     the codec's bitstream: its size is the rate
    images/street/a.png         the image that the codec decodes from it

The three belong together by path and stem. An image is recognised by its pixels, a stream by its sha256, so ``encode``
and ``decode`` are look-ups; the times that a run reports for them are those of reading files and mean nothing.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from benchmarks.api import CODECS
from benchmarks.files.content_index import digest_of
from benchmarks.files.kept_listings import Listing, kept_while_unchanged
from benchmarks.imaging.image_arrays import pixels_sha256, require_image
from benchmarks.imaging.image_files import SUFFIXES, read_image
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, DataError, ImageError
from hsc.files.file_digests import FileState, sha256_of_file, state_of

_POINT = "{point}"


@CODECS.register("precomputed")
@dataclass(frozen=True)
class Precomputed:
    """A codec that already ran, read from its files.

    Example: ``precomputed(originals=kodak, bitstreams="out/q{point}", images="dec/q{point}", point=[1, 4])``.

    originals, bitstreams, images: folders as shown in the module's docstring. point: the operating point; if given,
    "{point}" stands for it in the paths of bitstreams and images. The bitstream files must hold everything their
    decoder needs, because nothing is added to the rate.
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
            raise ValueError(
                "with {point} in bitstreams it must be in images too, and point must be named, as in point=[1, 4]"
            )
        if self.point and not any(given):
            raise ValueError(
                f"point is {self.point!r} but {{point}} is in neither bitstreams nor images, "
                f"so every point would be the same"
            )
        if "/" in self.point:
            raise ValueError(f"point is {self.point!r}, expected one word without a slash")

    def encode(self, image: Image) -> bytes:
        originals = _originals(self.originals).find(pixels_sha256(require_image(image)))
        if not originals:
            raise CodecError(
                f"no file in {self.originals!r} has this image's {image.shape[1]}x{image.shape[0]} pixels; "
                f"save what the data set loads there"
            )
        stem = originals[0].stem  # the first, if several originals are equal
        stream = _stems(self._at_point(self.bitstreams)).get(stem)
        if stream is None:
            raise CodecError(f"there is no bitstream for {stem!r} in {self._at_point(self.bitstreams)!r}")
        data = stream.read_bytes()
        if not data:
            raise CodecError(f"the bitstream {str(stream)!r} is empty")
        decoded = self._decoded(self._at_point(self.images), stem)
        if decoded.shape != image.shape:
            raise CodecError(
                f"the decoded {stem!r} is {decoded.shape[1]}x{decoded.shape[0]}, the original "
                f"{image.shape[1]}x{image.shape[0]}"
            )
        return data

    def decode(self, data: bytes) -> Image:
        streams = _streams(self.bitstreams).find(hashlib.sha256(data).hexdigest())
        if not streams:
            raise BitstreamError(f"these {len(data)} bytes are none of the files in {self.bitstreams!r}")
        decoded = [self._decoded(self.images.replace(_POINT, stream.point), stream.stem) for stream in streams]
        if len({pixels_sha256(image) for image in decoded}) > 1:
            names = ", ".join(
                f"{stream.stem!r}" + (f" at {stream.point}" if stream.point else "") for stream in streams[:4]
            )
            raise CodecError(f"one bitstream stands for different decoded images: {names}; a decoder cannot do that")
        return decoded[0]

    def available(self) -> str | None:
        for folder in (self.originals, self._at_point(self.bitstreams), self._at_point(self.images)):
            if not Path(folder).expanduser().is_dir():
                return f"there is no folder {folder!r}; precomputed needs originals, bitstreams and images"
        try:
            _originals(self.originals).refresh()
            _stems(self._at_point(self.bitstreams))
        except (CodecError, DataError) as error:
            return str(error)
        return None

    def provenance(self) -> Mapping[str, str]:
        """Hashes of names and contents: of the originals, of all points' streams, of this point's decoded images."""
        streams = ((f"{stream.point}/{stream.stem}", stream.file) for stream in _files(_listings(self.bitstreams)))
        return {
            "code": "precomputed-2",
            "streams": digest_of(streams),
            "originals": digest_of(_stems(self.originals, SUFFIXES).items()),
            "images": digest_of(_stems(self._at_point(self.images), SUFFIXES).items()),
        }

    def _at_point(self, folder: str) -> str:
        return folder.replace(_POINT, self.point)

    def _decoded(self, folder: str, stem: str) -> Image:
        file = _stems(folder, SUFFIXES).get(stem)
        if file is None:
            raise CodecError(f"there is no decoded image for {stem!r} in {folder!r}")
        try:
            return read_image(file)
        except ImageError as error:
            raise CodecError(str(error)) from error


class _File(NamedTuple):
    """A file of one operating point. stem: its path below the point's folder, without the suffix."""

    point: str
    stem: str
    file: Path


class _Contents:
    """The files of all points by a fingerprint of their contents; new and changed files are read again."""

    def __init__(self, pattern: str, suffixes: frozenset[str] | None, fingerprint: Callable[[Path], str]) -> None:
        self._pattern, self._suffixes, self._fingerprint = pattern, suffixes, fingerprint
        self._listings: list[tuple[str, Mapping[str, Path]]] = []
        self._states: dict[Path, tuple[FileState, str]] = {}
        self._known: dict[str, list[_File]] = {}

    def find(self, fingerprint: str) -> list[_File]:
        """The files with this fingerprint, in order; all are unchanged since they were read."""
        files = self._known.get(fingerprint, [])
        if not files or not self._listings_unchanged() or not all(self._unchanged(known.file) for known in files):
            self.refresh()
        return self._known.get(fingerprint, [])

    def refresh(self) -> None:
        """Read all new and changed files. Raises as listing and fingerprint do."""
        self._listings, self._known = _listings(self._pattern, self._suffixes), {}
        for listed in _files(self._listings):
            if not self._unchanged(listed.file):
                self._read(listed.file)
            self._known.setdefault(self._states[listed.file][1], []).append(listed)

    def _listings_unchanged(self) -> bool:
        """Whether no file was added or removed: the cached listings are then the same objects."""
        listings = _listings(self._pattern, self._suffixes)
        return len(listings) == len(self._listings) and all(
            point == known_point and files is known_files
            for (point, files), (known_point, known_files) in zip(listings, self._listings, strict=True)
        )

    def _read(self, file: Path) -> None:
        started_ns, state = time.time_ns(), state_of(file)
        fingerprint = self._fingerprint(file)
        # A file written a moment ago may be written again without a change of its times: never take it for unchanged.
        self._states[file] = state if state.settled(started_ns) else state._replace(inode=-1), fingerprint

    def _unchanged(self, file: Path) -> bool:
        try:
            return file in self._states and self._states[file][0] == state_of(file)
        except OSError:
            return False


@kept_while_unchanged(256)
def _stems(folder: str, suffixes: frozenset[str] | None = None) -> Listing[Mapping[str, Path]]:
    """Path below the folder without its suffix -> file, for all files, or for those with one of the suffixes.

    Raises:
        CodecError: two files differ only in their suffix.
    """
    root = Path(folder).expanduser()
    files: dict[str, Path] = {}
    watched = {root}
    for file in sorted(root.rglob("*")):
        below = file.relative_to(root)
        if file.is_dir():
            watched.add(file)
        if (
            not file.is_file()
            or any(part.startswith(".") for part in below.parts)
            or (suffixes and file.suffix.lower() not in suffixes)
        ):
            continue
        stem = below.with_suffix("").as_posix()
        if stem in files:
            raise CodecError(f"{files[stem].name!r} and {file.name!r} in {folder!r} have the same stem; keep one")
        files[stem] = file
    return Listing(files, frozenset(watched))


@functools.lru_cache(maxsize=8)
def _originals(folder: str) -> _Contents:
    """The originals by the sha256 of their pixels."""
    return _Contents(folder, SUFFIXES, lambda file: pixels_sha256(read_image(file)))


@functools.lru_cache(maxsize=8)
def _streams(pattern: str) -> _Contents:
    """The bitstreams of all points by the sha256 of their bytes, because ``decode`` must know them all."""
    return _Contents(pattern, None, sha256_of_file)


def _listings(pattern: str, suffixes: frozenset[str] | None = None) -> list[tuple[str, Mapping[str, Path]]]:
    """(point, its files by stem) for every point with a folder."""
    return [(point, _stems(folder, suffixes)) for point, folder in _folders(pattern)]


def _files(listings: Iterable[tuple[str, Mapping[str, Path]]]) -> Iterator[_File]:
    for point, files in listings:
        yield from (_File(point, stem, file) for stem, file in files.items())


def _folders(pattern: str) -> Iterator[tuple[str, str]]:
    """(point, folder) of every folder that matches ``pattern``; the point is empty if the pattern has none."""
    pattern = str(Path(pattern).expanduser())
    if _POINT not in pattern:
        yield "", pattern
        return
    first, *rest = (re.escape(part) for part in pattern.split(_POINT))
    path_with_point = re.compile(first + "([^/]+)" + r"\1".join(rest))
    for folder in sorted(glob.glob("*".join(glob.escape(part) for part in pattern.split(_POINT)))):
        match = path_with_point.fullmatch(folder)
        if match and Path(folder).is_dir():
            yield match.group(1), folder

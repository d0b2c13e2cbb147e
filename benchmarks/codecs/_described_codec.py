"""What all codecs of codec files share: their fields, their identity, and the words of their commands.

The subclasses are in ``_program_codec``, ``_server_codec`` and ``_batch_codec``; ``command`` makes the classes.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.files.content_index import digest_of, sha256_of_files
from benchmarks.formats.codec_file import PLACEHOLDER, Description
from benchmarks.imaging.image_decoding import decode_image
from benchmarks.programs.external_program import binary_sha256, run_program
from benchmarks.programs.program_files import called_by, files_below, files_of, named_files, program_path
from downstream.device import device_facts
from hsc.api import Image
from hsc.devices import current_device
from hsc.errors import BitstreamError, CodecError, ImageError, ProcessError

_FORMATS = {"png": "PNG", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF"}
_UNKNOWN = dict.fromkeys(("input", "output", "stem", "input_stem", "device"), "\0")
"""Stands for what is known only while a program runs, and is no part of the identity."""


class DescribedCodec:
    """Base class of all described codecs; a subclass adds the fields and is a frozen dataclass."""

    description: ClassVar[Description]
    rate_field: ClassVar[str] = ""
    ladder: ClassVar[tuple[Any, ...]] = ()
    code: ClassVar[str]
    """The version of how the codec's programs are called."""

    @property
    def codec_file(self) -> str:
        """The path of the TOML file that describes the codec, which a command line must name beside its spec."""
        return self.description.file

    def commands(self) -> Mapping[str, tuple[str, ...]]:
        """The words of its programs as the codec file has them, by their role."""
        return {"encoder": self.description.encode, "decoder": self.description.decode}

    def available(self) -> str | None:
        about = self.description
        for command in (*self.commands().values(), about.version):
            if command and program_path(command[0], about.folder) is None:
                place = "an executable file there" if "/" in command[0] else "on PATH"
                return (
                    f"the codec {about.name} needs the program {command[0]!r}, which is not {place}; "
                    f"install it or correct the path"
                )
        for pattern in about.files:
            if not files_of(pattern, about.folder):
                return (
                    f"the codec {about.name} says files = {pattern!r}, and there is no such file in {about.folder!r}; "
                    f"correct or drop it in its TOML"
                )
        if about.cwd and not Path(self.cwd).is_dir():
            return (
                f"the codec {about.name} says cwd = {about.cwd!r}, and there is no folder {self.cwd!r}; "
                f"correct or drop it in its TOML"
            )
        try:
            _version(about)
        except ProcessError as error:
            return f"the codec {about.name} cannot tell its version: {error}; correct or drop version = in its TOML"
        return None

    def provenance(self) -> Mapping[str, str]:
        """Hashes of the TOML, of the programs, and of all files that they are known to read; the version if stated; the
        kind of device where the programs are told of it.
        """
        about = self.description
        facts = {"code": self.code, "toml_sha256": hashlib.sha256(about.text.encode()).hexdigest()}
        for role, command in self.commands().items():
            program = program_path(command[0], about.folder)
            facts[f"{role}_sha256"] = binary_sha256(program) if program else "missing"
            files = self.files_of_command(command)
            for file, sha256 in zip(files, sha256_of_files(files), strict=True):
                facts[f"{role}:{self._shown(file)}_sha256"] = sha256
        for source, files in (("settings", self._files_of_settings()), ("files", self._files_listed())):
            if files:
                facts[f"{source}_sha256"] = digest_of((self._shown(file), file) for file in files)
        version = _version(about)
        facts |= {"version": version} if version else {}
        return facts | (device_facts() if "{device}" in about.text else {})

    @property
    def cwd(self) -> str:
        """The folder where the programs run; "" for a private folder."""
        about = self.description
        return str(Path(about.folder, about.cwd.replace("{folder}", about.folder))) if about.cwd else ""

    def files_of_command(self, command: Sequence[str]) -> list[Path]:
        """The files that a command's arguments name, and those that its program and these call or import."""
        about = self.description
        program = program_path(command[0], about.folder)
        called = named_files((str(file) for file in called_by(Path(program))), about.folder) if program else []
        return [*called, *named_files(self._arguments(command, _UNKNOWN), about.folder, self.cwd)]

    def files_stated(self) -> list[Path]:
        """The files that settings name, and those under ``files`` of the codec file."""
        return [*self._files_of_settings(), *self._files_listed()]

    def words(self, command: Sequence[str], paths: Mapping[str, str]) -> list[str]:
        """The words of a command to run: its program's path, and its arguments with their placeholders filled in."""
        program = program_path(command[0], self.description.folder) or command[0]
        return [str(program), *self._arguments(command, {"device": current_device(), **paths})]

    def values(self) -> dict[str, Any]:
        """The codec's fields and their values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    def image_file(self, image: Image) -> bytes:
        """An image as the file that the programs read."""
        import PIL.Image

        kind = self.description.image
        if kind in ("ppm", "pnm"):
            return f"P6\n{image.shape[1]} {image.shape[0]}\n255\n".encode() + image.tobytes()
        buffer = io.BytesIO()
        options = {"compress_level": 1} if kind == "png" else {}
        PIL.Image.fromarray(np.ascontiguousarray(image)).save(buffer, format=_FORMATS[kind], **options)
        return buffer.getvalue()

    def decoded_image(self, data: bytes, name: str) -> Image:
        """The image of a file that a decoder left. name: the file's.

        Raises:
            BitstreamError: it is none.
        """
        try:
            return decode_image(data, name=name)
        except ImageError as error:
            raise BitstreamError(f"the {self.description.name} decoder left no usable image: {error}") from error

    def require_stream(self, data: bytes) -> None:
        """Refuse to decode nothing at all, or without the program.

        Raises:
            BitstreamError: the stream is empty.
            CodecError: a program is missing.
        """
        if not data:
            raise BitstreamError(f"the {self.description.name} stream is empty")
        if any(program_path(words[0], self.description.folder) is None for words in self.commands().values()):
            raise CodecError(str(self.available()))

    def _arguments(self, command: Sequence[str], given: Mapping[str, str]) -> list[str]:
        """A command's words behind the program, with their placeholders filled in."""
        device = {name: value for name, value in given.items() if name == "device"}
        values = {
            **device,
            **{name: str(value) for name, value in self.values().items()},
            **{name: value for name, value in given.items() if name != "device"},
            "folder": self.description.folder,
        }
        return [PLACEHOLDER.sub(lambda match: values[match.group(1)], word) for word in command[1:]]

    def _files_of_settings(self) -> list[Path]:
        return sorted({file for value in self.values().values() for file in self._named_by(value)})

    def _files_listed(self) -> list[Path]:
        about = self.description
        return sorted({file for pattern in about.files for file in files_of(pattern, about.folder)})

    def _named_by(self, value: Any) -> Iterator[Path]:
        """The files that a setting names, relative to the TOML's folder: a file, or all files below a folder.

        A folder that contains the TOML or the temporary files is not meant.
        """
        path = Path(self.description.folder, value) if isinstance(value, str) and value.strip("./") else None
        shared = (Path(self.description.folder), Path(tempfile.gettempdir()))
        if path and (
            os.path.isfile(path)
            or (os.path.isdir(path) and not any(folder.resolve().is_relative_to(path.resolve()) for folder in shared))
        ):
            yield from files_below(path)

    def _shown(self, file: Path) -> str:
        """A file's path relative to the TOML's folder, or its whole path if it lies elsewhere."""
        folder = Path(self.description.folder)
        return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()


def _version(about: Description) -> str:
    """The first line that the version command writes, "" if there is no such command."""
    if not about.version:
        return ""
    program = program_path(about.version[0], about.folder)
    return _version_output(about, binary_sha256(program) if program else "")


@functools.lru_cache(maxsize=64)
def _version_output(about: Description, _sha256: str) -> str:
    """The value of ``_version``, cached by the hash of the program."""
    command = [str(program_path(about.version[0], about.folder) or about.version[0])]
    words = (part.replace("{folder}", about.folder).replace("{device}", "cpu") for part in about.version[1:])
    run = run_program([*command, *words], timeout_s=20)
    lines = (run.stdout.decode(errors="replace") + "\n" + run.stderr).split("\n")
    return next((line.strip()[:200] for line in lines if line.strip()), "")

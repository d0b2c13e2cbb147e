"""Any codec with a command line, described in a few lines of TOML instead of Python.

    name = "turbo"                         # its name in specs and tables
    encode = ["cjpeg", "-quality", "{quality}", "-outfile", "{output}", "{input}"]
    decode = ["djpeg", "-outfile", "{output}", "{input}"]
    image = "ppm"                          # the programs' image format: png (default), ppm, pnm, bmp, tif, tiff
    stream = "jpg"                         # optional: the coded file's suffix, for programs that need one (default bin)
    files = ["tables/*.txt", "lib"]        # optional: files, folders or patterns that the programs read by themselves
    cwd = "{folder}"                       # optional: where the programs run (default: a new private folder each time)
    version = ["cjpeg", "-version"]        # optional: its output becomes part of the identity
    timeout_s = 60                         # optional: a program's time limit

    [rate]
    field = "quality"
    ladder = [5, 10, 20, 35, 50, 75]       # smallest file first

    [settings]                             # optional: further fields and their defaults
    smooth = 0

The rate is the size of the file that the encoder writes, with nothing added. So that file must contain the image's
size, and the decoder gets only that file. Programs run without a shell. ``{input}`` and ``{output}`` are files in a
private folder, ``{stem}`` is the output without its suffix, for programs that add the suffix themselves
(``{input_stem}`` likewise), and ``{folder}`` is the folder of the TOML; a program with a slash in its name is looked
for from there, others on PATH. A program that writes to stdout needs a shell:
``["sh", "-c", 'enc "$0" > "$1"', "{input}", "{output}"]``.

The identity contains the sha256 of: the programs; files, and folders below the TOML's, that their arguments or a
setting name; Python modules beside a script that it imports; programs that a shell script calls; and everything in
``files``. List there what a program finds by itself: weights, tables, shared libraries. A folder that programs write to
must lie elsewhere, or the identity changes with each run. ``benchmarks/programs/program_files.py`` has the details.
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

from benchmarks.api import CODECS
from benchmarks.files.content_index import digest_of, sha256_of_files
from benchmarks.formats.codec_file import PLACEHOLDER, Description, describe
from benchmarks.imaging.image_arrays import require_image
from benchmarks.imaging.image_decoding import decode_image
from benchmarks.programs.external_program import Finished, binary_sha256, private_folder, run_program
from benchmarks.programs.program_files import called_by, files_below, files_of, named_files, program_path
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ImageError, ProcessError, SpecError

_FORMATS = {"png": "PNG", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF"}


def load_codec_file(path: Path | str) -> list[str]:
    """Register the codec that a TOML file describes in ``CODECS``, and return the specs to run: only its name.

    It is then used like any other codec, as ``turbo`` or ``turbo(quality=[10, 20], smooth=5)``, also in worker
    processes. An edited file may be loaded again and replaces the earlier description.

    Raises:
        SpecError: the file is missing, not TOML, not of the form above, or names another codec.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the codec file {str(path)!r}: {error}") from error
    return [_registered(text, str(path.resolve())).description.name]


class CommandCodec:
    """Base class of all described codecs; a subclass adds the fields and is a frozen dataclass."""

    description: ClassVar[Description]
    rate_field: ClassVar[str] = ""
    ladder: ClassVar[tuple[Any, ...]] = ()

    @property
    def codec_file(self) -> str:
        """The path of the TOML file that describes the codec, which a command line must name beside its spec."""
        return self.description.file

    def encode(self, image: Image) -> bytes:
        about = self.description
        with private_folder() as folder:
            source, target = folder / f"input.{about.image}", folder / f"output.{about.stream}"
            source.write_bytes(_image_file(require_image(image), about.image))
            return self._run(about.encode, source, target).files[target.name]

    def decode(self, data: bytes) -> Image:
        about = self.description
        if not data:
            raise BitstreamError(f"the {about.name} stream is empty")
        if program_path(about.decode[0], about.folder) is None:
            raise CodecError(str(self.available()))
        with private_folder() as folder:
            source, target = folder / f"input.{about.stream}", folder / f"output.{about.image}"
            source.write_bytes(data)
            try:
                return decode_image(self._run(about.decode, source, target).files[target.name], name=target.name)
            except ProcessError as error:
                raise BitstreamError(f"the {about.name} decoder did not take {len(data)} bytes: {error}") from error
            except ImageError as error:
                raise BitstreamError(f"the {about.name} decoder left no usable image: {error}") from error

    def available(self) -> str | None:
        about = self.description
        for command in (about.encode, about.decode, about.version):
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
        if about.cwd and not Path(_cwd(about)).is_dir():
            return (
                f"the codec {about.name} says cwd = {about.cwd!r}, and there is no folder {_cwd(about)!r}; "
                f"correct or drop it in its TOML"
            )
        try:
            _version(about)
        except ProcessError as error:
            return f"the codec {about.name} cannot tell its version: {error}; correct or drop version = in its TOML"
        return None

    def provenance(self) -> Mapping[str, str]:
        """Hashes of the TOML, of the programs, and of all files that they are known to read; the version if stated."""
        about = self.description
        facts = {"code": "command-1", "toml_sha256": hashlib.sha256(about.text.encode()).hexdigest()}
        for role, command in (("encoder", about.encode), ("decoder", about.decode)):
            program = program_path(command[0], about.folder)
            facts[f"{role}_sha256"] = binary_sha256(program) if program else "missing"
            called = named_files((str(file) for file in called_by(Path(program))), about.folder) if program else []
            files = [*called, *named_files(self._words(command[1:], _UNKNOWN), about.folder, _cwd(about))]
            for file, sha256 in zip(files, sha256_of_files(files), strict=True):
                facts[f"{role}:{self._shown(file)}_sha256"] = sha256
        named = sorted({file for value in self._values().values() for file in self._named_by(value)})
        listed = sorted({file for pattern in about.files for file in files_of(pattern, about.folder)})
        for source, files in (("settings", named), ("files", listed)):
            if files:
                facts[f"{source}_sha256"] = digest_of((self._shown(file), file) for file in files)
        version = _version(about)
        return facts | ({"version": version} if version else {})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the TOML's text, because the receiving process does not have the class."""
        return _restore, (self.description.text, self.description.file, self._values())

    def _run(self, command: Sequence[str], source: Path, target: Path) -> Finished:
        """Run one of the programs on files in their private folder.

        Raises:
            ProcessError: it failed, or left no target; the message then names the files that it left instead.
        """
        about, folder = self.description, target.parent
        paths = {
            "input": str(source),
            "output": str(target),
            "stem": str(target.with_suffix("")),
            "input_stem": str(source.with_suffix("")),
        }
        words = [str(program_path(command[0], about.folder) or command[0]), *self._words(command[1:], paths)]
        cwd = Path(_cwd(about)) if about.cwd else None
        try:
            return run_program(words, folder=folder, cwd=cwd, timeout_s=about.timeout_s, outputs=[target.name])
        except ProcessError as error:
            others = sorted(file.name for file in folder.iterdir() if file not in (source, target))
            if others and not target.exists():
                names = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
                raise ProcessError(
                    f"{error}; it left {names} in place of {target.name}, the one file that is read; {_SUFFIX_CURE}"
                ) from error
            if f".{about.stream}" in str(error):
                raise ProcessError(f"{error}; {_SUFFIX_CURE}") from error
            raise

    def _words(self, command: Sequence[str], paths: Mapping[str, str]) -> list[str]:
        """The words of a command with their placeholders filled in."""
        values = {
            **{name: str(value) for name, value in self._values().items()},
            **paths,
            "folder": self.description.folder,
        }
        return [PLACEHOLDER.sub(lambda match: values[match.group(1)], word) for word in command]

    def _values(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

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


_SUFFIX_CURE = 'where a program goes by the suffix, say so in the codec file, as in stream = "j2k" or image = "bmp"'
_UNKNOWN = dict.fromkeys(("input", "output", "stem", "input_stem"), "\0")
"""Stands for the files that exist only while a program runs."""


def _restore(text: str, file: str, values: Mapping[str, Any]) -> CommandCodec:
    return _registered(text, file)(**values)


def _registered(text: str, file: str) -> type[CommandCodec]:
    """The class of a description, registered under its name; it replaces an earlier description of the same file.

    Raises:
        SpecError: the description is not of the form, or its name is another codec's.
    """
    cls = _codec_class(text, file)
    name = cls.description.name
    if name in CODECS.names():
        known: Any = CODECS.get(name)
        if not issubclass(known, CommandCodec) or known.description.file != file:
            raise SpecError(f"the codec file names its codec {name!r}, as another does ({known.__module__}); rename it")
    return CODECS.register(name)(cls)


@functools.lru_cache(maxsize=64)
def _codec_class(text: str, file: str) -> type[CommandCodec]:
    """The class of a description; there is one in this process."""
    about = describe(text, file)
    defaults = [(about.rate_field, about.ladder[-1])] if about.rate_field else []
    fields = [(name, type(value), dataclasses.field(default=value)) for name, value in [*defaults, *about.settings]]
    namespace = {
        "description": about,
        "rate_field": about.rate_field,
        "ladder": about.ladder,
        "__module__": __name__,
        "__doc__": f"{about.name}, by {about.encode[0]} and {about.decode[0]}.",
    }
    return dataclasses.make_dataclass(about.name, fields, bases=(CommandCodec,), namespace=namespace, frozen=True)


def _cwd(about: Description) -> str:
    """The folder where the programs run; "" for a private folder."""
    return str(Path(about.folder, about.cwd.replace("{folder}", about.folder))) if about.cwd else ""


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
    run = run_program([*command, *(part.replace("{folder}", about.folder) for part in about.version[1:])], timeout_s=20)
    lines = (run.stdout.decode(errors="replace") + "\n" + run.stderr).split("\n")
    return next((line.strip()[:200] for line in lines if line.strip()), "")


def _image_file(image: Image, kind: str) -> bytes:
    import PIL.Image

    if kind in ("ppm", "pnm"):
        return f"P6\n{image.shape[1]} {image.shape[0]}\n255\n".encode() + image.tobytes()
    buffer = io.BytesIO()
    options = {"compress_level": 1} if kind == "png" else {}
    PIL.Image.fromarray(np.ascontiguousarray(image)).save(buffer, format=_FORMATS[kind], **options)
    return buffer.getvalue()

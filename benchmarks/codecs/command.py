"""Any codec with a command line, described in a few lines of TOML instead of Python.

    name = "turbo"                                     # how specs and tables call it
    encode = ["cjpeg", "-quality", "{quality}", "-outfile", "{output}", "{input}"]
    decode = ["djpeg", "-outfile", "{output}", "{input}"]
    image = "ppm"                                      # what the programs read and write: png (default) or ppm
    version = ["cjpeg", "-version"]                    # optional; what it says becomes part of the identity
    timeout_s = 60                                     # optional, a program's time limit

    [rate]
    field = "quality"
    ladder = [5, 10, 20, 35, 50, 75]                   # smallest file first

    [settings]                                         # optional: further fields and their defaults
    smooth = 0

The rate is the size of the file the encoder writes, with nothing added, so that file must say how large its image is.
Programs run without a shell, in a private folder. ``{input}`` and ``{output}`` are files there, ``{folder}`` is where the TOML
lies; a program with a slash in its name is looked for from there, others on PATH. Programs, and files named among their
arguments (an interpreter's script), enter the identity by their sha256.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import io
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.api import CODECS
from benchmarks.images import decode_image, require_image
from benchmarks.process import TIMEOUT_S, binary_sha256, private_folder, run_program
from hsc.api import Image
from hsc.errors import BitstreamError, CodecError, ImageError, ProcessError, SpecError

_KEYS = ("name", "encode", "decode", "image", "version", "timeout_s", "rate", "settings")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_RESERVED = ("input", "output", "folder")
_LONGEST_S = 1e7


@dataclass(frozen=True)
class Description:
    """A TOML file's content, checked. ``settings`` holds (field, default); ``folder`` is where the file lies."""

    name: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    image: str
    version: tuple[str, ...]
    timeout_s: float
    rate_field: str
    ladder: tuple[Any, ...]
    settings: tuple[tuple[str, Any], ...]
    folder: str
    text: str


def load_codec_file(path: Path | str) -> list[str]:
    """Make the codec a TOML file describes known to ``CODECS``, and return the specs to run: its name alone.

    Afterwards it is used as any other, as ``turbo`` or ``turbo(quality=[10, 20], smooth=5)``, also in worker processes.

    Raises:
        SpecError: the file is missing, not TOML, not of the form above, or its name is another codec's.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the codec file {str(path)!r}: {error}") from error
    return [_codec_class(text, str(path.resolve().parent)).description.name]


class CommandCodec:
    """What all described codecs share; a subclass adds the fields and is a frozen dataclass."""

    description: ClassVar[Description]
    rate_field: ClassVar[str] = ""
    ladder: ClassVar[tuple[Any, ...]] = ()

    def encode(self, image: Image) -> bytes:
        about = self.description
        with private_folder() as folder:
            source, target = folder / f"input.{about.image}", folder / "output.bin"
            source.write_bytes(_image_file(require_image(image), about.image))
            run = run_program(self._fill(about.encode, source, target), folder=folder, timeout_s=about.timeout_s, outputs=[target.name])
        return run.files[target.name]

    def decode(self, data: bytes) -> Image:
        about = self.description
        if not data:
            raise BitstreamError(f"the {about.name} stream is empty")
        if _program(about.decode[0], about.folder) is None:
            raise CodecError(str(self.available()))
        with private_folder() as folder:
            source, target = folder / "input.bin", folder / f"output.{about.image}"
            source.write_bytes(data)
            try:
                run = run_program(self._fill(about.decode, source, target), folder=folder, timeout_s=about.timeout_s, outputs=[target.name])
                return decode_image(run.files[target.name], name=target.name)
            except ProcessError as error:
                raise BitstreamError(f"the {about.name} decoder did not take {len(data)} bytes: {error}") from error
            except ImageError as error:
                raise BitstreamError(f"the {about.name} decoder left no usable image: {error}") from error

    def available(self) -> str | None:
        about = self.description
        for command in (about.encode, about.decode, about.version):
            if command and _program(command[0], about.folder) is None:
                return f"the codec {about.name} needs the program {command[0]!r}, which is not {_where(command[0])}; install it or correct the path"
        try:
            _version(about)
        except ProcessError as error:
            return f"the codec {about.name} cannot tell its version: {error}; correct or drop version = in its TOML"
        return None

    def provenance(self) -> Mapping[str, str]:
        about = self.description
        facts = {"code": "command-1", "toml_sha256": hashlib.sha256(about.text.encode()).hexdigest()}
        for role, command in (("encoder", about.encode), ("decoder", about.decode)):
            program = _program(command[0], about.folder)
            facts[f"{role}_sha256"] = binary_sha256(program) if program else "missing"
            for argument in command[1:]:
                file = Path(about.folder, argument.replace("{folder}", about.folder))
                if file.is_file():
                    facts[f"{role}:{file.name}_sha256"] = binary_sha256(file)
        version = _version(about)
        return facts | ({"version": version} if version else {})

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel by the TOML's text: the receiving process has never seen the class."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return _restore, (self.description.text, self.description.folder, values)

    def _fill(self, command: Sequence[str], source: Path, target: Path) -> list[str]:
        values = {f.name: str(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        values |= {"input": str(source), "output": str(target), "folder": self.description.folder}
        filled = [_PLACEHOLDER.sub(lambda match: values[match.group(1)], part) for part in command]
        return [str(_program(command[0], self.description.folder) or filled[0]), *filled[1:]]


def _restore(text: str, folder: str, values: Mapping[str, Any]) -> CommandCodec:
    return _codec_class(text, folder)(**values)


@functools.lru_cache(maxsize=64)
def _codec_class(text: str, folder: str) -> type[CommandCodec]:
    """The one class of a description in this process, registered."""
    about = _describe(text, folder)
    if about.name in CODECS.names():
        other = CODECS.get(about.name).__module__
        raise SpecError(f"the codec file names its codec {about.name!r}, as another does ({other}); rename it")
    fields = [(about.rate_field, type(about.ladder[-1]), dataclasses.field(default=about.ladder[-1]))] if about.rate_field else []
    fields += [(name, type(default), dataclasses.field(default=default)) for name, default in about.settings]
    own = {
        "description": about,
        "rate_field": about.rate_field,
        "ladder": about.ladder,
        "__module__": __name__,
        "__doc__": f"{about.name}, by {about.encode[0]} and {about.decode[0]}.",
    }
    return CODECS.register(about.name)(dataclasses.make_dataclass(about.name, fields, bases=(CommandCodec,), namespace=own, frozen=True))


def _describe(text: str, folder: str) -> Description:
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of TOML, or of endless digits or brackets
        raise SpecError(f"the codec file is not TOML: {error}") from error
    _known_keys(table, _KEYS, "the codec file")
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpecError(f'the codec file\'s name came as {name!r}, expected a word such as name = "turbo"')
    image = table.get("image", "png")
    if image not in ("png", "ppm"):
        raise SpecError(f'the codec file {name!r} says image = {image!r}, expected "png" or "ppm"')
    timeout_s = table.get("timeout_s", TIMEOUT_S)
    if not isinstance(timeout_s, int | float) or isinstance(timeout_s, bool) or not 0 < timeout_s <= _LONGEST_S:
        raise SpecError(f"the codec file {name!r} says timeout_s = {str(timeout_s)[:40]}, expected seconds above 0, at most {_LONGEST_S:g}")
    rate_field, ladder = _rate(table.get("rate"), name)
    settings = _settings(table.get("settings", {}), rate_field, name)
    commands = {key: _words(table, key, name) for key in ("encode", "decode", "version")}
    fields = [*([rate_field] if rate_field else []), *(field for field, _ in settings)]
    for key, command in commands.items():
        _known_placeholders(command, fields, needs_files=key != "version", where=f"{key} of the codec file {name!r}")
    return Description(
        name, commands["encode"], commands["decode"], image, commands["version"], float(timeout_s), rate_field, ladder, settings, folder, text
    )


def _words(table: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    words = table.get(key, [] if key == "version" else None)
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words) or (not words and key != "version"):
        raise SpecError(f"the codec file {name!r} says {key} = {words!r}, expected a list of words: the program and its arguments")
    return tuple(words)


def _rate(table: Any, name: str) -> tuple[str, tuple[Any, ...]]:
    if table is None:
        return "", ()
    form = 'expected [rate] with field = "quality" and ladder = [10, 20, 40]'
    if not isinstance(table, dict) or set(table) != {"field", "ladder"}:
        raise SpecError(f"the codec file {name!r} has a rate of {table!r}, {form}")
    field, ladder = table["field"], table["ladder"]
    if not isinstance(field, str) or not _FIELD.fullmatch(field) or field in _RESERVED or not isinstance(ladder, list) or not ladder:
        raise SpecError(f"the codec file {name!r} has the rate field {field!r} and the ladder {ladder!r}, {form}")
    if any(isinstance(v, float) for v in ladder) and all(type(v) in (int, float) for v in ladder):
        ladder = [float(v) for v in ladder]
    if len({type(v) for v in ladder}) != 1 or type(ladder[0]) not in (int, float, str) or len(set(ladder)) != len(ladder):
        raise SpecError(f"the codec file {name!r} has the ladder {ladder!r}, expected different values, all numbers or all strings")
    return field, tuple(ladder)


def _settings(table: Any, rate_field: str, name: str) -> tuple[tuple[str, Any], ...]:
    if not isinstance(table, dict) or any(type(v) not in (int, float, str) for v in table.values()):
        raise SpecError(f"the codec file {name!r} has the settings {table!r}, expected names with a number or a string each")
    wrong = [key for key in table if not _FIELD.fullmatch(key) or key in (*_RESERVED, rate_field)]
    if wrong:
        raise SpecError(
            f"the codec file {name!r} has settings named {', '.join(wrong)}; use small letters, and not {', '.join(_RESERVED)} or the rate"
        )
    return tuple(table.items())


def _known_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise SpecError(f"{where} has the unknown entry {key!r}; {f'did you mean {near[0]!r}?' if near else 'it takes: ' + ', '.join(known)}")


def _known_placeholders(command: Sequence[str], fields: Sequence[str], *, needs_files: bool, where: str) -> None:
    used = {found for part in command for found in _PLACEHOLDER.findall(part)}
    known = (*fields, *_RESERVED) if needs_files else ("folder",)
    _known_keys(dict.fromkeys(sorted(used)), known, where)
    if needs_files and not {"input", "output"} <= used:
        raise SpecError(f"{where} must name {{input}} and {{output}}; it is {' '.join(command)}")


def _program(word: str, folder: str) -> str | None:
    """Path of the program ``word`` stands for, or None where there is none."""
    word = word.replace("{folder}", folder)
    return shutil.which(str(Path(folder, word)) if "/" in word else word)


def _where(word: str) -> str:
    return "an executable file there" if "/" in word else "on PATH"


@functools.lru_cache(maxsize=64)
def _version(about: Description) -> str:
    """First line the version command writes, "" where there is no such command."""
    if not about.version:
        return ""
    command = [str(_program(about.version[0], about.folder) or about.version[0])]
    run = run_program([*command, *(part.replace("{folder}", about.folder) for part in about.version[1:])], timeout_s=20)
    lines = (run.stdout.decode(errors="replace") + "\n" + run.stderr).split("\n")
    return next((line.strip()[:200] for line in lines if line.strip()), "")


def _image_file(image: Image, kind: str) -> bytes:
    import PIL.Image

    if kind == "ppm":
        return f"P6\n{image.shape[1]} {image.shape[0]}\n255\n".encode() + image.tobytes()
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()

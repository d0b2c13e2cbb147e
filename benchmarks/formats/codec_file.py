"""Codec files, read and checked: TOML that describes a codec by its commands (see benchmarks/codecs/command.py)."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs.external_program import TIMEOUT_S
from hsc.errors import SpecError

IMAGES = ("png", "ppm", "pnm", "bmp", "tif", "tiff")
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MAX_TIMEOUT_S = 1e7
START_S = 120.0
"""The time for a server or a batch program to start, where its file does not say."""
BATCH_IMAGES = 50
"""Images in a call of a batch program, where its file does not say."""
_MAX_BATCH_IMAGES = 10_000
_KEYS = (
    "name",
    "encode",
    "decode",
    "server",
    "batch",
    "image",
    "stream",
    "files",
    "cwd",
    "version",
    "timeout_s",
    "rate",
    "settings",
)
_TABLE_KEYS = {"server": ("command", "start_s"), "batch": ("encode", "decode", "start_s", "images")}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,15}")
_RESERVED = ("input", "output", "stem", "input_stem", "folder")
_FILLED_IN = ("folder", "device")
"""Placeholders that name no file of a call; a setting may have the name of the second, and then it is meant."""


@dataclass(frozen=True)
class Description:
    """The checked content of a codec file.

    encode, decode: a program's words, empty with a server. server: its words, empty without one. batch_images: the most
    images in a call of a program that codes folders, 0 for one that codes files. start_s: the time for a server to be
    ready, and what a batch call may take beside ``timeout_s`` for each image. image, stream: suffixes without a dot.
    cwd: the folder where the programs run, "" for a private folder. settings: (field, default). file: the TOML file's
    path. text: its whole text.
    """

    name: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    server: tuple[str, ...]
    batch_images: int
    start_s: float
    image: str
    stream: str
    files: tuple[str, ...]
    cwd: str
    version: tuple[str, ...]
    timeout_s: float
    rate_field: str
    ladder: tuple[Any, ...]
    settings: tuple[tuple[str, Any], ...]
    file: str
    text: str

    @property
    def folder(self) -> str:
        """The folder that holds the TOML file."""
        return str(Path(self.file).parent)


def describe(text: str, file: str) -> Description:
    """Check the text of a TOML file that lies at ``file``.

    Raises:
        SpecError: it is not TOML, or not of the form.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of TOML, or of endless digits or brackets
        raise SpecError(f"the codec file is not TOML: {error}") from error
    _known_keys(table, _KEYS, "the codec file")
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpecError(f'the codec file\'s name came as {name!r}, expected a word such as name = "turbo"')
    image, stream = _suffixes(table, name)
    cwd, timeout_s = _cwd(table, name), _seconds(table, "timeout_s", TIMEOUT_S, name)
    rate_field, ladder = _rate(table.get("rate"), name)
    settings = _settings(table.get("settings", {}), rate_field, name)
    fields = [field for field, _ in settings]
    form, inner = _form(table, name)
    words = {key: _words(inner, key, name) for key in ("encode", "decode") if form != "server"}
    for key, command in words.items():
        files_of_call = ("input", "output") if form == "batch" else _RESERVED
        given = [*([rate_field] if rate_field else []), *fields, *files_of_call]
        _known_placeholders(command, given, f"{key} of the codec file {name!r}")
        _demand_files(command, f"{key} of the codec file {name!r}", folders=form == "batch")
    server = _words(inner, "command", name) if form == "server" else ()
    _known_placeholders(server, fields, f"command of the codec file {name!r}, which gets the rate with each request,")
    version, files = _words(table, "version", name) if "version" in table else (), _files(table, name)
    _known_placeholders(version, (), f"version of the codec file {name!r}")
    return Description(
        name=name,
        encode=words.get("encode", ()),
        decode=words.get("decode", ()),
        server=server,
        batch_images=_batch_images(inner, name) if form == "batch" else 0,
        start_s=_seconds(inner, "start_s", START_S, name) if form else START_S,
        image=image,
        stream=stream,
        files=files,
        cwd=cwd,
        version=version,
        timeout_s=timeout_s,
        rate_field=rate_field,
        ladder=ladder,
        settings=settings,
        file=file,
        text=text,
    )


def _suffixes(table: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The suffixes of images and of streams, without a dot."""
    image = table.get("image", "png")
    if image not in IMAGES:
        raise SpecError(f"the codec file {name!r} says image = {image!r}, expected one of {', '.join(IMAGES)}")
    stream = table.get("stream", "bin")
    if not isinstance(stream, str) or not _SUFFIX.fullmatch(stream):
        raise SpecError(
            f"the codec file {name!r} says stream = {stream!r}, "
            f'expected the suffix its programs go by, without a dot, such as "j2k"'
        )
    return image, stream


def _cwd(table: Mapping[str, Any], name: str) -> str:
    cwd = table.get("cwd", "")
    if not isinstance(cwd, str) or set(PLACEHOLDER.findall(cwd)) - {"folder"}:
        raise SpecError(
            f"the codec file {name!r} says cwd = {cwd!r}, "
            f'expected a folder, such as "{{folder}}", where the codec file lies'
        )
    return cwd


def _form(table: Mapping[str, Any], name: str) -> tuple[str, Mapping[str, Any]]:
    """How the codec is called, "server", "batch" or "" for a program a file, and the table that holds its commands."""
    forms = [form for form in ("server", "batch") if form in table]
    if not forms:
        return "", table
    mixed = [*forms, *(key for key in ("encode", "decode") if key in table)]
    if len(mixed) > 1:
        raise SpecError(
            f"the codec file {name!r} has {' and '.join(mixed)}, expected encode and decode, or [server], or [batch]"
        )
    inner = table[forms[0]]
    if not isinstance(inner, dict):
        raise SpecError(f"the codec file {name!r} says {forms[0]} = {inner!r}, expected a table [{forms[0]}]")
    _known_keys(inner, _TABLE_KEYS[forms[0]], f"[{forms[0]}] of the codec file {name!r}")
    return forms[0], inner


def _batch_images(table: Mapping[str, Any], name: str) -> int:
    images = table.get("images", BATCH_IMAGES)
    if type(images) is not int or not 1 <= images <= _MAX_BATCH_IMAGES:
        raise SpecError(
            f"the codec file {name!r} says images = {str(images)[:40]} in [batch], "
            f"expected the most images of a call, 1 to {_MAX_BATCH_IMAGES}"
        )
    return images


def _seconds(table: Mapping[str, Any], key: str, default: float, name: str) -> float:
    seconds = table.get(key, default)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= _MAX_TIMEOUT_S:
        raise SpecError(
            f"the codec file {name!r} says {key} = {str(seconds)[:40]}, "
            f"expected seconds above 0, at most {_MAX_TIMEOUT_S:g}"
        )
    return float(seconds)


def _files(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    files = table.get("files", [])
    if not isinstance(files, list) or not all(isinstance(pattern, str) and pattern for pattern in files):
        raise SpecError(
            f"the codec file {name!r} says files = {files!r}, "
            f'expected a list of files, folders or patterns such as "weights/*.pth"'
        )
    return tuple(files)


def _words(table: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    words = table.get(key)
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words) or not words:
        raise SpecError(
            f"the codec file {name!r} says {key} = {words!r}, expected a list of words: the program and its arguments"
        )
    return tuple(words)


def _rate(table: Any, name: str) -> tuple[str, tuple[Any, ...]]:
    if table is None:
        return "", ()
    form = 'expected [rate] with field = "quality" and ladder = [10, 20, 40]'
    if not isinstance(table, dict) or set(table) != {"field", "ladder"}:
        raise SpecError(f"the codec file {name!r} has a rate of {table!r}, {form}")
    field, ladder = table["field"], table["ladder"]
    if (
        not isinstance(field, str)
        or not _FIELD.fullmatch(field)
        or field in _RESERVED
        or not isinstance(ladder, list)
        or not ladder
    ):
        raise SpecError(f"the codec file {name!r} has the rate field {field!r} and the ladder {ladder!r}, {form}")
    if any(isinstance(v, float) for v in ladder) and all(type(v) in (int, float) for v in ladder):
        ladder = [float(v) for v in ladder]
    if (
        len({type(v) for v in ladder}) != 1
        or type(ladder[0]) not in (int, float, str)
        or len(set(ladder)) != len(ladder)
    ):
        raise SpecError(
            f"the codec file {name!r} has the ladder {ladder!r}, expected different values, all numbers or all strings"
        )
    return field, tuple(ladder)


def _settings(table: Any, rate_field: str, name: str) -> tuple[tuple[str, Any], ...]:
    if not isinstance(table, dict) or any(type(v) not in (int, float, str) for v in table.values()):
        raise SpecError(
            f"the codec file {name!r} has the settings {table!r}, expected names with a number or a string each"
        )
    wrong = [key for key in table if not _FIELD.fullmatch(key) or key in (*_RESERVED, rate_field)]
    if wrong:
        raise SpecError(
            f"the codec file {name!r} has settings named {', '.join(wrong)}; "
            f"use small letters, and not {', '.join(_RESERVED)} or the rate"
        )
    return tuple(table.items())


def _known_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise SpecError(
                f"{where} has the unknown entry {key!r}; "
                f"{f'did you mean {near[0]!r}?' if near else 'it takes: ' + ', '.join(known)}"
            )


def _known_placeholders(command: Sequence[str], known: Sequence[str], where: str) -> None:
    used = {name for part in command for name in PLACEHOLDER.findall(part)}
    _known_keys(dict.fromkeys(sorted(used)), (*known, *(name for name in _FILLED_IN if name not in known)), where)


def _demand_files(command: Sequence[str], where: str, *, folders: bool) -> None:
    """Refuse a command that does not name what it is to read and to write. folders: whether these are folders."""
    used = {name for part in command for name in PLACEHOLDER.findall(part)}
    if folders and not {"input", "output"} <= used:
        raise SpecError(f"{where} must name the folders {{input}} and {{output}}; it is {' '.join(command)}")
    if not (used & {"input", "input_stem"} and used & {"output", "stem"}):
        raise SpecError(
            f"{where} must name {{input}} and {{output}}, or {{stem}} if the program adds the output's suffix; "
            f"it is {' '.join(command)}"
        )

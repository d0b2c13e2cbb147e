"""The registry of plug-ins, and specs such as ``jpeg(quality=[5, 10, 20])`` as text, config and object.

    "jpeg(quality=[5, 10])" --parse_spec--> Spec --expand--> [Spec, Spec] --Registry.build--> [Jpeg(5), Jpeg(10)]
                                                                                     Registry.config <--> dict

Values are parsed as literals and never evaluated. A list is a sweep, a tuple is one value; a bare word such as
``medium`` is the string "medium". The idea of one-line specs is from big_vision's preprocessing registry (Beyer, Zhai,
Kolesnikov 2022).
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import importlib
import importlib.metadata
import itertools
import json
import pkgutil
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from hsc.errors import HscError, PluginError, SpecError, UnknownNameError

T = TypeVar("T")
C = TypeVar("C", bound=type)

_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*")
_KEY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_BARE = re.compile(r"[A-Za-z0-9_./-]+")


@dataclasses.dataclass(frozen=True)
class Spec:
    """A plug-in's name and its keyword arguments as plain values.

    >>> str(Spec("vvc", {"qp": 37, "preset": "medium"}))
    'vvc(qp=37, preset=medium)'
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        if not self.arguments:
            return self.name
        return f"{self.name}({', '.join(f'{k}={format_value(v)}' for k, v in self.arguments.items())})"


def format_value(value: Any) -> str:
    """Write a literal the way ``parse_spec`` reads it.

    >>> format_value(["4:2:0", "fast", 0.5])
    '["4:2:0", fast, 0.5]'
    """
    if isinstance(value, str):
        plain = _BARE.fullmatch(value) and _read_literal(value) is None
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        inner = ", ".join(format_value(v) for v in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def parse_spec(text: str) -> Spec:
    """Parse ``name`` or ``name(key=value, ...)``.

    >>> parse_spec('vvc(qp=[37, 32], preset=fast)')
    Spec(name='vvc', arguments={'qp': [37, 32], 'preset': 'fast'})

    Raises:
        SpecError: the text has another form.
    """
    match = _NAME.match(text)
    if not match:
        raise SpecError(f"cannot read the spec {text!r}: it must start with a name, as in jpeg(quality=[10, 50])")
    name, rest = match.group(1), text[match.end() :]
    if not rest:
        return Spec(name)
    if not (rest.startswith("(") and rest.rstrip().endswith(")")):
        raise SpecError(f"cannot read the spec {text!r}: after {name!r} came {rest!r}, expected (key=value, ...)")
    body = rest.rstrip()[1:-1]
    arguments: dict[str, Any] = {}
    for part in _split(body, text):
        key = _KEY.match(part)
        if not key:
            raise SpecError(f"cannot read {part.strip()!r} in the spec {text!r}: expected key=value")
        if key.group(1) in arguments:
            raise SpecError(f"{key.group(1)!r} is given twice in the spec {text!r}")
        arguments[key.group(1)] = _parse_value(part[key.end() :].strip(), text)
    return Spec(name, arguments)


def _split(body: str, text: str) -> Iterator[str]:
    """Split at commas outside quotes and brackets."""
    depth, quote, start, i = 0, "", 0, 0
    while i < len(body):
        c = body[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = ""
        elif c in "\"'":
            quote = c
        elif c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        elif c == "," and depth == 0:
            yield body[start:i]
            start = i + 1
        if depth < 0:
            break
        i += 1
    if depth or quote:
        raise SpecError(f"cannot read the spec {text!r}: a bracket or quote is not closed")
    if body[start:].strip():
        yield body[start:]


def _read_literal(word: str) -> Any:
    """The value of a number, True, False or quoted string; ``...`` for the word None, and None for any other word."""
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return ... if value is None else value


def _parse_value(word: str, text: str) -> Any:
    if word[:1] + word[-1:] in ("[]", "()"):
        inner = [_parse_value(p.strip(), text) for p in _split(word[1:-1], text)]
        if word[0] == "[":
            return inner
        return tuple(inner) if "," in word else inner[0] if inner else ()
    value = _read_literal(word)
    if isinstance(value, str | int | float | bool):
        return value
    if value is ...:
        return None
    if _BARE.fullmatch(word):
        return word
    raise SpecError(
        f"cannot read the value {word!r} in the spec {text!r}: expected a number, word, quoted string, [list] or "
        f"(tuple,)"
    )


def expand(spec: Spec) -> list[Spec]:
    """Expand sweeps: one Spec for each combination of list items; the first list varies slowest.

    >>> [str(s) for s in expand(parse_spec("vvc(qp=[37, 32], preset=fast)"))]
    ['vvc(qp=37, preset=fast)', 'vvc(qp=32, preset=fast)']
    """
    axes = [v if isinstance(v, list) else [v] for v in spec.arguments.values()]
    return [Spec(spec.name, dict(zip(spec.arguments, point, strict=True))) for point in itertools.product(*axes)]


def config(item: Any) -> dict[str, Any]:
    """The whole configuration of a plug-in: its dataclass fields as plain values."""
    return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.init}


def other_than(settings: Mapping[str, Any], **allowed: Any) -> str | None:
    """A phrase about the first setting that has none of its allowed values; None if all have.

    >>> other_than({"qp": 37, "encoder": "/tmp/x"}, encoder=["ffmpeg"])
    'encoder came as /tmp/x, without trust it is ffmpeg'
    """
    for name, values in allowed.items():
        if not any(type(value) is type(settings.get(name)) and value == settings[name] for value in values):
            return (
                f"{name} came as {str(settings.get(name))[:200]}, without trust it is "
                f"{' or '.join(str(value) or 'empty' for value in values)}"
            )
    return None


class Registry(Generic[T]):
    """Classes by name, from the files of one package and from entry points of installed distributions.

    Nothing is imported until a name is first requested. A plug-in file that fails to import is recorded in ``broken``
    with its reason and does not affect the others.

    noun: what is registered, for messages ("codec"). package: of the in-tree plug-ins ("benchmarks.codecs"). group: the
    entry point group of other distributions' plug-ins ("hsc.codecs").
    """

    def __init__(self, noun: str, *, package: str, group: str) -> None:
        self.noun, self.package, self.group = noun, package, group
        self.broken: dict[str, str] = {}
        self._classes: dict[str, type] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[C], C]:
        """Class decorator: register a frozen dataclass under ``name``, which becomes its ``spec_name``.

        Raises:
            SpecError: another class has that name.
        """

        def add(cls: C) -> C:
            other = self._classes.get(name)
            if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
                raise SpecError(
                    f"two {self.noun}s are named {name!r}: {other.__module__} and {cls.__module__}; rename one"
                )
            cls.spec_name = name  # type: ignore[attr-defined]
            self._classes[name] = cls
            return cls

        return add

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for info in pkgutil.iter_modules(package.__path__):
            if not info.name.startswith("_"):
                self._import(info.name, functools.partial(importlib.import_module, f"{self.package}.{info.name}"))
        for point in importlib.metadata.entry_points(group=self.group):
            self._import(point.name, point.load)

    def _import(self, name: str, load: Callable[[], Any]) -> None:
        try:
            load()
        except (Exception, SystemExit, GeneratorExit) as error:  # a plug-in may raise anything, and not hide others
            self.broken[name] = f"its file does not import: {type(error).__name__}: {error}"

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._load()
        return sorted(self._classes)

    def get(self, name: str) -> type[T]:
        """The class registered under ``name``.

        Raises:
            UnknownNameError: there is no such class; the message lists near names.
        """
        self._load()
        if name in self._classes:
            return self._classes[name]
        if name in self.broken:
            raise UnknownNameError(f"the {self.noun} {name!r} cannot be used: {self.broken[name]}")
        near = difflib.get_close_matches(name, self._classes, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(self.names())}"
        raise UnknownNameError(f"no {self.noun} is named {name!r}; {hint}")

    def build(self, spec: Spec | str) -> T:
        """Build the object that a spec without sweeps describes.

        Raises:
            UnknownNameError: there is no such plug-in.
            SpecError: an argument is unknown, missing, of the wrong type, or refused by the class.
            PluginError: the class raised an unexpected error.
        """
        spec = parse_spec(spec) if isinstance(spec, str) else spec
        cls = self.get(spec.name)
        fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
        for key in spec.arguments:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it takes: {', '.join(fields) or 'nothing'}"
                raise SpecError(f"the {self.noun} {spec.name!r} has no argument {key!r}; {hint}")
        hints = typing.get_type_hints(cls)
        arguments = {k: _fit(v, hints[k], f"{spec.name}({k}=...)") for k, v in spec.arguments.items()}
        missing = [n for n, f in fields.items() if n not in arguments and not _has_default(f)]
        if missing:
            raise SpecError(
                f"the {self.noun} {spec.name!r} needs {', '.join(missing)}, as in {spec.name}({missing[0]}=...)"
            )
        try:
            return cls(**arguments)
        except (ValueError, TypeError) as error:
            raise SpecError(f"the {self.noun} {spec} is not possible: {error}") from error
        except (Exception, SystemExit, GeneratorExit) as error:
            if isinstance(error, HscError):
                raise
            raise PluginError(
                f"the {self.noun} {spec} breaks when it is made: {type(error).__name__}: {error}"
            ) from error

    def spec(self, item: T) -> Spec:
        """The shortest spec that builds ``item`` again, without fields at their defaults."""
        values = {}
        for f in dataclasses.fields(item):  # type: ignore[arg-type]
            value = getattr(item, f.name)
            if f.init and not (f.default is not dataclasses.MISSING and f.default == value):
                values[f.name] = value
        return Spec(getattr(item, "spec_name", type(item).__name__), values)


def _has_default(f: dataclasses.Field[Any]) -> bool:
    return f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING


def _fit(value: Any, hint: Any, where: str) -> Any:
    """Check a literal against an annotation of simple types, and return it; an int becomes a float where one is needed.

    Raises:
        SpecError: the value does not fit.
    """
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, type(int | str)) else (hint,)
    for option in options:
        origin = typing.get_origin(option) or option
        if origin is float and isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > sys.float_info.max:
                raise SpecError(
                    f"{where} came as a whole number of {len(str(abs(value)))} digits, which no float holds"
                )
            return float(value)
        if origin is typing.Literal:
            if value in typing.get_args(option):
                return value
        elif origin is typing.Any or (
            isinstance(origin, type) and isinstance(value, origin) and (origin is bool or not isinstance(value, bool))
        ):
            return value
        elif origin is str and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    if isinstance(value, list):
        raise SpecError(f"{where} came as the sweep {format_value(value)}; here one value is expected")
    expected = " or ".join(
        format_value(a)
        for o in options
        for a in (typing.get_args(o) if typing.get_origin(o) is typing.Literal else (getattr(o, "__name__", str(o)),))
    )
    raise SpecError(f"{where} came as {format_value(value)}, expected {expected}")

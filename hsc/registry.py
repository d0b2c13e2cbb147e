"""Plug-ins by name, and specs such as ``jpeg(quality=[5, 10, 20])`` as text, config and object.

    "jpeg(quality=[5, 10])" --parse_spec--> Spec --expand--> [Spec, Spec] --Registry.build--> [Jpeg(5), Jpeg(10)]
                                                                                     Registry.config <--> dict

Values are read as literals and never evaluated. A list is a sweep, a tuple is one value; a bare word such as ``medium``
is the string "medium". The idea of specs in one line of text: big_vision's preprocessing registry (Beyer, Zhai,
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from hsc.errors import HscError, PluginError, SpecError, UnknownNameError

T = TypeVar("T")
C = TypeVar("C", bound=type)

_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*")
_KEY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_BARE = re.compile(r"[A-Za-z0-9_./-]+")


@dataclasses.dataclass(frozen=True)
class Spec:
    """A plug-in's name and keyword arguments, as plain values.

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
    """Read ``name`` or ``name(key=value, ...)``.

    >>> parse_spec('vvc(qp=[37, 32], preset=fast)')
    Spec(name='vvc', arguments={'qp': [37, 32], 'preset': 'fast'})

    Raises:
        SpecError: the text is not of that form.
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
    """Split at commas that stand outside quotes and brackets."""
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
    """The number, True/False/None or quoted string that ``word`` is, else None (None itself comes back as ``...``)."""
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
        f"cannot read the value {word!r} in the spec {text!r}: numbers, words, quoted strings, [lists] and (tuples,) "
        f"are read"
    )


def expand(spec: Spec) -> list[Spec]:
    """Write out sweeps: one Spec for each combination of list items, the first list slowest.

    >>> [str(s) for s in expand(parse_spec("vvc(qp=[37, 32], preset=fast)"))]
    ['vvc(qp=37, preset=fast)', 'vvc(qp=32, preset=fast)']
    """
    axes = [v if isinstance(v, list) else [v] for v in spec.arguments.values()]
    return [Spec(spec.name, dict(zip(spec.arguments, point, strict=True))) for point in itertools.product(*axes)]


def config(item: Any) -> dict[str, Any]:
    """An object's whole configuration: its dataclass fields, as plain values."""
    return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.init}


def other_than(settings: Mapping[str, Any], **allowed: Any) -> str | None:
    """Which setting is none of those allowed, as a phrase; None where all are.

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
    """Classes by name: those of one package's files, and those of installed distributions' entry points.

    Nothing is imported until a name is first asked for. A plug-in file that fails to import is remembered in ``broken``
    with its reason and does not take the others down.

    noun: what is registered, for messages ("codec"). package: where the in-tree files lie ("benchmarks.codecs").
    group: the entry point group of outside plug-ins ("hsc.codecs").
    """

    def __init__(self, noun: str, *, package: str, group: str) -> None:
        self.noun, self.package, self.group = noun, package, group
        self.broken: dict[str, str] = {}
        self._classes: dict[str, type] = {}
        self._aliases: dict[str, str] = {}
        self._loaded = False

    def register(self, name: str, *, aliases: Sequence[str] = ()) -> Callable[[C], C]:
        """Class decorator: make a frozen dataclass known under ``name`` (set on it as ``spec_name``).

        aliases: other spellings that users may write. Each stands for ``name`` wherever a name is read; specs, labels
        and identities hold ``name`` alone, so that an alias changes no recorded run and no key.

        Raises:
            SpecError: another class has the name or an alias already.
        """

        def add(cls: C) -> C:
            for word in (name, *aliases):
                known = self._classes.get(self._aliases.get(word, word))
                if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                    raise SpecError(
                        f"two {self.noun}s are named {word!r}: {known.__module__} and {cls.__module__}; rename one"
                    )
            if name in self._aliases or name in aliases or any(alias in self._classes for alias in aliases):
                raise SpecError(
                    f"the {self.noun} {name!r} of {cls.__module__} has one word as its name and as an alias: "
                    f"{', '.join(aliases) or self._aliases[name]}; leave one out"
                )
            cls.spec_name = name  # type: ignore[attr-defined]
            self._classes[name] = cls
            self._aliases.update(dict.fromkeys(aliases, name))
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
        except (
            Exception,
            SystemExit,
            GeneratorExit,
        ) as error:  # a foreign plug-in may raise anything; it must not hide the others
            self.broken[name] = f"its file does not import: {type(error).__name__}: {error}"

    def names(self) -> list[str]:
        """Every registered name, sorted; aliases are not among them."""
        self._load()
        return sorted(self._classes)

    def registered_name(self, name: str) -> str:
        """The name that an alias stands for; any other name as it came, registered or not.

        A name is looked up here before it is compared with the name in a label or a recorded run.
        """
        self._load()
        return self._aliases.get(name, name)

    def display_name(self, name: str) -> str:
        """A registered name for lists that people read: "detector (= small)" where it has an alias, else the name."""
        aliases = [alias for alias, registered in self._aliases.items() if registered == name]
        return f"{', '.join(aliases)} (= {name})" if aliases else name

    def parse(self, text: str) -> Spec:
        """Read a spec, its name given as the registered name. Raises as ``parse_spec`` does."""
        spec = parse_spec(text)
        return Spec(self.registered_name(spec.name), spec.arguments)

    def get(self, name: str) -> type[T]:
        """The class registered under ``name``, or under the name that this alias stands for.

        Raises:
            UnknownNameError: there is none; the message lists near names.
        """
        registered = self.registered_name(name)
        if registered in self._classes:
            return self._classes[registered]
        if name in self.broken:
            raise UnknownNameError(f"the {self.noun} {name!r} cannot be used: {self.broken[name]}")
        near = difflib.get_close_matches(name, [*self._classes, *self._aliases], n=3)
        every = ", ".join(self.display_name(known) for known in self.names())
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {every}"
        raise UnknownNameError(f"no {self.noun} is named {name!r}; {hint}")

    def build(self, spec: Spec | str) -> T:
        """Make the object a spec without sweeps describes.

        Raises:
            UnknownNameError: no such plug-in.
            SpecError: an argument is unknown, missing, of the wrong type, or refused by the class.
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
        """The shortest spec that builds ``item`` again: fields at their defaults are left out."""
        values = {}
        for f in dataclasses.fields(item):  # type: ignore[arg-type]
            value = getattr(item, f.name)
            if f.init and not (f.default is not dataclasses.MISSING and f.default == value):
                values[f.name] = value
        return Spec(getattr(item, "spec_name", type(item).__name__), values)


def _has_default(f: dataclasses.Field[Any]) -> bool:
    return f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING


def _fit(value: Any, hint: Any, where: str) -> Any:
    """Check a literal against an annotation of simple types; an int is welcome where a float is asked for."""
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

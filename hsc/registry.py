"""The registry of plug-ins: classes by name, and specs as config and object.

    Spec --Registry.build--> object --Registry.spec--> Spec
                             object --config--> dict

``hsc.specs`` has specs as text; its names are also available here.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import importlib.metadata
import pkgutil
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from hsc.errors import HscError, PluginError, SpecError, UnknownNameError
from hsc.specs import Spec, expand, format_value, parse_spec

__all__ = ["Registry", "Spec", "config", "expand", "format_value", "other_than", "parse_spec"]

T = TypeVar("T")
C = TypeVar("C", bound=type)


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
        self._aliases: dict[str, str] = {}
        self._loaded = False

    def register(self, name: str, *, aliases: Sequence[str] = ()) -> Callable[[C], C]:
        """Class decorator: register a frozen dataclass under ``name``, which becomes its ``spec_name``.

        aliases: other names that users may write. Each stands for ``name`` wherever a name is read; specs, labels and
        identities hold ``name`` alone, so an alias changes no recorded run and no key.

        Raises:
            SpecError: another class has the name or an alias already.
        """

        def add(cls: C) -> C:
            for spelling in (name, *aliases):
                other = self._classes.get(self._aliases.get(spelling, spelling))
                if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
                    raise SpecError(
                        f"two {self.noun}s are named {spelling!r}: {other.__module__} and {cls.__module__}; rename one"
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
        except (Exception, SystemExit, GeneratorExit) as error:  # a plug-in may raise anything, and not hide others
            self.broken[name] = f"its file does not import: {type(error).__name__}: {error}"

    def names(self) -> list[str]:
        """All registered names, sorted, without aliases."""
        self._load()
        return sorted(self._classes)

    def registered_name(self, name: str) -> str:
        """The name that an alias stands for; any other name is returned unchanged, registered or not.

        Use it before a name is compared with the name in a label or a recorded run.
        """
        self._load()
        return self._aliases.get(name, name)

    def display_name(self, name: str) -> str:
        """A registered name for lists that people read: "detector (= small)" where it has an alias, else the name."""
        aliases = self.aliases(name)
        return f"{', '.join(aliases)} (= {name})" if aliases else name

    def aliases(self, name: str) -> list[str]:
        """The other names that users may write for a registered name."""
        self._load()
        return [alias for alias, registered in self._aliases.items() if registered == name]

    def rebuilds(self, item: T) -> bool:
        """Whether another process builds the same item from its spec: a plug-in of this tree or of an installed
        distribution, with settings that a spec can hold.
        """
        cls, text = type(item), str(self.spec(item))
        points = importlib.metadata.entry_points(group=self.group)
        roots = {module.split(".")[0] for module in (self.package, *(point.module for point in points))}
        try:
            if self.get(self.spec(item).name) is not cls or cls.__module__.split(".")[0] not in roots:
                return False
            return str(self.spec(self.build(self.parse(text)))) == text
        except HscError:
            return False

    def parse(self, text: str) -> Spec:
        """Parse a spec, with an alias replaced by the registered name. Errors are those of ``parse_spec``."""
        spec = parse_spec(text)
        return Spec(self.registered_name(spec.name), spec.arguments)

    def get(self, name: str) -> type[T]:
        """The class registered under ``name``, or under the name that this alias stands for.

        Raises:
            UnknownNameError: there is no such class; the message lists near names.
        """
        registered = self.registered_name(name)
        if registered in self._classes:
            return self._classes[registered]
        if name in self.broken:
            raise UnknownNameError(f"the {self.noun} {name!r} cannot be used: {self.broken[name]}")
        near = difflib.get_close_matches(name, [*self._classes, *self._aliases], n=3)
        all_names = ", ".join(self.display_name(known) for known in self.names())
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {all_names}"
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


_NOUNS = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", type(None): "None"}
"""What the types of fields are called in messages."""


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
    words = [
        word
        for o in options
        for word in (
            map(format_value, typing.get_args(o))
            if typing.get_origin(o) is typing.Literal
            else (_NOUNS.get(o, getattr(o, "__name__", str(o))),)
        )
    ]
    literals = [a for o in options if typing.get_origin(o) is typing.Literal for a in typing.get_args(o)]
    near = difflib.get_close_matches(str(value), [str(a) for a in literals], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise SpecError(f"{where} came as {format_value(value)}, expected {' or '.join(words)}{hint}")

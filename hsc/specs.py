"""Specs such as ``vvc(qp=[37, 32], preset=fast)``: a plug-in's name and arguments as one line of text.

    "jpeg(quality=[5, 10])" --parse_spec--> Spec --expand--> [Spec, Spec]

Values are parsed as literals and never evaluated. A list is a sweep, a tuple is one value; a bare word such as
``medium`` is the string "medium". The idea of one-line specs is from big_vision's preprocessing registry (Beyer, Zhai,
Kolesnikov 2022).
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hsc.errors import SpecError

_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*")
_KEY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_BARE = re.compile(r"[A-Za-z0-9_./-]+")
_PATH = re.compile(r"[^()=]*[/\\][^()=]*|[^()=]*\.[A-Za-z0-9]+")
"""A text that is the path of a file or folder and no spec."""


@dataclass(frozen=True)
class Spec:
    """A plug-in's name and its keyword arguments as plain values.

    >>> str(Spec("vvc", {"qp": 37, "preset": "medium"}))
    'vvc(qp=37, preset=medium)'
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

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
    if _PATH.fullmatch(text.strip()):
        raise SpecError(
            f"{text!r} is a path where a name is expected; a path is an argument, as in "
            f"{Spec('images', {'path': text.strip()})} or {Spec('onnx', {'path': 'detector.onnx'})}"
        )
    match = _NAME.match(text)
    if not match:
        raise SpecError(f"cannot read the spec {text!r}: it must start with a name, as in jpeg(quality=[10, 50])")
    name, rest = match.group(1), text[match.end() :]
    if not rest:
        return Spec(name)
    if not (rest.startswith("(") and rest.rstrip().endswith(")")):
        if rest.startswith("("):
            list(_split(rest, text))  # says so where a bracket or a quote is open
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
        raise SpecError(
            f"cannot read the spec {text!r}: a bracket or quote is not closed; in a shell, put the whole spec "
            "into single quotes"
        )
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
        f"(tuple,); put a text of other characters into double quotes"
    )


def expand(spec: Spec) -> list[Spec]:
    """Expand sweeps: one Spec for each combination of list items; the first list varies slowest.

    >>> [str(s) for s in expand(parse_spec("vvc(qp=[37, 32], preset=fast)"))]
    ['vvc(qp=37, preset=fast)', 'vvc(qp=32, preset=fast)']
    """
    axes = [v if isinstance(v, list) else [v] for v in spec.arguments.values()]
    return [Spec(spec.name, dict(zip(spec.arguments, point, strict=True))) for point in itertools.product(*axes)]

"""What a paper shows of its runs: which codecs, under which names, how wide, and which parts alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from benchmarks.stats.anchors import members
from hsc.errors import UnknownNameError, UsageError
from hsc.registry import parse_spec

Columns = Literal["one", "two"]
Range = tuple[float, float]

TABLES = ("rates", "bd", "points", "published")
FIGURES = ("curves", "sheet")
PARTS: Mapping[str, Sequence[str]] = {"table": TABLES, "figure": FIGURES}
"""The parts that can stand alone, by kind."""


@dataclass(frozen=True)
class PaperOptions:
    """Choices of layout; none of them changes a number.

    codecs: labels of curves, or names of codecs, in the order of tables; all in the run's order where empty. names:
    what to call codecs, heads and data sets, by label. columns: whether tables and figures span one column of the page
    or both. y_ranges: the ends of a score's axis as it is drawn, by the score's name; "" for any other. only: the parts
    to write, as (kind, name); all where empty.
    """

    codecs: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = "two"
    y_ranges: Mapping[str, Range] = field(default_factory=dict)
    only: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.columns not in get_args(Columns):
            raise UsageError(f"a width of {self.columns!r} columns was asked for; expected one or two")
        for kind, name in self.only:
            _require_part(kind, name)

    def wants(self, kind: str, name: str) -> bool:
        """Whether a part is to be written."""
        return not self.only or (kind, name) in self.only

    def y_range(self, score: str) -> Range | None:
        """The ends of a score's axis, None where they are left to the figure."""
        return self.y_ranges.get(score, self.y_ranges.get(""))

    def chosen(self, labels: Sequence[str]) -> list[str]:
        """The curves of a run to show, in order. labels: all of its curves."""
        if not self.codecs:
            return list(labels)
        curves = [label for name in self.codecs for label in _curves(name, labels)]
        return list(dict.fromkeys(curves))

    def require_known(self, codecs: Sequence[str], others: Sequence[str]) -> None:
        """Refuse what no run has. codecs: the labels of all curves of all runs; others: of heads and data sets.

        Raises:
            UnknownNameError: none of them has a name that was given.
        """
        for name in self.codecs:
            if not _curves(name, codecs):
                raise UnknownNameError(f"--codecs: {_unknown(name, 'codec', codecs)}")
        for name in self.names:
            if name not in others and not _curves(name, codecs):
                raise UnknownNameError(f"--names: {_unknown(name, 'codec, head or data set', [*codecs, *others])}")

    def shown_names(
        self, codecs: Sequence[str], others: Sequence[str], own: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """What to call the labels of one run, those that are called otherwise. codecs, others: as ``require_known``.
        own: the names of the run itself, by label, which hold where no other is given.

        Raises:
            UsageError: a name stands for several curves, or two curves would be called alike.
        """
        shown = {label: name for label, name in (own or {}).items() if name != label}
        for name, title in self.names.items():
            labels = [name] if name in others else _curves(name, codecs)
            if len(labels) > 1:
                raise UsageError(f"--names: {name} stands for {', '.join(labels)}; give each of them its own name")
            shown |= dict.fromkeys(labels, title)
        called = [shown.get(label, label) for label in codecs]
        if twice := next((name for n, name in enumerate(called) if name in called[:n]), None):
            raise UsageError(f"--names: two codecs would be called {twice!r}; give each a name of its own")
        return shown


DEFAULTS = PaperOptions()


def split_outside(text: str, mark: str) -> list[str]:
    """The parts of a text between marks that stand outside brackets and quotes, without spaces around them.

    >>> split_outside('vvc(qp=[42, 32]), "a,b", jpeg', ",")
    ['vvc(qp=[42, 32])', '"a,b"', 'jpeg']
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == mark and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def parse_codecs(texts: Sequence[str]) -> tuple[str, ...]:
    """Codecs from texts as ``hsc,vvc,jpeg``.

    Raises:
        UsageError: one is empty, or stands there twice.
    """
    names = [name for text in texts for name in split_outside(text, ",")]
    if "" in names:
        raise UsageError(f"--codecs {','.join(texts)}: a name is empty; write them as hsc,vvc,jpeg")
    if twice := next((name for n, name in enumerate(names) if name in names[:n]), None):
        raise UsageError(f"--codecs: {twice} stands there twice; name each codec once")
    return tuple(names)


def parse_names(texts: Sequence[str]) -> dict[str, str]:
    """What to call things, from texts as ``hsc=Ours``; the label may hold "=" inside its brackets.

    Raises:
        UsageError: a text is none, or names one label twice.
    """
    names: dict[str, str] = {}
    for text in texts:
        label, *title = split_outside(text, "=")
        if not label or not any(title):
            raise UsageError(f"--names {text!r} is no pair of names; write it as 'hsc=Ours'")
        if label in names:
            raise UsageError(f"--names: {label} is named twice, {names[label]!r} and {'='.join(title)!r}")
        names[label] = "=".join(title)
    return names


def parse_ranges(texts: Sequence[str]) -> dict[str, Range]:
    """The ends of axes, from texts as ``20:60`` for all scores, or ``psnr=25:45`` for one.

    Raises:
        UsageError: a text is no range, its ends are in the wrong order, or one score has two.
    """
    ranges: dict[str, Range] = {}
    for text in texts:
        score, _, ends = text.rpartition("=")
        try:
            low, high = (float(end) for end in ends.split(":"))
        except ValueError:
            low = high = 0.0
        if not low < high or high - low == float("inf"):
            raise UsageError(
                f"--y-range {text!r} is no range; expected LOW:HIGH as on the axis: 20:60, or psnr=25:45 for one score"
            )
        if score in ranges:
            raise UsageError(f"--y-range is given twice for {score or 'all scores'}; give it once")
        ranges[score] = (low, high)
    return ranges


def _require_part(kind: str, name: str) -> None:
    if kind not in PARTS:
        raise UsageError(f"--only {kind} {name}: {kind!r} is no kind of part; expected table or figure")
    if name in PARTS[kind]:
        return
    other = next((kind for kind, names in PARTS.items() if name in names), "")
    near = difflib.get_close_matches(name, PARTS[kind], 1, 0.5)
    cure = f"did you mean {kind} {near[0]}?" if near else f"there are {', '.join(PARTS[kind])}"
    cure = f"{name} is a {other}" if other else cure
    raise UsageError(f"--only {kind} {name}: no {kind} is called {name!r}; {cure}")


def _curves(name: str, labels: Sequence[str]) -> list[str]:
    """The curves that a name stands for: the one of that label, else all of the codec of that name."""
    if name in labels:
        return [name]
    return [label for label in labels if label.partition("(")[0] == name] or _same_spec(name, labels)


def _same_spec(name: str, labels: Sequence[str]) -> list[str]:
    """The curve whose label is another way to write a name, as with an alias or a space."""
    if "(" not in name:
        return []
    try:
        return [label for label in members(str(parse_spec(name)), labels) if label in labels]
    except UsageError:
        return []


def _unknown(name: str, noun: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    cure = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"no {noun} of these runs is called {name!r}; {cure}"

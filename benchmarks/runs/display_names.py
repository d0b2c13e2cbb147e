"""Names of codecs and heads as people read them: a file's name in place of its path, and names that a run was given.

    onnx(path="/data/mine/yolo.onnx")  -->  onnx(path=yolo.onnx)

Keys, labels and CSV files of a run keep the specs as they are; all that people read shows these names: the terminal,
``table.md`` and ``table.tex``, figures, contact sheets, the page, papers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd

from benchmarks.runs.results import Results
from benchmarks.runs.run_folder import Run
from benchmarks.runs.run_json import NAMES
from benchmarks.stats.anchors import FRONT
from hsc.errors import SpecError
from hsc.registry import Spec, format_value, parse_spec

_QUOTED = re.compile(r"""(?P<quote>["'])(?P<path>(?:/|~/|[A-Za-z]:[\\/])[^"'\n]*)(?P=quote)""")
_PART = r"[^\s\"'`,;()\[\]{}<>=:/\\]"
_BARE = re.compile(rf"(?<![\w.:/\\~<-])(?:~?/(?:{_PART}+/)+|~/|[A-Za-z]:[\\/](?:{_PART}+[\\/])*){_PART}*(?<![.])/?")
_SPECS = ("codec", "anchor", "other", "head")
"""The columns of scores and comparisons that hold labels."""


def without_paths(text: str) -> str:
    """A text with the file's name in place of each absolute path.

    >>> without_paths('/usr/bin/enc failed on "/home/me/my photos/a b.png"'), without_paths("1/2 of bits/pixel")
    ('enc failed on "a b.png"', '1/2 of bits/pixel')
    """
    quoted = _QUOTED.sub(lambda match: f"{match['quote']}{_file_name(match['path'])}{match['quote']}", text)
    return _BARE.sub(lambda match: _file_name(match[0]), quoted)


def split_and_images(split: str, images: str) -> str:
    """The part of a data set that was measured, in brackets. split: empty for folders without one.

    >>> split_and_images("val", "64 images"), split_and_images("", "64 images")
    ('(val, 64 images)', '(64 images)')
    """
    return f"({split}, {images})" if split else f"({images})"


def _file_name(path: str) -> str:
    kind = PureWindowsPath if re.match(r"[A-Za-z]:[\\/]", path) else PurePosixPath
    return kind(path).name or path.strip("/\\") or path


def display_names(labels: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The name of each label that people read; no two labels share one. given: names that a run was given.

    Where two paths end in the same file's name, as many folders as keep them apart stand before it.

    >>> list(display_names(['onnx(path="/a/v8/m.onnx")', 'onnx(path="/a/v9/m.onnx")', "jpeg"]).values())
    ['onnx(path=v8/m.onnx)', 'onnx(path=v9/m.onnx)', 'jpeg']
    """
    wanted = list(dict.fromkeys(labels))
    given = given or {}
    names = {label: given.get(label) or _shortened(label, 1, given) for label in wanted}
    for parts in range(2, 5):
        for label in _shared(names):
            names[label] = _shortened(label, parts, given)
    for number, label in enumerate(_shared(names), 1):
        names[label] = f"{names[label]} ({number})"
    return names


def _shared(names: Mapping[str, str]) -> list[str]:
    shown = list(names.values())
    return [label for label, name in names.items() if shown.count(name) > 1]


def _shortened(label: str, parts: int, given: Mapping[str, str]) -> str:
    """A label with the last ``parts`` parts of each path in it. given: names, for the codecs that a front is of."""
    try:
        spec = parse_spec(label)
    except SpecError:
        return without_paths(label)
    if not spec.arguments:
        return label
    return _spec_text(spec, parts, given if spec.name == FRONT else {})


def _spec_text(spec: Spec, parts: int, given: Mapping[str, str]) -> str:
    written = (f"{key}={_value_text(value, parts, given)}" for key, value in spec.arguments.items())
    return f"{spec.name}({', '.join(written)})"


def _value_text(value: Any, parts: int, given: Mapping[str, str]) -> str:
    if isinstance(value, list | tuple):
        inner = ", ".join(_value_text(item, parts, given) for item in value)
        return f"({inner},)" if isinstance(value, tuple) and len(value) == 1 else f"({inner})"
    if isinstance(value, str) and value in given:
        return format_value(given[value])
    if not isinstance(value, str) or not re.search(r"[/\\]", value):
        return format_value(value)
    if "(" in value:  # a spec in a spec, such as the anchor front(of=...)
        return format_value(_shortened(value, parts, given))
    kind = PureWindowsPath if "\\" in value else PurePosixPath
    last = [part for part in kind(value).parts if part.strip("/\\")][-parts:]
    return format_value("/".join(last) or value)


class Naming:
    """The names of one run's codecs and heads, and the run's texts with them.

    run.json, scores, comparisons --Naming--> the same with display names and without absolute paths
    """

    def __init__(self, labels: Iterable[str], given: Mapping[str, str] | None = None) -> None:
        self.names = {label: name for label, name in display_names(labels, given).items() if label}
        self._shortened = {
            label: name for label, name in self.names.items() if label != name and label not in (given or {})
        }
        longest_first = sorted(self._shortened, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    @classmethod
    def of(cls, results: Results) -> Naming:
        """The names of the codecs and heads of these results, those that they were given first."""
        tables = (results.scores, results.comparisons)
        columns = [table[name] for table in tables for name in _SPECS if name in table]
        return cls((str(label) for column in columns for label in column.dropna().unique() if label), results.names)

    def label(self, text: str) -> str:
        """A codec's or head's label as people read it; any other text as ``text`` gives it."""
        return self.names[text] if text in self.names else self.text(text)

    def text(self, text: str) -> str:
        """A sentence with file names in place of absolute paths and of the specs that hold paths."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda match: self._shortened[match[0]], text)
        return without_paths(text)

    def plain(self, value: Any) -> Any:
        """JSON-ready values with every text, keys too, as people read it; keys that would meet keep their own text."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            keys = {key: self.text(key) for key in value}
            shown = list(keys.values())
            return {key if shown.count(name) > 1 else name: self.plain(value[key]) for key, name in keys.items()}
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        return value

    def frame(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of scores or comparisons with these names."""
        shown = {name: table[name].map(self.label) for name in _SPECS if name in table}
        return table.assign(**shown, reason=table["reason"].map(self.text))

    def results(self, results: Results) -> Results:
        """The results with these names in place of labels."""
        scores, comparisons = self.frame(results.scores), self.frame(results.comparisons)
        return dataclasses.replace(results, scores=scores, comparisons=comparisons, names={})


def displayed(results: Results, notices: Iterable[str] = ()) -> tuple[Results, list[str]]:
    """Results and sentences about them with the names that people read."""
    naming = Naming.of(results)
    return naming.results(results), [naming.text(notice) for notice in notices]


def displayed_run(run: Run) -> tuple[Run, Naming]:
    """A run with the names that people read, in its tables and in ``run.json``; and the naming, for its other texts."""
    naming = Naming.of(run.results)
    about = naming.plain({name: value for name, value in run.about.items() if name != NAMES})
    curves = [*run.about["cells"].values(), *run.about.get("heads", ())]
    for shown, recorded in zip([*about["cells"].values(), *about.get("heads", ())], curves, strict=True):
        for key in ("curve", "label"):
            if key in recorded:
                shown[key] = naming.label(recorded[key])
    about["anchors"] = [naming.label(anchor) for anchor in run.about["anchors"]]
    return Run(run.folder, about, naming.results(run.results)), naming

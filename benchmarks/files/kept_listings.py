"""Listings of folders, kept in memory until the folders change.

A run asks a data set for its files at every image, and a notebook may change them between two runs. So a listing is
kept for as long as each folder and file it was read from has the state it had then (``hsc/files/file_digests.py``).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from hsc.files.file_digests import FileState, state_of

T = TypeVar("T")
P = ParamSpec("P")


class Listing(NamedTuple, Generic[T]):
    """A listing, and every folder and file that would change it if it changed."""

    value: T
    watched: frozenset[Path]


def kept_while_unchanged(max_kept: int) -> Callable[[Callable[P, Listing[T]]], Callable[P, T]]:
    """Decorator that caches a function's listing while the files it watches stay as they are.

    max_kept: the cache holds the listings of this many latest arguments, which must be hashable. An exception is never
    kept.
    """

    def decorate(list_files: Callable[P, Listing[T]]) -> Callable[P, T]:
        kept: dict[Any, tuple[dict[Path, FileState], T]] = {}

        @functools.wraps(list_files)
        def listed(*arguments: P.args, **named: P.kwargs) -> T:
            key = arguments, tuple(sorted(named.items()))
            if key in kept:
                states, value = kept[key]
                if _states(states) == states:
                    return value
                del kept[key]
            started_ns = time.time_ns()
            value, watched = list_files(*arguments, **named)
            states = _states(watched)
            if len(states) == len(watched) and all(state.settled(started_ns) for state in states.values()):
                kept[key] = states, value
                for oldest in list(kept)[:-max_kept]:
                    del kept[oldest]
            return value

        return listed

    return decorate


def _states(paths: Iterable[Path]) -> dict[Path, FileState]:
    """The states of the paths that exist."""
    states = {}
    for path in paths:
        try:
            states[path] = state_of(path)
        except OSError:
            continue
    return states

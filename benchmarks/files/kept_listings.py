"""What was found in folders, looked for again once the folders change.

A run asks a data set for its files at every image; a notebook changes them between two runs. So a listing is kept for
as long as each folder and file it was read from is in the state it had then (``hsc/files/file_digests.py``).
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
    """What was found, and every folder and file whose change could make it another."""

    value: T
    watched: frozenset[Path]


def kept_while_unchanged(most: int) -> Callable[[Callable[P, Listing[T]]], Callable[P, T]]:
    """Decorator of a function that lists files: its value is kept, for the last ``most`` arguments, while what it
    watched stays as it was.

    An exception is never kept. Arguments must be hashable.
    """

    def decorate(look: Callable[P, Listing[T]]) -> Callable[P, T]:
        kept: dict[Any, tuple[dict[Path, FileState], T]] = {}

        @functools.wraps(look)
        def listed(*arguments: P.args, **named: P.kwargs) -> T:
            key = arguments, tuple(sorted(named.items()))
            if key in kept:
                states, value = kept[key]
                if _states(states) == states:
                    return value
                del kept[key]
            started_ns = time.time_ns()
            value, watched = look(*arguments, **named)
            states = _states(watched)
            if len(states) == len(watched) and all(state.settled(started_ns) for state in states.values()):
                kept[key] = states, value
                for oldest in list(kept)[:-most]:
                    del kept[oldest]
            return value

        return listed

    return decorate


def _states(paths: Iterable[Path]) -> dict[Path, FileState]:
    """The states of those that are there."""
    states = {}
    for path in paths:
        try:
            states[path] = state_of(path)
        except OSError:
            continue
    return states

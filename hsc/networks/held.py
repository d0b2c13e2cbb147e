"""Networks that this process holds, so that none is built twice: one holder for all codecs and heads.

    load(path, sha256, device) --known?--> the network held under (load, path, sha256, device)
                               --else----> built, and held from now on

A run holds every network it asks for until it is over, however many those are; outside of runs the latest ``SPARE``
stay. Whatever a network is built from (hash of its file, device) belongs into the arguments: a file that was changed is
then loaded anew.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

SPARE = 8
"""Networks that stay outside of runs."""


class Holder:
    """Networks by key, the least recently asked for first; safe with threads. loads: how many were built so far."""

    def __init__(self) -> None:
        self.loads = 0
        self._networks: dict[Hashable, Any] = {}
        self._asked: dict[Hashable, int] = {}
        self._clock = 0
        self._open = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._networks)

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The network of that key, built where it is not held. What ``build`` raises is raised, and nothing is held of
        it.
        """
        with self._lock:
            if key in self._networks:
                network = self._networks.pop(key)
            else:
                self.loads += 1
                network = build()
            self._clock += 1
            self._networks[key], self._asked[key] = network, self._clock
            while not self._open and len(self._networks) > SPARE:
                self._drop(next(iter(self._networks)))
            return cast("T", network)

    @contextmanager
    def everything(self) -> Iterator[None]:
        """Nothing is let go meanwhile, nor on leaving: what a worker does between two jobs of one run."""
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    @contextmanager
    def run(self) -> Iterator[None]:
        """Nothing is let go meanwhile; on leaving, what nobody asked for since goes, so that runs one after another
        need room for one.
        """
        began = self._clock
        try:
            with self.everything():
                yield
        finally:
            with self._lock:
                for key in [key for key, asked in self._asked.items() if asked <= began and not self._open]:
                    self._drop(key)

    def clear(self) -> None:
        """Everything is let go; what is asked for again is built again."""
        with self._lock:
            self._networks.clear()
            self._asked.clear()

    def _drop(self, key: Hashable) -> None:
        del self._networks[key], self._asked[key]


HOLDER = Holder()
"""Of this process; a worker begins with an empty one."""


def held(build: Callable[P, T]) -> Callable[P, T]:
    """A function whose answers ``HOLDER`` holds by their arguments, which are hashable: what ``functools.lru_cache``
    is, with the run's own bound.

    >>> @held
    ... def network(path: str, device: str) -> object:
    ...     return object()
    >>> network("a", "cpu") is network("a", "cpu")
    True
    """

    @functools.wraps(build)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        return HOLDER.get((build, args, tuple(sorted(kwargs.items()))), lambda: build(*args, **kwargs))

    return ask

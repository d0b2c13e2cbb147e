"""The networks that this process keeps in memory, so that none is built twice; shared by all codecs and heads.

    load(path, sha256, device) --held?--> the network held under (load, path, sha256, device)
                               --else---> built, and held from now on

A run holds every network that it asks for until it ends, however many there are; outside of runs only the ``SPARE``
most recent ones stay. Everything that a network is built from (hash of its file, device) must be an argument, so that a
changed file is loaded again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from hsc.errors import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")

SPARE = 8
"""Number of networks that are kept outside of runs."""


class Holder:
    """Networks by key, the least recently used first; thread-safe. loads: how many were built so far."""

    def __init__(self) -> None:
        self.loads = 0
        self._networks: dict[Hashable, Any] = {}
        self._asked: dict[Hashable, int] = {}
        self._clock = 0
        self._open = 0
        self._refused: list[Hashable] | None = None
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._networks)

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The network of a key; it is built if it is not held. If ``build`` raises, nothing is held.

        Raises:
            UnavailableError: it is not held, and a block of ``nothing_built`` is open.
        """
        with self._lock:
            if key in self._networks:
                network = self._networks.pop(key)
            else:
                self.about_to_build(key)
                self.loads += 1
                network = build()
            self._clock += 1
            self._networks[key], self._asked[key] = network, self._clock
            while not self._open and len(self._networks) > SPARE:
                self._drop(next(iter(self._networks)))
            return cast("T", network)

    def note_load(self) -> None:
        """Count a load that happens elsewhere, such as in the process of a codec server."""
        with self._lock:
            self.loads += 1

    @contextmanager
    def everything(self) -> Iterator[None]:
        """Release nothing inside the block nor at its end; for a worker between two jobs of one run."""
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    @contextmanager
    def run(self) -> Iterator[None]:
        """Release nothing inside the block; at its end release the networks that were not used in it.

        Consecutive runs then need memory for one run.
        """
        began = self._clock
        try:
            with self.everything():
                yield
        finally:
            with self._lock:
                for key in [key for key, asked in self._asked.items() if asked <= began and not self._open]:
                    self._drop(key)

    def about_to_build(self, key: Hashable) -> None:
        """To be called before what takes long and is done for a network alone, such as the import of its library.

        Raises:
            UnavailableError: a block of ``nothing_built`` is open.
        """
        if self._refused is not None:
            self._refused.append(key)
            raise UnavailableError("no network is loaded here")

    @contextmanager
    def nothing_built(self) -> Iterator[list[Hashable]]:
        """Build no network inside the block; it gives the keys that were asked for in vain.

        A plug-in that asks for a network has found everything that it looks at before, such as its files.
        """
        before, self._refused = self._refused, []
        try:
            yield self._refused
        finally:
            self._refused = before

    def clear(self) -> None:
        """Release every network; one that is asked for again is built again."""
        with self._lock:
            self._networks.clear()
            self._asked.clear()

    def _drop(self, key: Hashable) -> None:
        del self._networks[key], self._asked[key]


HOLDER = Holder()
"""The holder of this process; a worker process starts with an empty one."""


def held(build: Callable[P, T]) -> Callable[P, T]:
    """Decorator: let ``HOLDER`` keep a function's results by its (hashable) arguments.

    It works like ``functools.lru_cache``, bounded by the run instead of by a number.

    >>> @held
    ... def network(path: str, device: str) -> object:
    ...     return object()
    >>> network("a", "cpu") is network("a", "cpu")
    True
    """

    @functools.wraps(build)
    def get(*args: P.args, **kwargs: P.kwargs) -> T:
        return HOLDER.get((build, args, tuple(sorted(kwargs.items()))), lambda: build(*args, **kwargs))

    return get

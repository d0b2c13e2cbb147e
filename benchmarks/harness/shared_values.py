"""Values that many jobs need, sent once: a job carries a handle, and the process that runs it has the value from there.

with executor.share(truth) as handle:  -->  jobs that hold the handle  -->  handle.get() in a worker
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from hsc.errors import ResultsError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_KEPT = 2
"""Values that a process keeps of those it has read."""
_read: dict[str, Any] = {}


class Shared(Protocol[T_co]):
    """A handle on a shared value. It can be sent to workers."""

    def get(self) -> T_co:
        """The value; read at the first call in a process, and kept while few others are asked for."""


@dataclass(frozen=True)
class Held(Generic[T]):
    """A handle that holds its value, for jobs that run in the same process."""

    value: T

    def get(self) -> T:
        return self.value


@dataclass(frozen=True)
class Filed(Generic[T]):
    """A handle on a value in a file of this machine."""

    path: str

    def get(self) -> T:
        return _value_in(self.path)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Copied(Generic[T]):
    """A handle on a value in a file of that name, in the temporary folder of each machine that has a job with it."""

    name: str

    @property
    def path(self) -> str:
        """Of the file on this machine."""
        return os.path.join(tempfile.gettempdir(), self.name)

    def put(self, data: bytes) -> None:
        """Write the pickled value's file on this machine, whole, where it is not there yet. Raises OSError."""
        if not os.path.exists(self.path):
            descriptor, path = tempfile.mkstemp(prefix="hsc-shared-")
            with open(descriptor, "wb") as file:
                file.write(data)
            os.replace(path, self.path)

    def get(self) -> T:
        return _value_in(self.path)  # type: ignore[no-any-return]


def _value_in(path: str) -> Any:
    """The value in a file, read once while few others are asked for."""
    if path not in _read:
        with open(path, "rb") as file:
            value = pickle.load(file)
        for oldest in list(_read)[: max(0, len(_read) + 1 - _KEPT)]:
            del _read[oldest]
        _read[path] = value
    return _read[path]


@contextlib.contextmanager
def filed(value: T) -> Iterator[Filed[T]]:
    """A handle on a value that lies in a file of its own for the length of a ``with`` block.

    Raises:
        ResultsError: the file cannot be written.
    """
    import cloudpickle

    descriptor, path = tempfile.mkstemp(prefix="hsc-shared-")
    try:
        try:
            with open(descriptor, "wb") as file:
                cloudpickle.dump(value, file)
        except OSError as error:
            raise ResultsError(
                f"{path} cannot be written: {error.strerror}; make room there, or name another folder by TMPDIR"
            ) from error
        yield Filed(path)
    finally:
        os.unlink(path)

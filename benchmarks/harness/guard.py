"""The guard where plug-ins are called: whatever goes wrong with one becomes one sentence of ours.

    guarded(call)     whatever a plug-in raises, exits included, comes out as an ``HscError`` of one line
    lent(arrays)      copies that a plug-in cannot write to

Answers are checked in ``codec_answers``, ``dataset_answers`` and ``head_answers``. A plug-in that ends its process is
the business of ``benchmarks.harness.executors``, which runs plug-ins in processes of their own.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.harness import endings
from benchmarks.text import one_line
from hsc.errors import HscError, PluginError

P = ParamSpec("P")
T = TypeVar("T")


def why(error: BaseException) -> str:
    """One line on what went wrong; errors from outside our own tree come with the line of source."""
    text = one_line(error)
    if isinstance(error, HscError):
        return text
    try:
        place = traceback.extract_tb(error.__traceback__, limit=-1)[-1]
    except Exception:  # no traceback, or a source that cannot be read
        return f"{type(error).__name__}: {text}"
    return f"{type(error).__name__}: {text} ({place.name}, {place.filename.rsplit('/', 1)[-1]}:{place.lineno})"


def guarded(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """``call(*arguments, **named)`` of a plug-in, which may raise anything and even exit.

    Raises:
        HscError: as the plug-in raised it, its text made one line. Everything else a plug-in raises, its own
            ``SystemExit``, ``GeneratorExit`` and ``KeyboardInterrupt`` included, becomes a ``PluginError``.
        KeyboardInterrupt: the user, or the system, has asked this process to stop.
    """
    try:
        answer = call(*arguments, **named)
    except BaseException as error:
        endings.stop_if_asked()
        if isinstance(error, KeyboardInterrupt) and not endings.listening():
            raise  # it may come from the user as well as from the plug-in
        if isinstance(error, HscError) and one_line(error) == _text(error):
            raise
        kind = _tree_class(error)
        raise kind(why(error)) from (error if isinstance(error, Exception) else None)
    endings.stop_if_asked()  # a plug-in may have swallowed it
    return answer


def _text(error: BaseException) -> str | None:
    try:
        return str(error)
    except BaseException:
        return None


def _tree_class(error: BaseException) -> type[HscError]:
    """The class of our own exception tree for an error: its own, or the nearest above a plug-in's subclass."""
    return next(
        (kind for kind in type(error).__mro__ if kind.__module__ == HscError.__module__ and issubclass(kind, HscError)),
        PluginError,
    )


def why_unavailable(item: Any) -> str | None:
    """The reason that a plug-in's ``available`` gives, as one line; None if the plug-in can be used here.

    An ``available`` that breaks, or gives an empty reason, is a reason, too.
    """
    try:
        reason = guarded(item.available)
    except HscError as error:
        return f"its available() fails: {one_line(error)}"
    return None if reason is None else one_line(reason) or "it says it is not available, without a reason"


@contextmanager
def lent(arrays: Sequence[npt.NDArray[Any]], to: str) -> Iterator[list[npt.NDArray[Any]]]:
    """Copies of arrays for a plug-in to read, which it cannot write to. to: who has them, for the message.

    Raises:
        PluginError: the plug-in wrote to them all the same.
    """
    copies = [np.array(array, order="C") for array in arrays]
    for copy in copies:
        copy.setflags(write=False)
    yield copies
    if not all(np.array_equal(copy, array) for copy, array in zip(copies, arrays, strict=True)):
        raise PluginError(f"{to} changed its input, which is not its own; let it work on a copy")

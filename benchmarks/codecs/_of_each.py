"""Class attributes of the codec contract whose value depends on a codec's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OfEach:
    """A class attribute that differs from codec to codec.

    The class itself has that of a codec at its defaults: ``of_class``, or where none is given, that of a codec made for
    the question.
    """

    def __init__(self, of: Callable[[Any], Any], of_class: Any = None) -> None:
        self._of, self._of_class = of, of_class

    def __get__(self, codec: Any, owner: type) -> Any:
        if codec is None and self._of_class is not None:
            return self._of_class
        return self._of(owner() if codec is None else codec)

"""The guard where plug-ins are called: our own errors pass, all others become one line, inputs stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.guard import guarded, lent, why_unavailable
from hsc.errors import BitstreamError, HeadError, HscError, PluginError


def test_guarded_lets_our_own_errors_through_and_makes_one_line_of_all_others() -> None:
    def stop(error: BaseException) -> None:
        raise error

    with pytest.raises(BitstreamError, match=r"^cut$"):
        guarded(stop, BitstreamError("cut"))
    with pytest.raises(BitstreamError, match=r"^two lines$"):
        guarded(stop, BitstreamError("two\nlines"))
    with pytest.raises(PluginError, match=r"^SystemExit: 3 \(stop, test_guard"):
        guarded(stop, SystemExit(3))
    with pytest.raises(KeyboardInterrupt):  # nobody listens for signals here, so it may be the user's
        guarded(stop, KeyboardInterrupt())
    assert guarded(max, 1, 2) == 2


def test_why_unavailable_is_one_line() -> None:
    @dataclass
    class Says:
        text: Any

        def available(self) -> Any:
            return self.text

    assert why_unavailable(Says(None)) is None
    assert why_unavailable(Says("a\n\x07b")) == "a \\x07b"
    assert why_unavailable(Says("")) == "it says it is not available, without a reason"


def test_what_is_lent_cannot_be_written_to() -> None:
    array = np.zeros((2, 2), np.uint8)
    with lent([array], "it") as (copy,), pytest.raises(ValueError, match="read-only"):
        copy[0] = 1
    with pytest.raises(PluginError, match="it changed its input"):
        _write_all_the_same(array)
    assert not array.any()


def _write_all_the_same(array: np.ndarray) -> None:
    with lent([array], "it") as (copy,):
        copy.setflags(write=True)
        copy[0] = 1


def test_every_error_is_of_the_tree() -> None:
    assert issubclass(HeadError, HscError)
    assert issubclass(PluginError, HscError)

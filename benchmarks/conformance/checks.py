"""Checks of a contract, run one by one on something that claims to keep it, and what they found in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from benchmarks.harness.guard import guarded, why, why_unavailable
from hsc.errors import HscError


class Broken(Exception):  # noqa: N818  it is a finding
    """A rule that a codec does not keep, and how."""


class NotAsked(Exception):  # noqa: N818  likewise
    """A rule that does not apply to a codec, and why."""


class Check(NamedTuple):
    """A rule. run: raises Broken or NotAsked; codes: it needs a codec that can run here; slow: it takes more than a few
    seconds.
    """

    name: str
    rule: str
    run: Callable[[Any], None]
    codes: bool
    slow: bool


class Finding(NamedTuple):
    """What a check found; text: how the rule is broken, or why it was not asked."""

    check: Check
    state: Literal["kept", "broken", "not asked"]
    text: str = ""


class Contract(list[Check]):
    """Rules, in the order they were written down."""

    def rule(
        self, *, codes: bool = True, slow: bool = False
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Make a function one of the checks; the first line of its docstring is the rule."""

        def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
            self.append(
                Check(function.__name__, (function.__doc__ or "").splitlines()[0].rstrip("."), function, codes, slow)
            )
            return function

        return add


def demand(kept: bool, text: str) -> None:
    """Raise Broken with ``text`` unless the rule is kept."""
    if not kept:
        raise Broken(text)


def examine(codec: Any, check: Check) -> Finding:
    """Run one check; whatever else a codec raises is a finding too."""
    if check.codes and (reason := why_unavailable(codec)):
        return Finding(check, "not asked", reason)
    try:
        return guarded(_examined, codec, check)
    except HscError as error:  # a codec may be anybody's plug-in
        return Finding(check, "broken", why(error))


def _examined(codec: Any, check: Check) -> Finding:
    try:
        check.run(codec)
    except NotAsked as reason:
        return Finding(check, "not asked", str(reason))
    except Broken as reason:
        return Finding(check, "broken", str(reason))
    return Finding(check, "kept")


def report(name: str, findings: Sequence[Finding], version: str) -> str:
    """The findings as Markdown, for a README."""
    kept, asked = (sum(f.state in states for f in findings) for states in ({"kept"}, {"kept", "broken"}))
    lines = [f"`{name}` keeps {kept} of {asked} rules of the codec contract of HSC-Bench {version}:", ""]
    for found in findings:
        mark = {"kept": "[x]", "broken": "[ ]", "not asked": "(not asked)"}[found.state]
        lines.append(f"- {mark} {found.check.rule}" + (f": {found.text}" if found.text else ""))
    return "\n".join(lines) + "\n"

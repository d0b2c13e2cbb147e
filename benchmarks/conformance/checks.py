"""Checks of a contract: rules that are run one by one on a plug-in, and their findings in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from benchmarks.harness.guard import guarded, why, why_unavailable
from hsc.errors import HscError


class Failed(Exception):  # noqa: N818  it is a finding
    """A plug-in breaks a rule; the text says how."""


class NotApplicable(Exception):  # noqa: N818  likewise
    """A rule does not apply to a plug-in; the text says why."""


class Check(NamedTuple):
    """A rule of a contract.

    run: raises Failed or NotApplicable. codes: whether it needs a codec that can run here. slow: whether it takes more
    than a few seconds.
    """

    name: str
    rule: str
    run: Callable[[Any], None]
    codes: bool
    slow: bool


class Finding(NamedTuple):
    """The outcome of a check. text: how the rule is broken, or why it does not apply."""

    check: Check
    state: Literal["passed", "failed", "not applicable"]
    text: str = ""


class Contract(list[Check]):
    """Rules, in the order of their definition."""

    def rule(
        self, *, codes: bool = True, slow: bool = False
    ) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Make a function one of the checks; the first line of its docstring is the rule."""

        def add(function: Callable[[Any], None]) -> Callable[[Any], None]:
            rule = (function.__doc__ or "").splitlines()[0].rstrip(".")
            self.append(Check(function.__name__, rule, function, codes, slow))
            return function

        return add


def demand(kept: bool, text: str) -> None:
    """Raise Failed with ``text`` unless the rule is kept."""
    if not kept:
        raise Failed(text)


def examine(item: Any, check: Check) -> Finding:
    """Run one check on a plug-in; any other exception of the plug-in is a finding too."""
    if check.codes and (reason := why_unavailable(item)):
        return Finding(check, "not applicable", reason)
    try:
        return guarded(_examined, item, check)
    except HscError as error:  # the plug-in may be anybody's
        return Finding(check, "failed", why(error))


def _examined(item: Any, check: Check) -> Finding:
    try:
        check.run(item)
    except NotApplicable as reason:
        return Finding(check, "not applicable", str(reason))
    except Failed as reason:
        return Finding(check, "failed", str(reason))
    return Finding(check, "passed")


def report(name: str, findings: Sequence[Finding], version: str) -> str:
    """The findings on a codec as Markdown, for a README."""
    passed = sum(finding.state == "passed" for finding in findings)
    applied = sum(finding.state != "not applicable" for finding in findings)
    lines = [f"`{name}` passes {passed} of {applied} rules of the codec contract of HSC-Bench {version}:", ""]
    marks = {"passed": "[x]", "failed": "[ ]", "not applicable": "(not applicable)"}
    for finding in findings:
        text = f": {finding.text}" if finding.text else ""
        lines.append(f"- {marks[finding.state]} {finding.check.rule}{text}")
    return "\n".join(lines) + "\n"

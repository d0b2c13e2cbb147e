"""What Bjontegaard differences are taken against: a curve of the run, or the Pareto front of several.

``vvc`` is the curve of that label, else the first of that codec. ``front(of=vvc)`` is, at any rate, the best that any
of vvc's curves in the run reaches; ``front(of=(vvc, "bpg(bits=10)"))`` takes all of vvc's and one of bpg's. A front
knows each codec's best settings at each
rate only after the fact, and on the very images that are scored: it is the anchor that is hardest to beat.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.api import CODECS
from hsc.errors import UsageError
from hsc.registry import Spec, parse_spec

FRONT = "front"


def find(name: str, labels: Sequence[str]) -> str:
    """The label an anchor's name means; a front comes back as it is written, with registered names for aliases.

    Raises:
        UsageError: no curve of the run is it, or the front's members are not curves of the run.
    """
    if name in labels:
        return name
    spec = parse_spec(name)
    if spec.name != FRONT:
        return _of_codec(name, labels)[0]
    members(str(spec), labels)
    of = spec.arguments["of"]
    named = str(CODECS.parse(of)) if isinstance(of, str) else tuple(str(CODECS.parse(codec)) for codec in of)
    return str(Spec(FRONT, {"of": named}))


def members(anchor: str, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels of the curves an anchor consists of; one, but for a front.

    Raises:
        UsageError: as ``find`` does.
    """
    spec = Spec(anchor) if anchor in labels else parse_spec(anchor)
    if spec.name != FRONT:
        return (anchor,)
    of = spec.arguments.get("of", ())
    names = (of,) if isinstance(of, str) else of if isinstance(of, tuple) else ()
    if set(spec.arguments) != {"of"} or not names or not all(isinstance(n, str) for n in names):
        raise UsageError(
            f'the anchor {anchor!r} is no front; expected front(of=vvc), or several: front(of=(vvc, "bpg(bits=10)"))'
        )
    found = [label for name in names for label in _of_codec(name, labels)]
    return tuple(dict.fromkeys(found))


def _of_codec(name: str, labels: Sequence[str]) -> list[str]:
    """The label that a spec with arguments is, or all labels of a codec named without any."""
    spec = CODECS.parse(name)
    if spec.arguments:
        found = [label for label in labels if label == str(spec)]
    else:
        found = [label for label in labels if parse_spec(label).name == spec.name]
    if not found:
        raise UsageError(f"{name!r} is not among the codecs of this run: {', '.join(labels)}")
    return found

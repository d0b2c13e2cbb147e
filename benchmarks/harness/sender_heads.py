"""Heads that a codec asks at the sender's side: what the scores of the same head then say, in a notice of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.harness.guard import guarded
from benchmarks.harness.plan import Plan
from downstream.api import HEADS
from hsc.api import HasSenderHeads
from hsc.errors import HscError

_WEIGHTS = "weights_sha256"


def sender_notices(plan: Plan) -> Iterator[str]:
    """A sentence for each codec whose own head also scores it: that head's score of it is no independent one."""
    for curve in plan.config.curves:
        codec: object = curve.points[0].codec
        if curve.label in plan.skipped or curve.second_of or not isinstance(codec, HasSenderHeads):
            continue
        for spec in codec.sender_heads:
            for label in dict.fromkeys(reader.label for reader in plan.config.readers if _same(spec, reader.head)):
                if label not in plan.skipped_heads:
                    yield (
                        f"the head {label} also decides at the sender what {curve.label} encodes, so its score of that "
                        f"codec is no independent one; score it by another head, too"
                    )


def _same(spec: str, head: Any) -> bool:
    """Whether a spec's head is the head, by its settings or by the weights it states."""
    try:
        sender = HEADS.build(HEADS.parse(spec))
        if sender == head:
            return True
        weights = [guarded(dict, one.provenance()).get(_WEIGHTS) for one in (sender, head)]
    except HscError:  # it cannot run here, and its codec is skipped
        return False
    return weights[0] is not None and weights[0] == weights[1]

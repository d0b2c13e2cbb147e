"""Class names compared: those that are the same but for their spelling, and those that are near.

Fork_lift, fork-lift, "fork lift"    the same: case, blanks, underscores and hyphens are set aside
vest, "safety vest"                  near: a person decides
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_SET_ASIDE = re.compile(r"[\s_\-]+")
_NEAR = 0.75
"""Least similarity (difflib's ratio) of near names, 0 to 1."""
_SHARED_WORDS = 0.8
"""Similarity of names where one has all the words of the other."""


def folded(name: str) -> str:
    """A class name without case, blanks, underscores and hyphens.

    >>> folded("Safety-Vest"), folded("dining table") == folded("diningtable")
    ('safetyvest', True)
    """
    return _SET_ASIDE.sub("", name).casefold()


def same_names(source: Sequence[str], target: Sequence[str]) -> dict[str, str]:
    """The target's name of each source class that has the same name, in the source's order.

    Exactly equal names come first. Names that differ in spelling alone match where each side has one of that kind.

    >>> same_names(("person", "Traffic_Light"), ("traffic light", "person"))
    {'person': 'person', 'Traffic_Light': 'traffic light'}
    """
    equal = set(source) & set(target)
    known, labelled = _unique(set(source) - equal), _unique(set(target) - equal)
    spelled = {name: labelled[fold] for fold, name in known.items() if fold in labelled}
    return {name: name if name in equal else spelled[name] for name in source if name in equal or name in spelled}


def _unique(names: Iterable[str]) -> dict[str, str]:
    """Names by their folded form, without those that share it with another, and those that fold to nothing."""
    names = [name for name in names if folded(name)]
    counts = Counter(folded(name) for name in names)
    return {folded(name): name for name in names if counts[folded(name)] == 1}


def near_names(source: Sequence[str], target: Sequence[str]) -> dict[str, str]:
    """Pairs of similar names, each name once, the most similar first; suggestions for a person, never used unasked.

    >>> near_names(("forklift truck", "vest", "dog"), ("Fork_lift", "safety vest", "mast"))
    {'vest': 'safety vest', 'forklift truck': 'Fork_lift'}
    """
    likely = [(_similarity(known, name), known, name) for known in source for name in target]
    pairs: dict[str, str] = {}
    for similarity, known, name in sorted(likely, key=lambda pair: -pair[0]):
        if similarity >= _NEAR and known not in pairs and name not in pairs.values():
            pairs[known] = name
    return pairs


def _similarity(one: str, other: str) -> float:
    """The similarity of two names, 0 to 1: of their letters, or of their words where one name contains the other's."""
    words, others = (set(_SET_ASIDE.sub(" ", name).casefold().split()) for name in (one, other))
    contained = bool(words and others) and (words <= others or others <= words)
    letters = difflib.SequenceMatcher(None, folded(one), folded(other)).ratio()
    return max(letters, _SHARED_WORDS if contained else 0.0)

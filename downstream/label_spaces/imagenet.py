"""The thousand classes of ImageNet's challenges of 2012 to 2017: numbers 0 to 999 in the order of their WordNet ids.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. Files and folders of the data set
are named by WordNet ids ("n01440764"), classes by the first word of the synset ("tench"). Two pairs share that word or
its spelling: class 134 is "crane bird" beside "crane", and "Cardigan" is the dog, "cardigan" the garment.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

_FILE = "imagenet1k.tsv"
"""One class a line: WordNet id, tab, name."""


class Imagenet1k(NamedTuple):
    """The classes by number. wordnet_ids: such as "n01440764"; classes: their names."""

    wordnet_ids: tuple[str, ...]
    classes: tuple[str, ...]


@functools.cache
def imagenet1k() -> Imagenet1k:
    """The thousand classes, in the order that classifiers number them in.

    >>> imagenet1k().classes[0], imagenet1k().wordnet_ids[0], len(imagenet1k().classes)
    ('tench', 'n01440764', 1000)
    """
    text = (resources.files("downstream.label_spaces") / _FILE).read_text("utf-8")
    pairs = [line.split("\t") for line in text.splitlines()]
    return Imagenet1k(tuple(wordnet_id for wordnet_id, _ in pairs), tuple(name for _, name in pairs))

"""The label space of a network that others trained: a known one by name, or names from a text file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from downstream.api import LabelSpace
from downstream.coco_classes import COCO80
from downstream.fingerprint import sha256_of
from downstream.segmentation_classes import SPACES
from hsc.errors import UnavailableError
from hsc.file_digests import sha256_of_file

KNOWN = {COCO80.name: COCO80, **SPACES}


def space_of(classes: str) -> LabelSpace:
    """A label space: ``classes`` is the name of a known one, or a text file with one name a line, and the space is named after it.

    Raises:
        UnavailableError: there is neither.
    """
    if classes in KNOWN:
        return KNOWN[classes]
    try:
        return _read(classes, sha256_of_file(classes))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnavailableError(
            f"the class names {classes} cannot be read: {reason}; give one of {', '.join(KNOWN)}, or a text file, one name a line"
        ) from error


def space_named(names: Sequence[str], otherwise: str) -> LabelSpace:
    """The known label space of exactly these classes in this order, else one of the name ``otherwise``."""
    found = tuple(names)
    return next((space for space in KNOWN.values() if space.classes == found), LabelSpace(otherwise, found))


def sha256_of_classes(classes: str) -> dict[str, str]:
    """For a head's provenance: the hash of the class names where they are a file."""
    return {} if classes in KNOWN else {"classes_sha256": sha256_of(classes)}


@functools.lru_cache(maxsize=16)
def _read(path: str, _sha256: str) -> LabelSpace:
    names = Path(path).read_text("utf-8").splitlines()
    return LabelSpace(Path(path).stem, tuple(name.strip() for name in names if name.strip()))

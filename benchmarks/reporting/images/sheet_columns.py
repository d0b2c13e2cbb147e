"""Which codecs a contact sheet shows, kept in its JPEG comment, so that a paper knows before it includes the sheet.

codecs of a sheet --write_columns--> comment of sheet.jpg --read_columns--> {label: name on the sheet}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hsc.files.atomic_files import replacing

JPEG = (".jpg", ".jpeg")
_FIELD = "hsc-bench contact sheet"
_START, _COMMENT = b"\xff\xd8", b"\xff\xfe"
_MOST_BYTES = 0xFFFF - 2
"""A comment's length stands in two bytes, which count themselves."""
_MOST_LETTERS = 2000


def write_columns(path: Path, names: Mapping[str, str]) -> None:
    """Write which codecs a sheet shows into its file; its picture stays as it is. A sheet that is no JPEG is left
    alone, and so is one of more codecs than a comment holds.

    names: of the codecs as the sheet shows them, by label.
    """
    comment = json.dumps({_FIELD: dict(names)}).encode("ascii")
    if path.suffix.lower() not in JPEG or len(comment) > _MOST_BYTES:
        return
    data = path.read_bytes()
    segment = _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment
    with replacing(path) as part:
        part.write_bytes(_START + segment + data.removeprefix(_START))


def read_columns(picture: Any) -> dict[str, str] | None:
    """The names of the codecs that a sheet shows, by label; None where it does not say. picture: a JPEG of Pillow."""
    try:
        names = json.loads(picture.info.get("comment", b""))[_FIELD]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = [*names, *names.values()] if isinstance(names, dict) else [None]
    if not all(isinstance(text, str) and text.isprintable() and len(text) <= _MOST_LETTERS for text in texts):
        return None
    return dict(names)

"""What a recipe holds: the options of a run, the files that it needs, and the published figures to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Means = Literal["url", "run", "hand"]
"""How files are got: by their address, by the data set or head that needs them, or by a person."""


@dataclass(frozen=True)
class Download:
    """A file as its publisher offers it.

    url: its address. size_bytes: 0 where it is not published. sha256, md5: of the file, or as many of their first
    digits as are published; empty where none are.
    """

    url: str
    size_bytes: int = 0
    sha256: str = ""
    md5: str = ""

    @property
    def checkable(self) -> bool:
        """Whether a published checksum tells this very file from others."""
        return bool(self.sha256 or self.md5)


@dataclass(frozen=True)
class Need:
    """Something that must lie on this machine before a recipe's numbers can be measured.

    what: in words. path: the file or folder that shows that it is here. means: how it is got. downloads: the files to
    be fetched, in order. licence, source: where it comes from, and on which terms. convert: the name of a converter
    that makes ``path`` from the download. how: what a person does, a sentence; empty where nothing is left to do.
    required: whether there is no run without it; else a head or codec is skipped.
    """

    what: str
    path: Path
    licence: str
    source: str = ""
    means: Means = "hand"
    downloads: tuple[Download, ...] = ()
    convert: str = ""
    how: str = ""
    required: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes to be downloaded, 0 where their number is not published."""
        return sum(download.size_bytes for download in self.downloads)


@dataclass(frozen=True)
class Published:
    """Figures of a publication, and what they are compared with.

    reference: its name among ``references.toml``. here: our codec for each published curve that is the same codec; the
    others are laid beside the codecs of ``beside``, read at the published rates. points: our operating point for each
    published one, where the codec is the same. head: the spec of the head that the source used, empty for every head of
    the run. original: published scores of uncompressed pictures. note: what else differs, a sentence.
    """

    reference: str
    here: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    head: str = ""
    original: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """A run that repeats published measurements.

    title, about: in words. images: how many the source measured on, 0 where it does not say. run: options of
    ``hsc-bench run`` by their long names. needs: files. published: figures to compare with.
    """

    name: str
    title: str
    about: str
    images: int
    run: Mapping[str, Any]
    needs: tuple[Need, ...] = ()
    published: tuple[Published, ...] = ()

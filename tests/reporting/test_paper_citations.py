"""What the paper cites, its bibliography, and LaTeX that an independent parser reads."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from paper_testkit import FROZEN, numbers_of, write_run

from benchmarks.api import CODECS, DATASETS, METRICS, Cited
from benchmarks.cli.paper import main
from benchmarks.reporting.paper.citations import SUITE, Bibliography, _known
from downstream.api import HEADS

ENTRY = "@article{me2026,\n  author = {Me},\n  title = {A Codec},\n}"


@dataclass(frozen=True)
class Mine:
    """A plug-in that says how it is cited."""

    citation: ClassVar[str] = ENTRY


def test_every_plugin_of_this_project_is_known_and_every_key_has_an_entry_that_is_used() -> None:
    known = _known()
    for kind, registry in (("codecs", CODECS), ("datasets", DATASETS), ("metrics", METRICS), ("heads", HEADS)):
        here = {
            name
            for name in registry.names()
            if (cls := registry.get(name)).__module__.split(".")[0] in ("benchmarks", "downstream")
            and getattr(sys.modules.get(cls.__module__), cls.__name__, None) is cls  # not a stand-in of another test
        }
        assert here <= set(known[kind]), kind
    keys = {key for kind in ("codecs", "datasets", "metrics", "heads") for used in known[kind].values() for key in used}
    methods = {"bjontegaard2001", "fritsch1984pchip", "ding2023vcm", "ayer1955isotonic", "efron1979bootstrap"}
    assert keys | set(known["networks"].values()) | methods | {SUITE} == set(known["entries"])
    for key, entry in known["entries"].items():
        assert {"type", "author", "title", "year"} <= set(entry), key
        assert all(value.isascii() and value.count("{") == value.count("}") for value in entry.values()), key


def test_a_citation_leaves_its_entry_and_what_is_wrapped_or_named_by_a_setting_is_cited_too() -> None:
    bibliography = Bibliography("Version 1_0")
    assert bibliography.cite_plugin("codecs", "bpg") == r"~\cite{bellard2014bpg,sullivan2012hevc}"
    assert bibliography.cite_plugin("codecs", "cut", {"of": "hsc(quality=6)"}) == r"~\cite{li2025hsc}"
    torchvision = bibliography.cite_plugin("heads", "torchvision", {"model": "fasterrcnn_resnet50_fpn", "weights": ""})
    assert torchvision == r"~\cite{torchvision2016,ren2015fasterrcnn}"
    assert bibliography.cite_plugin("heads", "onnx", {"format": "yolox"}) == r"~\cite{ge2021yolox}"
    assert bibliography.cite_plugin("codecs", "precomputed") == ""
    assert bibliography.cite(SUITE) == r"~\cite{hscbench}"
    assert re.findall(r"@\w+\{([^,]+),", bibliography.text()) == sorted(bibliography.entries)
    assert r"note = {Version 1\_0}" in bibliography.text()
    assert bibliography.remarks() == []


def test_a_plugin_from_elsewhere_brings_its_own_entry() -> None:
    assert isinstance(Mine, Cited)
    CODECS.register("mine_with_citation")(Mine)
    bibliography = Bibliography()
    assert bibliography.cite_plugin("codecs", "mine_with_citation") == r"~\cite{me2026}"
    assert bibliography.text() == ENTRY + "\n"
    assert bibliography.cite_plugin("codecs", "not_installed") == ""
    assert bibliography.cite_plugin("heads", "nor_this") == bibliography.cite_plugin("heads", "nor_this") == ""
    assert bibliography.remarks() == [
        "no citation is known for the codec not_installed, the head nor_this; cite by hand, or give the class a "
        "`citation`"
    ]


@pytest.mark.parametrize("entry", ["Me, 2026", "@misc{a, title = {x}", "@misc{a, b} } {", "@misc{é, title = {x}}"])
def test_an_entry_that_would_break_the_bibliography_is_left_out_and_named(entry: str) -> None:
    name = f"broken_{abs(hash(entry))}"
    CODECS.register(name)(dataclass(frozen=True)(type("Broken", (), {"citation": entry, "__doc__": "Broken."})))
    bibliography = Bibliography()
    assert bibliography.cite_plugin("codecs", name) == ""
    assert bibliography.text() == ""
    assert bibliography.remarks()[0].startswith(f"no BibTeX entry in ASCII is the citation of the codec {name};")


def test_the_document_parses_and_cites_what_its_bibliography_holds(tmp_path: Path) -> None:
    latexwalker = pytest.importorskip("pylatexenc.latexwalker")
    run = str(write_run(tmp_path / "detection", numbers_of("detection", (FROZEN,))))
    for width in ("one", "two"):
        out = tmp_path / width
        assert main([run, "--out", str(out), "--width", width, "--reference", "coco-jpeg"]) == 0
        for path in sorted(out.glob("*.tex")):
            walker = latexwalker.LatexWalker(path.read_text(), tolerant_parsing=False)
            nodes, _, length = walker.get_latex_nodes()
            assert length == len(path.read_text()), path.name
            assert nodes

"""The words of the documentation: commands and options exist, links lead somewhere, sentences are short."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from building.command_pages import command_pages, command_parsers, option_names, subparsers
from building.plugin_pages import plugin_pages
from code_blocks import ROOT, Block, blocks, prose

from benchmarks.api import CODECS, Comparison, Kind, ScoreRow
from benchmarks.errors.error_rows import ErrorRow
from benchmarks.errors.kinds import BOX_KINDS
from benchmarks.runs.advice_rows import AdviceRow
from downstream.api import HEADS
from hsc.specs import parse_spec

DOCS = ROOT / "docs"
GENERATED = ("docs/_build", "docs/reference/cli", "docs/reference/plugins", "docs/start/notebook")
MODULES = {
    "hsc": "hsc",
    "hsc.training": "hsc-training",
    "downstream.training": "downstream-training",
    "benchmarks.rivals": "rivals",
}
FORBIDDEN = ("null ladder", "null floor", "what became of it", "by rights", "told apart", " whose ")
HAND_WRITTEN = [
    path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "FAIRNESS.md", *sorted(DOCS.rglob("*.md"))]
    if not path.relative_to(ROOT).as_posix().startswith(GENERATED)
]
MOST_README_LINES, MOST_WORDS = 120, 18


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sentences(text: str) -> list[str]:
    """The sentences of a page's prose; a link counts as its words, code as one word."""
    plain = re.sub(r"\{[a-z]+\}`[^`]*`", "x", prose(text))
    plain = re.sub(r"`[^`]*`", "x", plain)
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", plain)
    plain = re.sub(r"^\s*(?:[-*]|\d+\.)\s+", "\n", plain, flags=re.MULTILINE)
    parts = re.split(r"(?<=[.!?])\s+|\n\s*\n", plain)
    return [" ".join(part.split()) for part in parts if len(part.split()) > 1]


def commands(path: Path) -> list[tuple[Block, list[str]]]:
    """Every command of a page's shell blocks, run or not, as words."""
    found = []
    for block in blocks(path.read_text("utf-8")):
        if block.language == "console":
            found += [(block, shlex.split(command, comments=True)) for command in block.commands]
    return found


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=ids)
def test_every_command_and_option_exists(path: Path) -> None:
    parsers = command_parsers()
    for block, words in commands(path):
        where = f"{ids(path)}:{block.line}: {' '.join(words)}"
        if words[0] == "hsc-bench":
            assert words[1] in parsers or words[1].startswith("-"), where
            parser = parsers.get(words[1])
            options = words[2:]
        elif words[:2] == ["python", "-m"] and words[2] in MODULES:
            parser, options = parsers[MODULES[words[2]]], words[3:]
        else:
            continue
        if parser is None:
            continue
        known = option_names(parser) | {"--help", "-h"}
        children = subparsers(parser)
        if children and not options[0].startswith("-"):
            known = option_names(children[options[0]]) | {"--help", "-h"}
        unknown = [w for w in options if re.match(r"--?[a-z]", w) and w.split("=")[0] not in known]
        assert not unknown, f"{where}: unknown options {unknown}"


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=ids)
def test_every_codec_and_head_that_a_command_names_can_be_parsed(path: Path) -> None:
    text = path.read_text("utf-8")
    own = set(re.findall(r'^name = "([a-z0-9_]+)"', text, re.MULTILINE)) | set(
        re.findall(r"@[A-Z]+\.register\(\"([a-z0-9_]+)\"", text)
    )
    for block, words in commands(path):
        if words[0] == "ray":
            continue
        for option, spec in itertools.pairwise(words):
            registry = {"--codec": CODECS, "--head": HEADS}.get(option)
            if registry is None or parse_spec(spec).name in own:
                continue
            assert registry.parse(spec), f"{ids(path)}:{block.line}"


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=ids)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    generated = set()
    for folder, pages in (("reference/cli", command_pages()), ("reference/plugins", plugin_pages())):
        generated |= {str(DOCS / folder / f"{name}.md") for name in pages}
    generated.add(str(DOCS / "start" / "notebook.md"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
        if re.match(r"[a-z]+:", target) or target.startswith("<"):
            continue
        resolved = (path.parent / target).resolve()
        copied = resolved.parent.name == "results" and resolved.parent.parent.name == "figures"
        assert resolved.exists() or str(resolved) in generated or copied, f"{ids(path)} links to {target}"


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=ids)
def test_no_word_that_only_we_understand(path: Path) -> None:
    text = " ".join(path.read_text("utf-8").lower().split())
    assert [word for word in FORBIDDEN if word in text] == []
    assert not re.search(r"\blifts?\b", prose(path.read_text("utf-8")).lower()), "say what the layer does"


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=ids)
def test_a_block_that_is_not_run_says_why(path: Path) -> None:
    for block in blocks(path.read_text("utf-8")):
        assert block.language != "sh", f"{ids(path)}:{block.line}: console blocks are tested, sh blocks are not"
        assert not block.reason or len(block.reason.split()) > 1


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=ids)
def test_sentences_are_short(path: Path) -> None:
    lengths = [len(sentence.split()) for sentence in sentences(path.read_text("utf-8"))]
    average = sum(lengths) / max(1, len(lengths))
    assert average <= MOST_WORDS, f"{ids(path)}: {average:.1f} words a sentence"


def test_readme_fits_three_screens() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= MOST_README_LINES


def test_readme_starts_with_the_two_commands_of_a_fresh_clone() -> None:
    section = (ROOT / "README.md").read_text("utf-8").split("\n## Quick start\n")[1].split("\n## ")[0]
    assert [block.commands for block in blocks(section)] == [["scripts/bench", "scripts/test"]]
    assert all((ROOT / command).stat().st_mode & 0o100 for command in ("scripts/bench", "scripts/test"))


def test_every_page_stands_in_a_table_of_contents() -> None:
    listed = set()
    for path in HAND_WRITTEN:
        if DOCS not in path.parents:
            continue
        for block in blocks(path.read_text("utf-8")):
            if block.language == "{toctree}":
                names = [line.strip() for line in block.text.splitlines() if line.strip() and line[0] != ":"]
                listed |= {(path.parent / name).resolve().relative_to(DOCS).as_posix() for name in names}
    written = {path.relative_to(DOCS).with_suffix("").as_posix() for path in HAND_WRITTEN if DOCS in path.parents}
    assert written - listed == {"index"}
    assert {"reference/cli/index", "reference/plugins/index", "start/notebook"} <= listed


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("scores.csv", ScoreRow),
        ("comparisons.csv", Comparison),
        ("errors.csv", ErrorRow),
        ("advice.csv", AdviceRow),
    ],
)
def test_every_column_of_a_file_is_described(file: str, rows: type) -> None:
    section = (DOCS / "reference" / "files.md").read_text("utf-8").split(f"## `{file}`")[1].split("\n## ")[0]
    table = section.split("| column | holds |")[1].split("\n\n")[0]
    named = [name for line in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])]
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(rows))


def test_every_kind_of_comparison_is_described() -> None:
    text = (DOCS / "reference" / "files.md").read_text("utf-8").split("| kind | compares |")[1].split("\n\n")[0]
    kinds = [name for line in text.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])]
    assert sorted(kinds) == sorted(get_args(Kind))


def test_every_kind_of_error_is_defined() -> None:
    text = (DOCS / "method" / "errors.md").read_text("utf-8")
    assert set(BOX_KINDS) <= set(re.findall(r"`([a-z_]+)`", text))


def test_rules_can_be_linked_to() -> None:
    text = (DOCS / "method" / "rules.md").read_text("utf-8")
    anchors = re.findall(r"^\(([a-z0-9-]+)\)=\n+## ", text, re.MULTILINE)
    assert len(anchors) == len(re.findall(r"^## ", text, re.MULTILINE)) >= 20
    assert len(set(anchors)) == len(anchors)


def test_the_citation_names_this_version_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = dict(re.findall(r"^([a-z-]+): (\S.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "type"} <= set(citation)


@pytest.mark.parametrize("name", ["bug.yml", "number.yml", "plugin.yml"])
def test_issue_templates_are_forms(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text("utf-8"))
    assert {"name", "description", "body"} <= set(form)
    assert all(field["type"] in ("input", "textarea") and field["attributes"]["label"] for field in form["body"])
    assert len({field["id"] for field in form["body"]}) == len(form["body"])

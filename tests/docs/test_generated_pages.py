"""Pages made from the code: nothing that a program understands is missing, and nothing is lost in the markup."""

from __future__ import annotations

import argparse
import dataclasses

import pytest
from building.command_pages import command_pages, command_parsers, option_names, page
from building.docstrings import meanings, parts, to_markdown, to_rst
from building.plugin_pages import plugin_pages

from benchmarks.cli.listing import REGISTRIES
from benchmarks.cli.main import COMMANDS


def test_every_command_has_a_page_with_every_option() -> None:
    pages, parsers = command_pages(), command_parsers()
    assert set(COMMANDS) <= set(pages)
    for name, parser in parsers.items():
        hidden = {n for a in parser._actions if a.help == argparse.SUPPRESS for n in a.option_strings}
        missing = {option for option in option_names(parser) - hidden if option not in pages[name]}
        assert not missing, f"{name} lacks {missing}"
        assert f"\n{name}\n" in pages["index"]


def test_a_command_page_shows_defaults_choices_and_exit_codes() -> None:
    parser = argparse.ArgumentParser(prog="tool", description="Count a_b.", epilog="exit codes: 0 done")
    parser.add_argument("--size", type=int, default=7, metavar="N", help="side (default: %(default)s), 5 %% of it")
    parser.add_argument("--mode", choices=("fast", "slow"), help="how | when")
    text = page(parser)
    assert "| `--size N` | side (default: 7), 5 % of it |" in text
    assert "| `--mode {fast,slow}` | how \\| when |" in text
    assert "Count a\\_b." in text
    assert "exit codes: 0 done" in text


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_every_option_of_every_plugin_is_listed(kind: str) -> None:
    text, registry = plugin_pages()[kind], REGISTRIES[kind]
    for name in registry.names():
        cls = registry.get(name)
        if not cls.__module__.startswith(("benchmarks.", "downstream.")):
            continue
        section = text.split(f"## {registry.display_name(name)}".replace("_", "\\_") + "\n")[1].split("\n## ")[0]
        for field in dataclasses.fields(cls):
            assert f"| `{field.name}` |" in section, f"{name}.{field.name}"


def test_docstrings_keep_drawings_marks_and_errors() -> None:
    docstring = """Scale *a* by ``b_c``.

        in --> out

    Raises:
        ValueError: b_ is 0.
    """
    assert [part.kind for part in parts(docstring)] == ["prose", "drawing", "raises"]
    markdown, said = to_markdown(docstring)
    assert markdown == "Scale \\*a\\* by `b_c`.\n\n```text\nin --> out\n```\n\nRaises: ValueError: b\\_ is 0."
    assert said == {}
    assert to_rst(docstring)[:5] == ["Scale \\*a\\* by ``b_c``.", "", "::", "", "    in --> out"]


def test_columns_after_a_name_with_a_colon_are_a_drawing() -> None:
    docstring = "Counts.\n\n         predicted: class 0    void\n    true class c    n[c, 0]    n[c, 1]\n\nSource."
    drawing = ["     predicted: class 0    void", "true class c    n[c, 0]    n[c, 1]"]
    assert list(parts(docstring))[1] == ("drawing", drawing)


def test_what_a_docstring_says_of_a_field_stands_beside_it() -> None:
    rest, said = meanings("Draws boxes. side, top: in pixels. colour: red.", ["side", "top", "colour"])
    assert rest == "Draws boxes."
    assert said == {"side": "in pixels.", "top": "in pixels.", "colour": "red."}
    assert meanings("The path: a file.", ["path"]) == ("The path: a file.", {})
    assert to_rst("Draws.\n\nside: of a box.", ["side"]) == ["Draws.", "", ":param side: of a box.", ""]


def test_indented_names_with_a_colon_are_a_list_that_ends_with_its_indent() -> None:
    docstring = """A row.

    kind:
        rate: bits,
            of the file.
        score: AP.
    unit: of both.
    """
    assert [(part.kind, part.lines) for part in parts(docstring)][1:] == [
        ("prose", ["kind:"]),
        ("items", ["rate: bits, of the file.", "score: AP."]),
        ("prose", ["unit: of both."]),
    ]


def test_options_of_the_onnx_head_are_explained() -> None:
    section = plugin_pages()["heads"].split("\n## onnx\n")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith("| `nms_iou` |"))
    assert "`0.65`" in row
    assert "suppressed" in row

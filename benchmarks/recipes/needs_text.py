"""A recipe on one screen: what it measures, what of its files is here, and how to get the others."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from benchmarks.recipes.needs import Found, downloaded, found, may_be_fetched, total_bytes
from benchmarks.recipes.recipe import Download, Need, Recipe
from benchmarks.reporting.paper.published_references import find_reference
from hsc.weights.fetching import size_text

_WIDTH = 120


def summary(recipe: Recipe) -> str:
    """One line on a recipe: what it measures, and what it lacks here."""
    states = found(recipe)
    lacking = [state for state in states if state.status != "here"]
    if not lacking:
        return f"{recipe.title}: all {len(states)} files are here" if states else f"{recipe.title}: it needs no file"
    size = total_bytes([state.need for state in lacking])
    known = f", {size_text(size)}" if size else ""
    return f"{recipe.title}: {len(lacking)} of {len(states)} files to get{known}"


def screen(recipe: Recipe, states: Sequence[Found]) -> str:
    """The recipe in full. states: as ``found`` gives them."""
    lines = [
        f"{recipe.name}: {recipe.title}",
        *textwrap.wrap(recipe.about, _WIDTH, initial_indent="  ", subsequent_indent="  "),
    ]
    lines += _compared(recipe)
    for state in states:
        lines += ["", *_state(recipe, state)]
    return "\n".join([*lines, "", *_ending(recipe, states)]) + "\n"


def _compared(recipe: Recipe) -> Iterator[str]:
    for published in recipe.published:
        reference = find_reference(published.reference)
        names = ", ".join(curve.codec for curve in reference.curves)
        text = f"compared with {names} ({reference.title}; rates over {reference.rate}, bits: {reference.bits})"
        yield from textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _state(recipe: Recipe, state: Found) -> Iterator[str]:
    need = state.need
    if state.status == "here":
        yield f"here     {need.what}"
        return
    skipped = "" if need.required else " (what uses it is skipped without it)"
    yield f"{state.status:8} {need.what}{skipped}"
    if state.text:
        yield f"         {state.text}"
    if may_be_fetched(need) and state.status == "missing":
        yield f"         get      hsc-bench recipes {recipe.name} --fetch"
    if need.how:
        yield from _labelled("do", need.how)
    for download in need.downloads:
        yield f"         from     {download.url} ({_facts(download)})"
    if need.source and not need.downloads:
        yield f"         from     {need.source}"
    if file := downloaded(need):
        yield f"         fetched  {file}"
    yield f"         to       {need.path}"
    yield from _labelled("licence", need.licence)


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"         {label:8} ", subsequent_indent=" " * 18)


def _facts(download: Download) -> str:
    """Size and checksum as published."""
    digest = f"sha256 {download.sha256[:16]}" if download.sha256 else f"md5 {download.md5}" if download.md5 else ""
    size = size_text(download.size_bytes) if download.size_bytes else "size not published"
    return f"{size}, {digest or 'checksum not published'}"


def _ending(recipe: Recipe, states: Sequence[Found]) -> list[str]:
    lacking: list[Need] = [state.need for state in states if state.status != "here"]
    if not lacking:
        return [f"all is here; run it with: hsc-bench run --recipe {recipe.name}"]
    fetched = [need for need in lacking if may_be_fetched(need)]
    lines = [f"{len(lacking)} of {len(states)} files to get, {len(fetched)} of them with --fetch"]
    if not any(need.required for need in lacking):
        lines.append(f"it can be run without them: hsc-bench run --recipe {recipe.name}")
    return lines

"""HTML in which nothing from a run can be markup: every text is escaped on its way in."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Markup(str):
    """Text that is HTML already."""


def escaped(text: Any) -> Markup:
    """A text as HTML, its quotes too; what is HTML already stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(str(text), quote=True))


def element(name: str, *content: Any, **attributes: Any) -> Markup:
    """One element. Attributes that are None are left out; ``class_`` is ``class``, and ``_`` in a name stands for
    ``-``.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(map(escaped, content))}</{name}>")


def joined(parts: Iterable[Any]) -> Markup:
    return Markup("".join(map(escaped, parts)))


def json_text(value: Any) -> Markup:
    """JSON for a script element: no character in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


class Column(NamedTuple):
    """A column of a table. kind: "text" or "number", which says how it sorts and stands; about: a longer word on it."""

    title: str
    kind: str = "number"
    about: str = ""


class Cell(NamedTuple):
    """What a cell shows, and what it sorts by: None sorts last. small: a second, quieter line."""

    text: Any
    sort: Any = None
    small: Any = ""
    class_: str | None = None


def table(
    name: str, caption: str, columns: Sequence[Column], rows: Iterable[tuple[dict[str, Any], Sequence[Cell]]]
) -> Markup:
    """A table whose columns can be sorted, in a frame that scrolls. rows: attributes of the row, and its cells."""
    heads = [
        element(
            "th",
            element(
                "button",
                column.title,
                element("span", class_="arrow", aria_hidden="true"),
                type="button",
                title=column.about or None,
            ),
            scope="col",
            aria_sort="none",
            data_kind=column.kind,
            class_="n" if column.kind == "number" else None,
        )
        for column in columns
    ]
    body = [
        element(
            "tr", *(_cell(n, cell, column) for n, (cell, column) in enumerate(zip(cells, columns, strict=True))), **at
        )
        for at, cells in rows
    ]
    whole = element(
        "table", element("caption", caption), element("thead", element("tr", *heads)), element("tbody", *body), id=name
    )
    return element("div", whole, class_="frame", tabindex="0", role="region", aria_label=caption)


def _cell(place: int, cell: Cell, column: Column) -> Markup:
    classes = " ".join(filter(None, ("n" if column.kind == "number" else "", cell.class_ or "")))
    small = element("small", cell.small) if cell.small else ""
    value = None if cell.sort is None else cell.sort
    if place == 0:
        return element("th", cell.text, small, scope="row", data_v=value, class_=classes or None)
    return element("td", cell.text, small, data_v=value, class_=classes or None)

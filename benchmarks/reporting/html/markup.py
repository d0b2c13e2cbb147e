"""HTML in which no text of a run can become markup: every text is escaped on its way in."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Markup(str):
    """Text that is HTML already."""


def escaped(text: Any) -> Markup:
    """A text as HTML, with its quotes escaped; ``Markup`` stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(str(text), quote=True))


def element(name: str, *content: Any, **attributes: Any) -> Markup:
    """One element. Attributes that are None are left out; ``class_`` is ``class``, ``_`` in a name stands for ``-``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(map(escaped, content))}</{name}>")


def joined(parts: Iterable[Any]) -> Markup:
    """Parts one after the other, texts among them escaped."""
    return Markup("".join(map(escaped, parts)))


def json_text(value: Any) -> Markup:
    """JSON for a script element: no character in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


class Column(NamedTuple):
    """A column of a table.

    kind: "text" or "number", which decides its order and alignment. about: its tooltip. best: "low" or "high", the end
    that a first click puts on top.
    """

    title: str
    kind: str = "number"
    about: str = ""
    best: str = "low"


class Cell(NamedTuple):
    """A cell: its text, the value it is sorted by (None sorts last), and a second, quieter line."""

    text: Any
    sort: Any = None
    small: Any = ""
    class_: str | None = None


def table(
    name: str, caption: str, columns: Sequence[Column], rows: Iterable[tuple[dict[str, Any], Sequence[Cell]]]
) -> Markup:
    """A table whose columns can be sorted, in a frame that scrolls and shows that it does.

    rows: the attributes of each row, and its cells.
    """
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
            data_best=column.best,
            class_="n" if column.kind == "number" else None,
        )
        for column in columns
    ]
    body = [
        element("tr", *(_cell(n, *pair) for n, pair in enumerate(zip(cells, columns, strict=True))), **attributes)
        for attributes, cells in rows
    ]
    parts = element("caption", caption), element("thead", element("tr", *heads)), element("tbody", *body)
    frame = element(
        "div", element("table", *parts, id=name), class_="frame", tabindex="0", role="region", aria_label=caption
    )
    return element("div", frame, class_="scroll")


def _cell(place: int, cell: Cell, column: Column) -> Markup:
    """A cell as HTML; the first of a row is its heading."""
    classes = " ".join(filter(None, ("n" if column.kind == "number" else "", cell.class_ or "")))
    small = element("small", cell.small) if cell.small else ""
    if place == 0:
        return element("th", cell.text, small, scope="row", data_v=cell.sort, class_=classes or None)
    return element("td", cell.text, small, data_v=cell.sort, class_=classes or None)

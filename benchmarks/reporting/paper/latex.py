"""Text and numbers as LaTeX, for documents with booktabs, longtable, array and graphicx."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

MINUS = r"\(-\)"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\textasciigrave{}",
    "-": "{-}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": "...",
    "×": r"\(\times\)",
    "±": r"\(\pm\)",
    "µ": r"\(\mu\)",
    "μ": r"\(\mu\)",
    "−": MINUS,
    "°": r"\(^\circ\)",
    "≤": r"\(\leq\)",
    "≥": r"\(\geq\)",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u030a": "r",
    "\u0327": "c",
    "\u030c": "v",
    "\u0304": "=",
}


def escape(text: str) -> str:
    """Any text as it would be read, in characters that every LaTeX engine and font encoding has.

    What has no counterpart there is named by its number, never dropped.

    >>> escape("a_b: 50 % & more")
    'a\\\\_b: 50 \\\\% \\\\& more'
    >>> escape("Zürich 東")
    'Z\\\\"{u}rich (U+6771)'
    """
    return "".join(_letter(letter) for letter in " ".join(text.split()))


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if " " <= letter <= "~":
        return letter
    plain = unicodedata.normalize("NFKD", letter)
    base, marks = plain[:1], plain[1:]
    if marks in _ACCENTS and base.isascii() and base.isalpha():
        return f"\\{_ACCENTS[marks]}{{{base}}}"
    return (
        "".join(_SPECIAL.get(c, c) for c in plain)
        if plain.isascii() and plain.isprintable()
        else f"(U+{ord(letter):04X})"
    )


def number(value: float, digits: int, sign: bool = False) -> str:
    """A number with a true minus; a dash where there is none."""
    if math.isnan(value):
        return "--"
    if math.isinf(value):
        return r"\(\infty\)" if value > 0 else r"\(-\infty\)"
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", MINUS).replace("+", r"\(+\)")


def with_interval(value: float, low: float, high: float, digits: int, sign: bool = False, bold: bool = False) -> str:
    """A number and, small beside it, the ends of its interval where it has one."""
    text = rf"\textbf{{{number(value, digits, sign)}}}" if bold else number(value, digits, sign)
    if math.isnan(low) or math.isnan(value):
        return text
    return rf"{text} {{\scriptsize[{number(low, digits, sign)}, {number(high, digits, sign)}]}}"


def tabular(columns: str, head: Sequence[str], blocks: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    """A booktabs table of blocks, each with a title over all columns (none where it is empty) and its lines."""
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\"]
    for title, body in blocks:
        lines.append(r"\midrule")
        if title:
            lines.append(rf"\multicolumn{{{len(head)}}}{{@{{}}l}}{{\textit{{{title}}}}} \\")
        lines += [" & ".join(cells) + r" \\" for cells in body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def table_kind(columns: str) -> str:
    """The environment of a table that spans one column of the page, or both ("two")."""
    return "table" if columns == "one" else "table*"


def floating(body: Sequence[str], caption: str, label: str, notes: Sequence[str] = (), kind: str = "table*") -> str:
    """A float of tabulars or pictures, its notes small below."""
    above, below = (caption, "") if kind.startswith("table") else ("", caption)
    lines = [
        rf"\begin{{{kind}}}[tb]",
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{4pt}",
        r"\setlength{\belowcaptionskip}{6pt}",
    ]
    named = rf"\label{{{label}}}"
    lines += [rf"\caption{{{above}}}", named] if above else []
    lines += [part for n, text in enumerate(body) for part in ([r"\par\medskip"] if n else []) + [text]]
    if notes:
        lines += [
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
            *(rf"{note}\par" for note in notes),
            r"\end{minipage}",
        ]
    lines += [rf"\caption{{{below}}}", named] if below else []
    return "\n".join([*lines, rf"\end{{{kind}}}", ""])


def slug(text: str) -> str:
    """A name for files and labels: small letters, digits and single hyphens.

    >>> slug("small(arch=hourglass, flip=True)")
    'small-arch-hourglass-flip-true'
    """
    return re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKD", text).lower()).strip("-") or "run"

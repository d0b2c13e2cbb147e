"""Matplotlib figures as files: written whole or not at all, with embedded fonts, and text that is never a formula."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from hsc.files.atomic_files import replacing

TEXT: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False, "pdf.fonttype": 42}
"""Settings of everything drawn: names that people give to classes, images and settings are text and never formulas."""

SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "svg.fonttype": "none",
    **TEXT,
}
"""Settings of all figures of curves; letters stay letters in vector files."""

_ALSO = ("runs/display_names", "runs/domains", "stats/bjontegaard", "stats/metric_facts")
"""Modules outside this package, below ``benchmarks``, that decide what figures show."""
MARK = "Creator"
"""The entry of a figure's metadata that says by which code it was drawn."""

_DPI = 160
_SOLVED = 1024
"""Parts of a pixel that the layout's solver settles alike in all processes; its last digits follow addresses."""

_LAID_OUT_ONLY: ContextVar[bool] = ContextVar("laid out only", default=False)


@functools.cache
def drawn_by() -> str:
    """Which version of this code, of matplotlib, of Pillow, and of the font and what sets it draws figures: equal marks
    give equal figures.
    """
    import matplotlib as mpl
    import PIL
    from matplotlib.font_manager import FontProperties, findfont

    digest = hashlib.sha256()
    package = Path(__file__).parent
    for file in [*sorted(package.glob("*.py")), *(package.parents[1] / f"{name}.py" for name in _ALSO)]:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    digest.update(Path(findfont(FontProperties())).read_bytes())
    for name in ("kiwisolver", "fonttools"):  # the first lays figures out, the second puts fonts into PDFs
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    return f"HSC-Bench figures {digest.hexdigest()[:16]}, matplotlib {mpl.__version__}, Pillow {PIL.__version__}"


def pyplot() -> Any:
    """Matplotlib's pyplot, set to draw into files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


@contextmanager
def laid_out_only() -> Iterator[None]:
    """Within this context figures are made and laid out with all their text, and nothing is written: a rehearsal."""
    token = _LAID_OUT_ONLY.set(True)
    try:
        yield
    finally:
        _LAID_OUT_ONLY.reset(token)


def save_both(figure: Any, path: Path) -> None:
    """Write a figure as ``path`` with .png, in 256 colours, and with .pdf, then close it. path: without an ending."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    if _LAID_OUT_ONLY.get():
        figure.set_layout_engine("none")
        figure.draw_without_rendering()
        pyplot().close(figure)
        return
    lay_out(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    mark = PngInfo()
    mark.add_text(MARK, drawn_by())
    with replacing(path.with_name(f"{path.name}.png")) as part, Image.open(buffer) as image:
        # 256 colours take a third of the space and look the same
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(part, "PNG", optimize=True, pnginfo=mark)
    save(figure, path.with_name(f"{path.name}.pdf"))
    pyplot().close(figure)


def lay_out(figure: Any) -> None:
    """Compute a figure's layout once, with the edges of its panels on whole pixels.

    The solver adds up in the order of addresses in memory, so that its results differ in the last digits from process
    to process. An edge half-way between two pixels would then be drawn now on the one and now on the other.
    """
    figure.set_dpi(_DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(_whole(part.bbox_relative.get_points(), figure.bbox.size))
    for axis in figure.axes:
        corners = _whole(axis.get_position().get_points(), axis.figure.bbox.size)
        axis.set_position([*corners[0], *(corners[1] - corners[0])])


def _whole(corners: Any, size: Any) -> Any:
    """Corners in fractions of a size, moved to whole pixels. size: in pixels."""
    import numpy as np

    return np.round(np.round(corners * size * _SOLVED) / _SOLVED) / size


def save(figure: Any, path: Path, **options: Any) -> None:
    """Write a figure whole or not at all; the same figure gives the same PDF. options: those of ``Figure.savefig``."""
    if path.suffix == ".pdf":
        options |= {"metadata": {"CreationDate": None, MARK: drawn_by()}}
    if path.suffix in (".jpg", ".jpeg"):  # contact sheets are tracked, so they must be small
        options |= {"pil_kwargs": {"quality": 70, "optimize": True, "progressive": True}}
    buffer = io.BytesIO()  # on a full disk, an error of matplotlib would hide that of the disk
    figure.savefig(buffer, format=path.suffix.removeprefix("."), **options)
    with replacing(path) as part:
        part.write_bytes(buffer.getvalue())


def readable(text: str) -> str:
    """Text as figures with the settings ``TEXT`` can show it: characters that the font lacks are written as their
    numbers, and a first "_" gets a space before it, since legends leave out names that begin with it.

    >>> readable("fast_$1$ 東"), readable("_void_")
    ('fast_$1$ (U+6771)', ' _void_')
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    shown = "".join(c if font.get_char_index(ord(c)) else f"(U+{ord(c):04X})" for c in text)
    return f" {shown}" if shown.startswith("_") else shown

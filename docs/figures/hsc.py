"""Draws ``hsc.svg``: how HSC codes an image, after the framework figure of Li et al. 2025 (arXiv 2502.16799), redrawn.

python docs/figures/hsc.py          writes the figure beside this file

    x -> encoder -> w -> SCN: g_a, Q, AE -> bits -> AD, g_s -> w_hat -\\
                 \\-> F -> FCN: g_a, Q, AE -> bits -> AD, g_s -> F_hat --> generator -> x_hat -> head on images
                          SCE(w_hat) -> mu, sigma                \\-> y_hat -> head on latents
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1180, 430
BLUE, GREEN, ORANGE, GREY, INK = "#d7e6f7", "#dcf0e0", "#fde8cf", "#eceff3", "#1d2733"
ROW_W, ROW_F, MIDDLE = 90, 290, 190


class Box(NamedTuple):
    """A box of the figure: its centre, width, height in pixels, lines of text and fill."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    fill: str

    @property
    def left(self) -> tuple[float, float]:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> tuple[float, float]:
        return self.x, self.y - self.height / 2

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x, self.y + self.height / 2


def drawing() -> str:
    """The whole figure as SVG text."""
    image = Box(48, MIDDLE, 76, 60, ("image", "x"), GREY)
    encoder = Box(156, MIDDLE, 92, 120, ("inversion", "encoder"), BLUE)
    row_w = _chain(ROW_W, "w", ORANGE)
    row_f = _chain(ROW_F, "y", GREEN)
    latent_w = Box(254, ROW_W, 76, 44, ("w", "semantics"), GREY)
    latent_f = Box(254, ROW_F, 76, 44, ("F", "features"), GREY)
    stream = Box(552, MIDDLE, 66, 296, ("one", ".hsc", "file:", "w first,", "then y,", "layer by", "layer"), GREY)
    context = Box(700, MIDDLE, 142, 48, ("semantic context", "SCE: μ, σ"), ORANGE)
    w_hat = Box(838, ROW_W, 52, 44, ("ŵ",), GREY)
    f_hat = Box(838, ROW_F, 52, 44, ("F̂",), GREY)
    generator = Box(934, MIDDLE, 92, 120, ("StyleGAN2", "synthesis"), BLUE)
    decoded = Box(1034, MIDDLE, 64, 60, ("image", "x̂"), GREY)
    head = Box(1128, MIDDLE, 84, 60, ("head on", "images"), BLUE)
    latent_head = Box(838, 392, 150, 44, ("head on latents",), BLUE)
    boxes = [image, encoder, latent_w, latent_f, *row_w, *row_f, stream, context, w_hat, f_hat]
    boxes += [generator, decoded, head, latent_head]

    parts = [_arrow(image.right, encoder.left)]
    for latent, row, restored in ((latent_w, row_w, w_hat), (latent_f, row_f, f_hat)):
        analysis, quantiser, coder, decoder, synthesis = row
        parts += [
            _bent((encoder.right[0], latent.y + (30 if latent.y < MIDDLE else -30)), latent.left, encoder, latent),
            _arrow(latent.right, analysis.left),
            _arrow(analysis.right, quantiser.left),
            _arrow(quantiser.right, coder.left),
            _arrow(coder.right, (stream.left[0], coder.y)),
            _arrow((stream.right[0], decoder.y), decoder.left),
            _arrow(decoder.right, synthesis.left),
            _arrow(synthesis.right, restored.left),
        ]
    decoder_w, decoder_f = row_w[3], row_f[3]
    parts += [
        _path([(decoder_w.x + 12, decoder_w.bottom[1]), (decoder_w.x + 12, context.top[1])]),
        _path([(decoder_f.x + 12, context.bottom[1]), (decoder_f.x + 12, decoder_f.top[1])]),
        _path([(context.left[0], MIDDLE + 12), (row_f[2].x, MIDDLE + 12), row_f[2].top], dashed=True),
        _path([w_hat.right, (generator.x, w_hat.y), generator.top]),
        _path([f_hat.right, (generator.x, f_hat.y), generator.bottom]),
        _arrow(generator.right, decoded.left),
        _arrow(decoded.right, head.left),
        _path([(decoder_f.x, decoder_f.bottom[1]), (decoder_f.x, latent_head.y), latent_head.left]),
        _label(decoder_f.x + 44, latent_head.y - 8, "ŷ"),
        _label(216, ROW_W - 34, "SCN: semantics, coded first", "start"),
        _label(216, ROW_F + 46, "FCN: features, given w", "start"),
    ]
    return "\n".join([_opening(), *parts, *map(_box, boxes), "</svg>", ""])


def _chain(y: float, symbols: str, fill: str) -> tuple[Box, Box, Box, Box, Box]:
    """The five boxes of one layer: analysis, quantiser, entropy coder; entropy decoder, synthesis."""
    coder = ("AE",) if symbols == "w" else ("AE", "slices")
    decoder = ("AD",) if symbols == "w" else ("AD", "slices")
    return (
        Box(338, y, 50, 44, ("g_a",), fill),
        Box(406, y, 40, 44, ("Q",), fill),
        Box(474, y, 50, 44, coder, fill),
        Box(664, y, 56, 44, decoder, fill),
        Box(752, y, 56, 44, ("g_s",), fill),
    )


def _opening() -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="14">\n'
        "<title>How HSC codes an image: semantics w first, then features F given w; heads read the image or the "
        "latents</title>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    )


def _box(box: Box) -> str:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    first = box.y - (len(box.lines) - 1) * 8.5 + 5
    lines = "".join(
        f'<text x="{box.x:g}" y="{first + 17 * i:g}" text-anchor="middle" fill="{INK}">{escape(text)}</text>'
        for i, text in enumerate(box.lines)
    )
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{box.width:g}" height="{box.height:g}" rx="6" fill="{box.fill}" '
        f'stroke="{INK}"/>{lines}'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    return _path([start, end])


def _bent(start: tuple[float, float], end: tuple[float, float], source: Box, target: Box) -> str:
    """From a side of ``source``, up or down, then to ``target``."""
    y = source.y - 40 if target.y < source.y else source.y + 40
    middle = (source.right[0] + end[0]) / 2
    return _path([(start[0], y), (middle, y), (middle, end[1]), end])


def _path(points: list[tuple[float, float]], dashed: bool = False) -> str:
    line = " L".join(f"{x:g} {y:g}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="M{line}" fill="none" stroke="{INK}" stroke-width="1.4"{dashes} marker-end="url(#tip)"/>'


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{INK}" font-style="italic">{escape(text)}</text>'


if __name__ == "__main__":
    target = Path(__file__).with_suffix(".svg")
    target.write_text(drawing(), "utf-8")
    sys.stdout.write(f"{target.name}: {target.stat().st_size} bytes\n")

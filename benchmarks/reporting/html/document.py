"""The page put together: one HTML file that loads nothing, and that the browser is told to let load nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from benchmarks.harness.requirements import PSEUDO_SCORE
from benchmarks.reporting.html.curves import Points, chart_data, class_colours, looks_of, points_of
from benchmarks.reporting.html.markup import Markup, element, escaped, joined, json_text
from benchmarks.reporting.html.origin import cells_data, provenance
from benchmarks.reporting.html.run_files import RunFiles
from benchmarks.reporting.html.sections import differences, heads_apart, points_table, problems, swatch, title_of
from benchmarks.reporting.images.embedding import coloured_map
from benchmarks.runs.notices import notices_of
from benchmarks.runs.tables import too_little
from hsc.errors import ResultsError

ASSETS = Path(__file__).parent / "assets"
PLOTTING = "chart.umd.min.js"
EARLY = "paper.js"
_ALSO = (
    "runs/tables",
    "stats/metric_facts",
    "stats/bjontegaard",
    "reporting/figures/rate_curves",
    "reporting/images/embedding",
    "harness/truth",
)
"""Modules beside the page's own, below ``benchmarks``, that decide what stands in it."""
SCRIPTS = ("theme.js", "filters.js", "curves.js", "classes.js", "gallery.js", "cells.js")


def page(run: RunFiles) -> str:
    """The whole page as HTML.

    Raises:
        ResultsError: the gallery's pictures are damaged.
    """
    points = points_of(run)
    data = chart_data(run, points)
    library = _asset(PLOTTING).rsplit("//# sourceMappingURL", 1)[
        0
    ]  # a browser's developer tools would go and look for it
    early, scripts = _asset(EARLY), [library, *map(_asset, SCRIPTS)]
    style = _asset("report.css") + _colours(data["codecs"])
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src "
        f"{' '.join(map(_hash, [early, *scripts]))}; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_asset("report.html")).substitute(
        policy=policy,
        generator=escaped(made_by()),
        title=escaped(f"{_name(run)}: HSC-Bench"),
        early=Markup(f"<script>{early}</script>"),
        style=style,
        heading=escaped(_name(run)),
        lead=_lead(run, points),
        notes=_notes(run),
        readers=joined(_chip("r", n, title_of(reader)) for n, reader in enumerate(points.readers)),
        codecs=joined(_chip("c", n, joined([swatch(n, look), look["label"]])) for n, look in enumerate(data["codecs"])),
        points=points_table(run, points),
        differences=joined([differences(run, points), heads_apart(run, points)]),
        problems=problems(run),
        provenance=provenance(run),
        data=json_text(data),
        cells=json_text(cells_data(run.about)),
        gallery=json_text(_gallery(run)),
        scripts=joined(Markup(f"<script>{script}</script>\n") for script in scripts),
    )


@functools.cache
def made_by() -> str:
    """Which version of this code makes the page: a hash of all that decides how a number stands there."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    files = [file for folder in (package, ASSETS) for file in folder.iterdir() if file.is_file()]
    for file in sorted(files) + [package.parents[1] / f"{name}.py" for name in _ALSO]:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return f"HSC-Bench page {digest.hexdigest()[:16]}"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _colours(codecs: list[dict[str, Any]]) -> str:
    """Each codec's colour as a property of the page, on light and on dark paper."""
    light, dark = ("".join(f"--c{n}:{look[paper]};" for n, look in enumerate(codecs)) for paper in ("light", "dark"))
    classes = "".join(f".c{n}{{color:var(--c{n})}}" for n in range(len(codecs)))
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}:root[data-theme=dark]{{{dark}}}{classes}\n"


def _chip(kind: str, number: int, content: Any) -> Markup:
    return element("button", content, type="button", class_="chip", aria_pressed="true", **{f"data_{kind}": number})


def _name(run: RunFiles) -> str:
    return f"{run.about['task']['name']} on {run.about['dataset']['name']}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _lead(run: RunFiles, points: Points) -> Markup:
    """The run in two sentences."""
    images = len(run.about["dataset"]["images"])
    whole = points.table[points.table["part"] == ""]
    coded = len(whole[["codec", "point"]].drop_duplicates())
    lossless = sum(look["shape"] == "none" for look in looks_of(points))
    codecs = _count(len(points.codecs) - lossless, "codec") + (" and the untouched original" if lossless else "")
    said = f"{codecs} at {_count(coded, 'operating point')}, read by {_count(len(points.readers), 'head')}, on "
    said += (
        f"{_count(images, 'image')} of the split {run.about['dataset'].get('config', {}).get('split', _split(run))}. "
    )
    resamples = run.about.get("resamples", 0)
    said += (
        f"Intervals hold 95 % of {resamples:,} resamples of the images, drawn alike for all codecs."
        if run.rows["low"].notna().any()
        else "Without intervals."
    )
    return element("p", said, class_="lead")


def _split(run: RunFiles) -> str:
    return str(run.rows["split"].iloc[0]) if len(run.rows) else "?"


def _notes(run: RunFiles) -> Markup:
    """What a reader must know before any number."""
    stored = run.rows[run.rows["metric"] == "source_bpp"]["value"].dropna()
    said = [
        f"The originals came as files of {value:.3f} bits a pixel; where those are JPEGs (as COCO’s are), no row "
        f"here is truly uncompressed."
        for value in stored
    ]
    if run.about.get("pseudo_label_score") is not None:
        said.append(
            f"The data set has no labels: what each head says of the originals (boxes from score {PSEUDO_SCORE:g} "
            f"on) stands in for them."
        )
    said += too_little(run.rows)
    told = [element("p", text, class_="note warning", role="note") for text in notices_of(run.about)]
    return joined([*told, *(element("p", text, class_="note") for text in said)])


def _gallery(run: RunFiles) -> dict[str, Any] | None:
    """The gallery with its label maps painted, None where there is nothing to show."""
    if run.gallery is None or not run.gallery["images"]:
        return None
    colours = class_colours(len(run.gallery["classes"]))
    table = np.zeros((256, 4), np.uint8)
    for n, colour in enumerate(colours[:255]):
        table[n] = [*bytes.fromhex(colour[1:]), 255]

    def painted(found: Any) -> Any:
        return {"map": coloured_map(found["map"], table)} if found and "map" in found else found

    images = []
    try:
        for image in run.gallery["images"]:
            tiles = [{**tile, "found": [painted(found) for found in tile["found"]]} for tile in image["tiles"]]
            images.append({**image, "labels": painted(image["labels"]), "tiles": tiles})
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ResultsError(
            f"the run's gallery.json is damaged: {error}; remove it, or let python -m benchmarks.run write it again"
        ) from error
    kept = {name: run.gallery[name] for name in ("target_bpp", "heads", "classes")}
    return {**kept, "colours": colours, "images": images}

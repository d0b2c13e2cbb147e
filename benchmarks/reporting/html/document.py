"""The page put together: one HTML file that loads nothing, and that tells the browser to load nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.reporting.html.cells import swatch
from benchmarks.reporting.html.comparison_tables import differences, heads_apart
from benchmarks.reporting.html.curves import Points, chart_data, points_of
from benchmarks.reporting.html.finding import finding, origin_line
from benchmarks.reporting.html.markup import Markup, element, escaped, joined, json_text
from benchmarks.reporting.html.origin import cells_data, provenance
from benchmarks.reporting.html.painted_gallery import painted_gallery
from benchmarks.reporting.html.points_table import points_table
from benchmarks.reporting.html.problems import problems
from benchmarks.runs.class_support import NAME as CLASS_SUPPORT
from benchmarks.runs.display_names import Naming, displayed_run
from benchmarks.runs.notices import notices_of
from benchmarks.runs.run_folder import Run
from benchmarks.runs.sentences import too_little
from downstream.api import Detections

ASSETS = Path(__file__).parent / "assets"
PLOTTING = "chart.umd.min.js"
EARLY = "stored_theme.js"
SCRIPTS = ("theme.js", "filters.js", "curves.js", "classes.js", "gallery.js", "cells.js")
_ALSO = (
    "reporting/figures/codec_styles",
    "reporting/figures/rate_curves",
    "reporting/images/embedding",
    "reporting/images/label_maps",
    "runs/class_support",
    "runs/common_rates",
    "runs/comparison_tables",
    "runs/display_names",
    "runs/domains",
    "runs/finding_text",
    "runs/findings",
    "runs/notices",
    "runs/number_texts",
    "runs/results",
    "runs/sentences",
    "runs/summary",
    "runs/verdicts",
    "runs/wide_table",
    "stats/bjontegaard",
    "stats/bootstrap",
    "stats/isotonic",
    "stats/metric_facts",
    "stats/monotone_cubic",
    "stats/noise_floor",
    "stats/pchip",
)
"""Modules outside this package, below ``benchmarks``, that decide what the page shows."""


def page(run: Run, gallery: Mapping[str, Any] | None) -> str:
    """The whole page as HTML. gallery: as ``read_gallery`` gives it.

    Raises:
        ResultsError: the gallery's pictures are damaged.
    """
    run, naming = displayed_run(run)
    gallery = _named(gallery, naming)
    points = points_of(run.results)
    data = chart_data(
        run.results, points, run.about.get(CLASS_SUPPORT), {n: label for label, n in naming.names.items()}
    )
    # without the library's link to its source map, which a browser's developer tools would try to load
    library = _asset(PLOTTING).rsplit("//# sourceMappingURL", 1)[0]
    early, scripts = _asset(EARLY), [library, *map(_asset, SCRIPTS)]
    style = _asset("report.css") + _colours(data["codecs"])
    return Template(_asset("report.html")).substitute(
        policy=_policy(style, [early, *scripts]),
        generator=escaped(made_by()),
        title=escaped(f"{_heading(run)}: HSC-Bench"),
        early=Markup(f"<script>{early}</script>"),
        style=style,
        heading=escaped(_heading(run)),
        finding=finding(run.results, points),
        origin=origin_line(run),
        lead=_lead(run, points, data["codecs"]),
        notes=_notes(run),
        readers=joined(_chip("r", n, view.title) for n, view in enumerate(points.views)),
        codecs=joined(_chip("c", n, joined([swatch(n, look), look["label"]])) for n, look in enumerate(data["codecs"])),
        points=points_table(run.results, points),
        differences=joined([differences(run.results, points), heads_apart(run.results, points)]),
        problems=problems(run.results, gallery),
        provenance=provenance(run.about),
        data=json_text(data),
        cells=json_text(cells_data(run.about)),
        gallery=json_text(painted_gallery(gallery)),
        scripts=joined(Markup(f"<script>{script}</script>\n") for script in scripts),
    )


@functools.cache
def made_by() -> str:
    """Which version of this code makes the page: a hash of all files that decide how a number is shown."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    files = [file for folder in (package, ASSETS) for file in folder.iterdir() if file.is_file()]
    for file in sorted(files) + [package.parents[1] / f"{name}.py" for name in _ALSO]:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return f"HSC-Bench page {digest.hexdigest()[:16]}"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """The page's content security policy: this style, these scripts and embedded images, and nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _colours(looks: Sequence[Mapping[str, Any]]) -> str:
    """Each codec's colour as a property of the page, light and dark, and a class that has it."""
    light, dark = ("".join(f"--c{n}:{look[theme]};" for n, look in enumerate(looks)) for theme in ("light", "dark"))
    classes = "".join(f".c{n}{{color:var(--c{n})}}" for n in range(len(looks)))
    by_system = f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
    return f":root{{{light}}}{by_system}:root[data-theme=dark]{{{dark}}}{classes}\n"


def _chip(kind: str, number: int, content: Any) -> Markup:
    """A button that shows or hides a codec ("c") or a head ("r")."""
    return element("button", content, type="button", class_="chip", aria_pressed="true", **{f"data_{kind}": number})


def _heading(run: Run) -> str:
    return f"{run.about['task']['name']} on {run.about['dataset']['name']}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _lead(run: Run, points: Points, looks: Sequence[Mapping[str, Any]]) -> Markup:
    """The run in two sentences."""
    whole = points.scores[points.scores["part"] == ""]
    coded = len(whole[["codec", "point"]].drop_duplicates())
    lossless = sum(look["shape"] == "none" for look in looks)
    codecs = _count(len(points.codecs) - lossless, "codec") + (" and the uncompressed original" if lossless else "")
    text = (
        f"{codecs} at {_count(coded, 'operating point')}, read by {_count(len(points.views), 'head')}, on "
        f"{_count(len(run.images), 'image')} of the split {_split(run)}. "
    )
    if run.scores["low"].notna().any() or run.comparisons["low"].notna().any():
        resamples = run.about.get("resamples", 0)
        text += (
            f"Intervals are 95 % bootstrap intervals over {resamples:,} resamples of the images, the same resamples "
            "for all codecs."
        )
    else:
        text += "Without intervals."
    return element("p", text, class_="note")


def _named(gallery: Mapping[str, Any] | None, naming: Naming) -> dict[str, Any] | None:
    """A gallery with the names that people read; its pictures stay as they are."""
    if gallery is None:
        return None
    images = [
        {
            **image,
            "image": naming.text(image["image"]),
            "tiles": [{**tile, "codec": naming.label(tile["codec"])} for tile in image["tiles"]],
        }
        for image in gallery["images"]
    ]
    heads = [{**head, "head": naming.label(head["head"])} for head in gallery["heads"]]
    failed = [{**tile, "codec": naming.label(tile["codec"])} for tile in naming.plain(gallery["failed"])]
    return {**gallery, "images": images, "heads": heads, "failed": failed}


def _split(run: Run) -> str:
    recorded = str(run.scores["split"].iloc[0]) if len(run.scores) else "?"
    return str(run.about["dataset"].get("config", {}).get("split", recorded))


def _notes(run: Run) -> Markup:
    """Sentences that a reader must know before any number."""
    stored = run.scores[run.scores["metric"] == "source_bpp"]["value"].dropna()
    texts = [
        f"The originals came as files of {bpp:.3f} bits per pixel; where those are JPEGs (as COCO’s are), no row here "
        f"is truly uncompressed."
        for bpp in stored
    ]
    pseudo_score = run.about.get("pseudo_label_score")
    if pseudo_score is not None:
        boxes = f" (boxes from score {pseudo_score:g} on)" if run.task.output is Detections else ""
        texts.append(
            f"The data set has no labels: each head’s own predictions on the originals{boxes} stand in for them."
        )
    texts += too_little(run.scores)
    warnings = [element("p", text, class_="note warning", role="note") for text in notices_of(run.about)]
    return joined([*warnings, *(element("p", text, class_="note") for text in texts)])

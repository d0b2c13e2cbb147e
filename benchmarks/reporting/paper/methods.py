"""The methods section: half a page of prose from a run's provenance.

Every setting and version is in the appendix (``settings``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.reporting.paper.bjontegaard import floor_text
from benchmarks.reporting.paper.citations import SUITE, Bibliography
from benchmarks.reporting.paper.group import Group
from benchmarks.reporting.paper.latex import escape
from benchmarks.reporting.paper.settings import APPENDIX, joined

_REGIMES = {
    "frozen": "Frozen heads, trained on clean images and on no codec",
    "adapted": "Adapted heads, trained on decoded images or latents and never compared with frozen ones",
}


def methods(groups: Sequence[Group], bibliography: Bibliography) -> str:
    """Paragraphs about all runs; what holds for all of them stands once, the rest with the run's name."""
    used = frozenset(method for group in groups for method in group.comparisons["method"])
    text = joined(groups, lambda members: _paragraphs(members, bibliography, used))
    return text + "\n" + _closing(groups[0], bibliography) + "\n"


def _paragraphs(members: Sequence[Group], bibliography: Bibliography, used: frozenset[str]) -> dict[str, str]:
    """One run's paragraphs by title. used: how curves of any run were read, as in ``Comparison.method``."""
    paragraphs = {
        "Data": _data(members[0], bibliography),
        "Codecs": _codecs(members[0], bibliography),
        "Heads and scores": _heads(members, bibliography),
        "Differences": _differences(members[0], bibliography, used),
        "Noise floor": _noise_floor(members),
        "Uncertainty": _uncertainty(members, bibliography),
    }
    return {title: text for title, text in paragraphs.items() if text}


def _data(group: Group, bibliography: Bibliography) -> str:
    dataset = group.run.about["dataset"]
    cited = bibliography.cite_plugin("datasets", dataset["name"], dataset.get("config", {}))
    text = (
        rf"We code {len(group.run.images)} images of {escape(group.called(group.run.dataset))} "
        rf"({escape(str(group.scores['split'].iloc[0]))}){cited} at the size they come in."
    )
    if group.run.about.get("pseudo_label_score") is not None:
        text += " There are no labels; a head's own predictions on the originals stand in for them."
    return text


def _codecs(group: Group, bibliography: Bibliography) -> str:
    about, named = group.run.about, []
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for cell in about["cells"].values():
        if "head" not in cell and not cell.get("ladder"):
            cells.setdefault(group.called(cell["curve"]), []).append(cell)
    for label in (label for label in group.codecs if label in cells):
        codec = cells[label][0]["codec"]
        cited = bibliography.cite_plugin("codecs", codec["name"], codec.get("config", {}))
        named.append(f"{escape(label)}{cited}")
    if not named:
        return ""
    points = sorted(len(cells[label]) for label in group.codecs if label in cells)
    count = str(points[0]) if points[0] == points[-1] else f"{points[0]} to {points[-1]}"
    plural = "" if points[-1] == 1 else "s"
    text = f"We compare {_listed(named)} at {count} operating point{plural} each."
    if targets := about.get("match_bpp"):
        rates = _listed([f"{target:g}" for target in targets])
        text += rf" Each codec's own quality scale was searched for {rates} bpp, to within 5\,\%."
    return f"{text} A rate is that of whole files, headers included: all bits over all original pixels."


def _heads(members: Sequence[Group], bibliography: Bibliography) -> str:
    group = members[0]
    known = {entry["label"]: entry for entry in group.run.about.get("heads", ())}
    sentences = []
    for member in members:
        named = []
        for view in member.readers:
            label = next((label for label, name in group.shown.items() if name == view.head), view.head)
            entry = known.get(label, {"name": label.partition("(")[0]})
            cited = bibliography.cite_plugin("heads", entry["name"], entry.get("config", {}))
            named.append(f"{view.title}{cited}")
        title = _REGIMES.get(member.regime, f"{member.regime.capitalize()} heads")
        sentences.append(f"{escape(title)}: {_listed(named)}.")
    metrics = [metric for name in group.run.task.metrics if (metric := bibliography.cite_plugin("metrics", name))]
    titles = _listed([*dict.fromkeys(member.title for member in members)])
    sentences.append(f"We report {titles}{''.join(metrics)}; an image without a prediction counts.")
    return " ".join(sentences)


def _differences(group: Group, bibliography: Bibliography, used: frozenset[str]) -> str:
    anchors = [escape(group.called(anchor)) for anchor in group.run.about["anchors"]]
    if not anchors:
        return ""
    text = (
        rf"Bjontegaard differences{bibliography.cite('bjontegaard2001')} are against {_listed(anchors)}, by monotone "
        rf"piecewise cubics{bibliography.cite('fritsch1984pchip')} over log rate."
    )
    if "fit" in used:
        text += (
            " Where a curve dips, a rising, concave cubic is fitted to its points"
            rf"{bibliography.cite('ding2023vcm')}, and marked."
        )
    if "isotonic" in used:
        text += (
            " Where no such cubic comes near a curve, its dips alone are levelled by isotonic regression"
            rf"{bibliography.cite('ayer1955isotonic')}, and marked."
        )
    if "local" in used:
        text += " At a given rate a curve without either is read on the line between its two neighbouring points."
    return text + r" There is no number where curves share less than 75\,\% of either's range; nothing is extrapolated."


def _noise_floor(members: Sequence[Group]) -> str:
    """What Bjontegaard differences give where the truth is 0."""
    floors = ", ".join(filter(None, (floor_text(member) for member in members)))
    return f"A codec on two interleaved ladders differs from itself by {floors} in BD-rate." if floors else ""


def _uncertainty(members: Sequence[Group], bibliography: Bibliography) -> str:
    about = members[0].run.about
    if not about["resamples"]:
        return "No intervals were computed, and so nothing is called better."
    if not any(group.has_intervals for group in members):  # and then there is nothing to cite
        return " ".join(dict.fromkeys(group.sure("") for group in members))
    intervals = (
        rf"Intervals hold the middle 95\,\% of {about['resamples']} bootstrap resamples of the images"
        rf"{bibliography.cite('efron1979bootstrap')}, all codecs on the same draws. A codec is called better only "
        "where the interval of the paired difference leaves out 0, without a correction for the number of comparisons."
    )
    return " ".join(dict.fromkeys(group.sure(intervals) for group in members))


def _closing(group: Group, bibliography: Bibliography) -> str:
    return (
        rf"All numbers were measured with HSC-Bench{bibliography.cite(SUITE)}; settings, versions and conditions of "
        rf"times are in Appendix~\ref{{{APPENDIX}}}."
    )


def _listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)

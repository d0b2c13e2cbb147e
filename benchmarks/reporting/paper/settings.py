"""The appendix of settings, from a run's provenance and nothing else: data, codecs, heads, scores, and times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.api import TASKS
from benchmarks.reporting.paper.bjontegaard import floor_text
from benchmarks.reporting.paper.group import Group, curves_of
from benchmarks.reporting.paper.latex import escape
from benchmarks.runs.display_names import without_paths
from benchmarks.stats.noise_floor import second_label
from downstream.api import Detections

APPENDIX = "app:settings"
"""The label of this appendix."""
_HASH = re.compile(r"[0-9a-f]{16,}")
_PATH = re.compile(r"""(?<![^\s"'=(])[~/][^\s"',()]*/(?=[^\s"',()/])""")
_PLACES = ("--cache", "--out", "--name", "--workers")
"""Options of a command that concern places and speed, not the measurement."""


def settings(groups: Sequence[Group]) -> str:
    """Paragraphs about all runs: what holds for all of them stands once, the rest with the run's name."""
    return joined(groups, _paragraphs)


def joined(groups: Sequence[Group], paragraphs_of: Callable[[Sequence[Group]], Mapping[str, str]]) -> str:
    """The paragraphs of each run by title, as LaTeX; where all runs have the same one it stands once.

    paragraphs_of: takes the groups of one run, and gives its paragraphs by title.
    """
    by_run: dict[str, list[Group]] = {}
    for group in groups:
        by_run.setdefault(group.name, []).append(group)
    by_name = {name: paragraphs_of(members) for name, members in by_run.items()}
    text = []
    for title in dict.fromkeys(title for paragraphs in by_name.values() for title in paragraphs):
        parts = {name: paragraphs[title] for name, paragraphs in by_name.items() if title in paragraphs}
        same = len(set(parts.values())) == 1 and len(parts) == len(by_name)
        body = (
            next(iter(parts.values()))
            if same
            else " ".join(rf"\textit{{{escape(name)}}}: {part}" for name, part in parts.items())
        )
        text.append(rf"\paragraph{{{title}.}} {body}")
    return "\n\n".join(text) + "\n"


def _paragraphs(members: Sequence[Group]) -> dict[str, str]:
    group = members[0]
    about = group.run.about
    paragraphs = {
        "Data": _data(group),
        "Codecs": _codecs(group),
        "Heads": _heads(about),
        "Scores": _scores(group),
        "Differences": _differences(members),
        "Uncertainty": _uncertainty(members),
        "Times": _times(about),
        "Software": _software(about),
    }
    return {title: text for title, text in paragraphs.items() if text}


def _data(group: Group) -> str:
    about = group.run.about
    dataset = about["dataset"]
    settings = _settings({k: v for k, v in dataset.get("config", {}).items() if v not in (None, "", False)})
    origin = _settings({**dataset.get("provenance", {}), "revision": dataset.get("revision", "")})
    text = (
        rf"{len(group.run.images)} images of {escape(group.called(dataset['name']))} "
        rf"({'; '.join(filter(None, (settings, origin)))}), "
        rf"coded at the size they come in."
    )
    if (least := about.get("pseudo_label_score")) is not None:
        boxes = f", at scores of {least:g} and above," if group.run.task.output is Detections else ""
        text += f" There are no labels: a head's own predictions on the originals{boxes} stand in for them."
    stored = group.scores[group.scores["metric"] == "source_bpp"]["value"]
    return text + "".join(f" The originals came as files of {value:.3f} bpp." for value in stored)


def _codecs(group: Group) -> str:
    about = group.run.about
    curves: dict[str, list[Mapping[str, Any]]] = {}
    hidden = {group.called(label) for label in curves_of(group.run)} - set(group.codecs)
    for cell in about["cells"].values():
        if "head" not in cell and (name := group.called(cell["curve"])) not in hidden:
            curves.setdefault(second_label(name) if cell.get("ladder") else name, []).append(cell)
    text = " ".join(rf"\textit{{{escape(label)}}}: {_curve(cells)}." for label, cells in curves.items())
    rates = "A rate is that of whole files, headers and padding in: all bits over all original pixels."
    if targets := about.get("match_bpp"):
        rates += (
            rf" Each codec's own quality scale was searched for {', '.join(f'{t:g}' for t in targets)} bpp, to "
            rf"within 5\,\%."
        )
    return f"{text} {rates}{_left_out(about['skipped'])}"


def _left_out(reasons: Mapping[str, str]) -> str:
    """A sentence on what could not run, with a space in front; empty if nothing is named. reasons: by label."""
    gone = "; ".join(f"{escape(without_paths(f'{label} ({reason})'))}" for label, reason in reasons.items())
    return f" Left out: {gone}." if gone else ""


def _curve(cells: Sequence[Mapping[str, Any]]) -> str:
    """A codec's settings and versions; settings that change from point to point list all their values."""
    configs = [cell["codec"].get("config", {}) for cell in cells]
    swept, fixed = [], {}
    for name in dict.fromkeys(key for config in configs for key in config):
        values = list(dict.fromkeys(_plain(config.get(name)) for config in configs))
        if len(values) > 1:
            swept.append(f"{escape(_words(name))} {escape(', '.join(values))}")
        elif configs[0].get(name) not in (None, ""):
            fixed[name] = configs[0].get(name)
    versions: dict[str, Any] = {}
    for cell in cells:
        versions |= cell["codec"].get("provenance", {})
    return "; ".join(filter(None, (*swept, _settings(fixed), _settings(versions))))


def _heads(about: Mapping[str, Any]) -> str:
    heads: dict[str, str] = {}
    for cell in about["cells"].values():
        if "head" in cell:
            head = cell["head"]
            way = f"{cell.get('regime', '')}, on {'latents' if cell.get('route') == 'latent' else 'decoded images'}"
            inside = "; ".join(
                filter(None, (_settings(_given(head.get("config", {}))), _settings(head.get("provenance", {}))))
            )
            heads.setdefault(
                rf"\textit{{{escape(head.get('name', ''))}}} ({inside}): {escape(way)}.", cell.get("regime", "")
            )
    meaning = {
        "frozen": "Frozen heads were trained on clean images and have never seen a codec.",
        "adapted": "Adapted heads were trained on decoded images or latents; they are never compared with frozen ones.",
    }
    text = " ".join([*heads, *(text for regime, text in meaning.items() if regime in heads.values())])
    return text + _left_out(about["skipped_heads"])


def _scores(group: Group) -> str:
    about = (TASKS.get(group.run.about["task"]["name"]).__doc__ or "").strip().splitlines()[0]
    version = group.run.about["task"].get("version", "")
    return (
        f"{escape(about)} Task {escape(group.run.about['task']['name'])}, version {escape(str(version))}. "
        "Images without a prediction count, and so do images that failed: a point with one of those has no score."
    )


def _differences(members: Sequence[Group]) -> str:
    about = members[0].run.about
    if not about["anchors"]:
        return ""
    floors = ", ".join(filter(None, (floor_text(group) for group in members)))
    named = " and ".join(map(members[0].called, about["anchors"]))
    text = (
        f"Bjontegaard differences are against {escape(named)}: PCHIP over log rate through the points of curves that "
        "rise strictly; where one dips, a cubic in log rate that may only rise and ever more slowly, within the bounds "
        r"of the score, fitted by least squares, and marked; where that misses the points by more than 5\,\% of their "
        "span, PCHIP through the points with their dips levelled by isotonic regression, if that comes as near, and "
        r"marked, too. Where the curves share less than 75\,\% of either's interval there is no number. Nothing is "
        "extrapolated."
    )
    floor = (
        f" The noise floor, one codec on two interleaved ladders, is {floors} in BD-rate."
        if floors
        else " The noise floor was not measured."
    )
    return text + floor


def _uncertainty(members: Sequence[Group]) -> str:
    about = members[0].run.about
    if not about["resamples"]:
        return "No intervals were computed, and so nothing is called better."
    return " ".join(dict.fromkeys(group.sure(_intervals(about)) for group in members))


def _intervals(about: Mapping[str, Any]) -> str:
    return (
        rf"Intervals hold the middle 95\,\% of {about['resamples']} resamples of the images (seed "
        rf"{about['seed']}), scores, rates and "
        "differences computed anew on each, all codecs on the same draws. A codec is called better only where the "
        "interval of the paired difference "
        "leaves out 0; there is no correction for the number of comparisons. The intervals do not cover other seeds of "
        "trained heads or codecs, nor scenes other than those the images were drawn from."
    )


def _times(about: Mapping[str, Any]) -> str:
    environment = {**about["environment"], **_conditions(about.get("times") or {})}
    machine = {
        **environment.get("machine", {}),
        **{k: v for k, v in (about.get("times") or {}).items() if k in ("processor", "cores")},
    }
    what = ", ".join(str(machine[k]) for k in ("processor", "system", "arch") if machine.get(k))
    cores = f"{machine['cores']} cores, " if machine.get("cores") else ""
    repeats = environment.get("repeats", about.get("repeats", 1))
    each = "once" if repeats == 1 else f"{repeats} times, the median kept"
    return (
        f"A time is the median over images of one image's wall time after a warm-up, each measured {each}: "
        f"{escape(what)}, {cores}"
        f"{environment.get('workers', '?')} processes of {environment.get('threads_per_worker', '?')} thread each, "
        f"device "
        f"{escape(str(environment.get('device', '?')))}."
    )


def _conditions(times: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of the run's times, under the names of ``environment``."""
    names = {"repeats": "repeats", "processes": "workers", "threads": "threads_per_worker", "device": "device"}
    conditions = {new: times[old] for old, new in names.items() if times.get(old)}
    if times.get("accelerator"):
        conditions["device"] = f"{times['accelerator']} ({times.get('device')})"
    return conditions


def _software(about: Mapping[str, Any]) -> str:
    environment = about["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in environment.get("packages", {}).items())
    commit = str(environment.get("commit") or "not known")
    dirty = " with changes that are not committed" if commit.endswith("+") else ""
    command = _command(str(about.get("arguments", {}).get("command", "")))
    command_text = rf" Command: \texttt{{{escape(command)}}}." if command else ""
    return (
        f"Python {escape(str(environment.get('python', '?')))}; {escape(packages)}; commit "
        f"{_short(commit.rstrip('+'))}{dirty}.{command_text}"
    )


def _command(line: str) -> str:
    """A command without the places of files, which are private to the machine it ran on."""
    try:
        words = shlex.split(line)
    except ValueError:
        return line
    kept, skip = [], False
    for word in words:
        if not skip and word.split("=")[0] not in (*_PLACES, "--quiet"):
            kept.append(word)
        skip = word in _PLACES
    return _PATH.sub("", shlex.join(kept))


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in config.items() if v not in (None, "")}


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{escape(_words(name))} {_short(_plain(value))}" for name, value in values.items() if _plain(value)
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(k))} {_plain(v)}" for k, v in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "(" + ", ".join(_plain(v) for v in value) + ")"
    return "" if value is None else _PATH.sub("", str(value))


def _short(text: str) -> str:
    """Text for LaTeX, each hash cut to its first twelve digits."""
    return rf"\texttt{{{text[:12]}}}" if _HASH.fullmatch(text) else escape(_HASH.sub(lambda found: found[0][:12], text))

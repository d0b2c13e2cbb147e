"""A run's data set, codecs and heads, built again from ``run.json`` and compared with those that the run recorded."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS, Metric
from benchmarks.harness.config import Config
from benchmarks.harness.guard import why
from benchmarks.harness.index_images import regions_of
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.keys import provenance_of, regions_sha256
from benchmarks.harness.operating_points import Curve, OperatingPoint
from benchmarks.harness.plan import Cell, Plan, cell_of, identified
from benchmarks.harness.readers import Reader
from benchmarks.programs.data_only import why_not_built, why_not_spec
from benchmarks.runs import archive
from benchmarks.runs.archive import KeptStreams
from benchmarks.runs.run_folder import Run
from benchmarks.stats.noise_floor import second_label
from benchmarks.text import one_line
from benchmarks.verify.verdict import Verdict
from downstream.api import HEADS, Classification
from hsc.errors import HscError, ResultsError
from hsc.registry import Registry, Spec
from hsc.weights.fetching import fetch_all

_HASH = re.compile(r"[0-9a-f]{32,}")


@dataclass(frozen=True)
class Rebuilt:
    """The part of a run that can be built here. cells: by recorded id, of ``plan``; ladders: their (codec, ladder)."""

    plan: Plan
    kept: KeptStreams
    cells: dict[str, Cell]
    ladders: dict[str, tuple[str, str]]


def rebuild(run: Run, kept: KeptStreams, trust: bool = False) -> tuple[Rebuilt, list[Verdict]]:
    """The run's data set, heads and codecs as they are here, and a verdict on each that is missing or another.

    trust: build plug-ins that are not data only, too, with the folder's settings, which may name programs and models.

    Raises:
        ResultsError: the data set cannot be used here, or the kept images are not of the run.
        HscError: the task or data set is not known here.
    """
    troubles: list[Verdict] = []
    dataset = _dataset(run, kept, troubles, trust)
    recorded, task = run.about["task"], TASKS.build(run.about["task"]["name"])
    if task.version != recorded.get("version"):
        text = f"{recorded['name']} has version {task.version} here, the run had {recorded.get('version')}"
        troubles.append(Verdict("fail", "task", text))
    built = [
        (head, _usable(HEADS, head, f"head {head['label']}", troubles, trust)) for head in run.about.get("heads", [])
    ]
    readers = tuple(Reader(recorded["label"], head, recorded["route"]) for recorded, head in built if head is not None)
    metrics = _added_metrics(run, troubles, trust)
    config = Config(task, dataset, (), readers, seed=run.about["seed"], metrics=metrics)
    rebuilt, more = _with_cells(run, config, kept, trust)
    return rebuilt, troubles + more


def _with_cells(run: Run, config: Config, kept: KeptStreams, trust: bool) -> tuple[Rebuilt, list[Verdict]]:
    """The operating points that can be decoded here, in a plan, and a verdict on whatever keeps others out."""
    pixels = [Pixels(image.pixels_sha256, (image.height, image.width), None) for image in kept.images]
    classify = any(reader.head.output is Classification for reader in config.readers)
    regions = regions_of(config.dataset, [image.place for image in kept.images], pixels) if classify else {}
    images = [
        IndexedImage(image.place, image.id, of_image, regions.get(image.place))
        for image, of_image in zip(kept.images, pixels, strict=True)
    ]
    known = identified(config.readers)
    troubles: dict[Verdict, None] = dict.fromkeys(_other_regions(run, images))
    curves: list[Curve] = []
    cells: dict[str, Cell] = {}
    ladders: dict[str, tuple[str, str]] = {}
    for cell_id, cell in run.points.items():
        news = [] if cell_id in kept.streams else _unkept(run, cell_id, cell)
        codec = None
        if cell_id in kept.streams:
            codec = _usable(CODECS, cell["codec"], f"codec {cell['curve']}", news, trust)
        troubles |= dict.fromkeys(news)
        if codec is not None:
            label, ladder, point = cell["curve"], cell.get("ladder", ""), OperatingPoint(cell["point"], codec)
            curves.append(Curve(second_label(label), (point,), label) if ladder else Curve(label, (point,)))
            cells[cell_id] = cell_of(config, images, curves[-1].label, point, known)
            ladders[cell_id] = label, ladder
    plan = Plan(replace(config, curves=tuple(curves)), images, list(cells.values()))
    return Rebuilt(plan, kept, cells, ladders), list(troubles)


def _other_regions(run: Run, images: list[IndexedImage]) -> list[Verdict]:
    """A verdict where other parts of an image are classified here than the run names."""
    recorded = dict(zip(run.images, run.about["dataset"].get("regions_sha256", ()), strict=False))
    unlike = [one.image_id for one in images if regions_sha256(one.regions) != recorded.get(one.image_id, "")]
    text = f"other parts of {unlike[0]} are classified here than in the run" if unlike else ""
    return [Verdict("fail", "data set", text)] if unlike else []


def _added_metrics(run: Run, troubles: list[Verdict], trust: bool) -> tuple[Metric, ...]:
    """The metrics that were added to the task's own, as they are here; a verdict on each that cannot be built."""
    metrics: list[Metric] = []
    for text in run.about.get("metrics", ()):
        try:
            reason = why_not_spec(METRICS, text) if METRICS.parse(text).arguments and not trust else None
            metrics += [] if reason else [METRICS.build(text)]
        except HscError as error:
            reason = str(error)
        if reason:
            troubles.append(Verdict("skipped", f"metric {one_line(text, 100)}", f"cannot be used here: {reason}"))
    return tuple(metrics)


def _built(registry: Registry[Any], recorded: Mapping[str, Any], trust: bool) -> Any:
    """A plug-in from its recorded name and settings; JSON's lists become tuples. Without trust, data-only ones alone.

    Raises:
        ResultsError: it may not be built, or cannot.
        HscError: as the plug-in itself raises it.
    """

    def plain(value: Any) -> Any:
        return tuple(plain(item) for item in value) if isinstance(value, list) else value

    name, config = recorded["name"], recorded["config"]
    try:
        if not trust and (reason := why_not_built(registry, name, config)):
            raise ResultsError(reason)
        return registry.build(Spec(name, {key: plain(value) for key, value in config.items()}))
    except HscError:
        raise
    except Exception as error:  # settings of strangers meet plug-ins of anybody
        raise ResultsError(f"the {registry.noun} {name} cannot be built: {one_line(why(error))}") from error


def _dataset(run: Run, kept: KeptStreams, troubles: list[Verdict], trust: bool) -> Any:
    recorded = run.about["dataset"]
    if "revision" not in recorded:
        path = run.folder / "run.json"
        raise ResultsError(f"{path} is damaged: its data set lacks its revision; restore it or run again")
    name, dataset = recorded["name"], _built(DATASETS, recorded, trust)
    if trust:
        fetch_all([dataset])
    try:
        reason, revision, split = dataset.available(), "", ""
        if not reason:
            revision, split, count = dataset.revision, dataset.split, len(dataset)
    except HscError:
        raise
    except Exception as error:  # a data set may be anybody's, too
        reason = why(error)
    if reason:
        raise ResultsError(f"the data set {name} is not here: {reason}")
    if revision != recorded["revision"]:
        text = f"{name} has the revision {revision} here, the run had {recorded['revision']}"
        troubles.append(Verdict("fail", "data set", text))
    if others := sorted(set(run.scores["split"]) - {str(split)}):
        text = f"its split is {split!r} here, scores.csv has {others[0]!r}"
        troubles.append(Verdict("fail", "data set", text))
    _require_images_of_the_run(run, kept)
    if beyond := next((image for image in kept.images if image.place >= count), None):
        path = run.folder / archive.FILE
        raise ResultsError(f"{path} has {beyond.id} at place {beyond.place}, the data set here has {count} images")
    return dataset


def _require_images_of_the_run(run: Run, kept: KeptStreams) -> None:
    """Refuse kept images that are not the run's, by name, by pixels or by order."""
    path, pixels = run.folder / archive.FILE, run.about["dataset"].get("pixels_sha256")
    places = {name: number for number, name in enumerate(run.images)}
    if strangers := [image.id for image in kept.images if image.id not in places]:
        raise ResultsError(
            f"{path} keeps the image {strangers[0]}, which is none of the run's; it belongs to another run"
        )
    unlike = [
        image.id for image in kept.images if pixels is not None and pixels[places[image.id]] != image.pixels_sha256
    ]
    if unlike:
        raise ResultsError(
            f"{path} keeps other pixels of the image {unlike[0]} than run.json names; it belongs to another run"
        )
    order = [(places[image.id], image.place) for image in kept.images]
    if any(before[0] >= after[0] or before[1] >= after[1] for before, after in itertools.pairwise(order)):
        raise ResultsError(f"{path} keeps its images in another order than the run's; it belongs to another run")


def _unkept(run: Run, cell_id: str, cell: Mapping[str, Any]) -> list[Verdict]:
    """A verdict on an operating point with a rate and without kept streams; those that failed have neither."""
    rated = any(row.cell == cell_id and row.metric == "bpp" and row.status == "ok" for row in run.score_rows)
    text = f"{cell['curve']} {cell['point']} has a rate in scores.csv, and none of its streams is in streams.zip"
    return [Verdict("fail", "streams", text)] if rated else []


def _usable(
    registry: Registry[Any], recorded: Mapping[str, Any], name: str, troubles: list[Verdict], trust: bool
) -> Any:
    """The plug-in; or None, with a verdict, where it may not be built, is not available, or has other weights now."""
    try:
        item = _built(registry, recorded, trust)
        reason = item.available()
        here = {} if reason else {str(k): str(v) for k, v in provenance_of(item).items()}
    except HscError as error:
        reason, here = str(error), {}
    except Exception as error:  # a plug-in may raise anything
        reason, here = why(error), {}
    if reason:
        troubles.append(Verdict("skipped", name, f"cannot be used here: {reason}"))
        return None
    usable = True
    for key in sorted(here.keys() | recorded["provenance"].keys()):
        before, now = recorded["provenance"].get(key, "nothing"), here.get(key, "nothing")
        if before == now:
            continue
        text = f"{key} is {now} here, the run had {before}"
        if "weight" in key or (_HASH.search(f"{before} {now}") and registry is HEADS):
            usable = False
            text += ": another weights file, so nothing of it was read again"
            troubles.append(Verdict("fail", name, text))
        else:
            troubles.append(Verdict("note", name, text))
    return item if usable else None

"""A run's data set, codecs and heads made again from what it wrote of them, each compared with what it was then."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.api import CODECS, DATASETS, TASKS
from benchmarks.harness.config import Config
from benchmarks.harness.guard import why
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.keys import provenance_of
from benchmarks.harness.operating_points import Curve, OperatingPoint
from benchmarks.harness.plan import Cell, Plan, cell_of, identified
from benchmarks.harness.readers import Reader
from benchmarks.programs.data_only import why_not_built
from benchmarks.runs import archive
from benchmarks.runs.archive import KeptStreams
from benchmarks.runs.verify_folder import RunFolder
from benchmarks.text import one_line
from benchmarks.verify.verdict import Verdict
from downstream.api import HEADS
from hsc.errors import HscError, ResultsError
from hsc.registry import Registry, Spec

_HASH = re.compile(r"[0-9a-f]{32,}")


@dataclass
class Setting:
    """What of a run can be built here. cells: recorded id -> the cell of ``plan``."""

    plan: Plan
    kept: KeptStreams
    cells: dict[str, Cell] = field(default_factory=dict)


def _built(registry: Registry[Any], told: Mapping[str, Any], trust: bool) -> Any:
    """A plug-in from what a run wrote of it; JSON's lists are tuples again. Without trust it is asked first whether it
    is data only.

    Raises:
        ResultsError: it may not be built, or cannot.
        HscError: as it says itself.
    """

    def plain(value: Any) -> Any:
        return tuple(plain(v) for v in value) if isinstance(value, list) else value

    try:
        if not trust and (reason := why_not_built(registry, told["name"], told["config"])):
            raise ResultsError(reason)
        return registry.build(Spec(told["name"], {k: plain(v) for k, v in told["config"].items()}))
    except HscError:
        raise
    except Exception as error:  # settings of strangers meet plug-ins of anybody
        raise ResultsError(f"the {registry.noun} {told['name']} cannot be built: {one_line(why(error))}") from error


def restore(run: RunFolder, kept: KeptStreams, found: list[Verdict], trust: bool = False) -> Setting:
    """The run's data set, heads and codecs as they are here; ``found`` takes in a verdict on each that is missing or
    another.

    trust: whether plug-ins that are not data only are built with the folder's settings, which may name programs and
    models.

    Raises:
        ResultsError: the data set cannot be used here, or the kept images are not of the run.
        HscError: the task or data set is not known here.
    """
    dataset = _dataset(run, kept, found, trust)
    told, task = run.about["task"], TASKS.build(run.about["task"]["name"])
    if task.version != told.get("version"):
        found.append(
            Verdict(
                "differs", "task", f"{told['name']} has version {task.version} here, the run had {told.get('version')}"
            )
        )
    read = [(one, _usable(HEADS, one, f"head {one['label']}", found, trust)) for one in run.about.get("heads", [])]
    readers = tuple(Reader(one["label"], head, one["route"]) for one, head in read if head is not None)
    config = Config(task, dataset, (), readers, seed=run.about["seed"])
    images = [
        IndexedImage(image.place, image.id, Pixels(image.pixels_sha256, (image.height, image.width), None))
        for image in kept.images
    ]
    known = identified(readers)
    cells: dict[str, Cell] = {}
    said: set[Verdict] = set()
    for at, cell in run.points.items():
        news = [] if at in kept.streams else _unkept(run, at, cell)
        codec = _usable(CODECS, cell["codec"], f"codec {cell['curve']}", news, trust) if at in kept.streams else None
        found += [verdict for verdict in news if verdict not in said]
        said |= set(news)
        if codec is not None:
            cells[at] = cell_of(config, images, cell["curve"], OperatingPoint(cell["point"], codec), known)
    curves = tuple(Curve(cell.curve, (OperatingPoint(cell.point, cell.codec),)) for cell in cells.values())
    return Setting(Plan(replace(config, curves=curves), images, list(cells.values())), kept, cells)


def _dataset(run: RunFolder, kept: KeptStreams, found: list[Verdict], trust: bool) -> Any:
    told = run.about["dataset"]
    dataset = _built(DATASETS, told, trust)
    try:
        reason, revision, split = dataset.available(), "", ""
        if not reason:
            revision, split, count = dataset.revision, dataset.split, len(dataset)
    except HscError:
        raise
    except Exception as error:  # so may data sets be
        reason = why(error)
    if reason:
        raise ResultsError(f"the data set {told['name']} is not here: {reason}")
    if revision != told["revision"]:
        found.append(
            Verdict(
                "differs",
                "data set",
                f"{told['name']} has the revision {revision} here, the run had {told['revision']}",
            )
        )
    if others := sorted({row.split for row in run.rows} - {str(split)}):
        found.append(Verdict("differs", "data set", f"its split is {split!r} here, rows.csv has {others[0]!r}"))
    _of_the_run(run, kept)
    if far := next((image for image in kept.images if image.place >= count), None):
        raise ResultsError(
            f"{run.path / archive.FILE} has {far.id} at place {far.place}, the data set here has {count} images"
        )
    return dataset


def _of_the_run(run: RunFolder, kept: KeptStreams) -> None:
    """Refuse images that are none of the run's, by name, by pixels or by order."""
    path, pixels = run.path / archive.FILE, run.about["dataset"].get("pixels_sha256")
    places = {name: number for number, name in enumerate(run.images)}
    if strangers := [image.id for image in kept.images if image.id not in places]:
        raise ResultsError(
            f"{path} keeps the image {strangers[0]}, which is none of the run's; it belongs to another run"
        )
    if others := [
        image.id for image in kept.images if pixels is not None and pixels[places[image.id]] != image.pixels_sha256
    ]:
        raise ResultsError(
            f"{path} keeps other pixels of the image {others[0]} than run.json names; it belongs to another run"
        )
    order = [(places[image.id], image.place) for image in kept.images]
    if any(one[0] >= other[0] or one[1] >= other[1] for one, other in itertools.pairwise(order)):
        raise ResultsError(f"{path} keeps its images in another order than the run's; it belongs to another run")


def _unkept(run: RunFolder, at: str, cell: Mapping[str, Any]) -> list[Verdict]:
    """A verdict where an operating point has a rate but no kept streams; those that failed have neither."""
    rated = any(r.cell == at and r.metric == "bpp" and r.status == "ok" for r in run.rows)
    text = f"{cell['curve']} {cell['point']} has a rate in rows.csv, and nothing of it is in streams.zip"
    return [Verdict("differs", "streams", text)] if rated else []


def _usable(registry: Registry[Any], told: Mapping[str, Any], name: str, found: list[Verdict], trust: bool) -> Any:
    """The plug-in, or None with a verdict: not to be built, not here, not available, or with other weights than the
    run's.
    """
    try:
        item = _built(registry, told, trust)
        reason = item.available()
        here = {} if reason else {str(k): str(v) for k, v in provenance_of(item).items()}
    except HscError as error:
        reason, here = str(error), {}
    except Exception as error:  # so may plug-ins be
        reason, here = why(error), {}
    if reason:
        found.append(Verdict("unchecked", name, f"cannot be used here: {reason}"))
        return None
    usable = True
    for key in sorted(here.keys() | told["provenance"].keys()):
        was, now = told["provenance"].get(key, "nothing"), here.get(key, "nothing")
        if was != now and ("weight" in key or (_HASH.search(f"{was} {now}") and name.startswith("head "))):
            found.append(
                Verdict(
                    "differs",
                    name,
                    f"{key} is {now} here, the run had {was}: another weights file, so nothing of it was read again",
                )
            )
            usable = False
        elif was != now:
            found.append(Verdict("note", name, f"{key} is {now} here, the run had {was}"))
    return item if usable else None

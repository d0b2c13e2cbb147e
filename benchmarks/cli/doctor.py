"""What is here, what works, and the cure for what does not: ``hsc-bench doctor``."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS
from benchmarks.conformance.codec_rules import at_point, photo
from benchmarks.harness.answers import why
from benchmarks.harness.measure import ask
from benchmarks.imaging.image_arrays import require_image
from benchmarks.runs.environment import PACKAGES, environment, version
from downstream.api import HEADS, Detections, FeaturePair, Likeness, Route, routes_of
from downstream.compatibility import why_not_latents
from hsc.api import DecodesLatents, Image, Latents
from hsc.errors import HscError, SpecError, UnavailableError
from hsc.registry import Registry
from hsc.weights.fetching import nothing_fetched, unfetched

SIDE = 64
WELL, ILL = 0, 1
KINDS: dict[str, Registry[Any]] = {
    "codec": CODECS,
    "head": HEADS,
    "dataset": DATASETS,
    "task": TASKS,
    "metric": METRICS,
}

EXAMPLES = """examples:
  hsc-bench doctor
      packages and licences, then every plug-in: a 64x64 round trip, its answer, its first image, versions and hashes, or the reason and the
      cure; nothing is downloaded
  hsc-bench doctor --only codec --only head
  hsc-bench doctor --no-trial
      nothing is coded or predicted

exit codes: 0 what claims to be available works, 1 something does not, or a plug-in's file is broken"""


class Finding(NamedTuple):
    """One plug-in. state: "works", "available" (not tried), "needs arguments", "unavailable" or "broken"; text: what
    came out, or why not.
    """

    kind: str
    name: str
    state: str
    text: str
    facts: dict[str, str]


def packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and licence of each package that results depend on; "-" where it is not installed."""
    for name in PACKAGES:
        found = version(name)
        yield name, found or "-", _licence(name) if found else "not installed"


def _licence(package: str) -> str:
    about: Any = importlib.metadata.metadata(package)
    classified = [c.rsplit(" :: ", 1)[-1] for c in about.get_all("Classifier", []) if c.startswith("License :: ")]
    written = about.get("License-Expression") or "; ".join(classified) or about.get("License") or "licence not stated"
    return written.strip().splitlines()[0]


def examine(kind: str, trial: bool) -> Iterator[Finding]:
    """Every plug-in of a kind, as it comes without arguments; what is available is tried if ``trial``."""
    registry = KINDS[kind]
    for name in registry.names():
        yield _one(kind, name, trial)
    for name, reason in sorted(registry.broken.items()):
        yield Finding(kind, name, "broken", reason, {})


def _one(kind: str, name: str, trial: bool) -> Finding:
    try:
        item = KINDS[kind].build(name)
    except SpecError as error:
        return Finding(kind, name, "needs arguments", str(error), {})
    try:
        reason = unfetched(item) or (item.available() if hasattr(item, "available") else None)
        if reason:
            return Finding(kind, name, "unavailable", reason, {})
        facts = {str(k): str(v) for k, v in item.provenance().items()} if hasattr(item, "provenance") else {}
        text = _TRIALS[kind](item) if trial and kind in _TRIALS else ""
        return Finding(kind, name, "works" if text else "available", text, facts)
    except UnavailableError as error:
        return Finding(kind, name, "unavailable", str(error), {})
    except (Exception, SystemExit, GeneratorExit) as error:  # a plug-in may be anybody's
        return Finding(kind, name, "broken", why(error), {})


def _codec(codec: Any) -> str:
    """A round trip in the middle of the ladder; raises where what comes back is no image of that size."""
    image, point = photo(SIDE, SIDE), at_point(codec, len(codec.ladder) // 2) if codec.ladder else codec
    start = time.perf_counter()
    data = point.encode(image)
    coded = time.perf_counter()
    decoded = codec.decode(data)
    ended = time.perf_counter()
    if decoded.shape != image.shape or decoded.dtype != np.uint8:
        raise HscError(f"{SIDE}x{SIDE} came back as {decoded.dtype} {decoded.shape}")
    error = float(np.mean((decoded.astype(np.float64) - image) ** 2))
    quality = "without loss" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB"
    return (
        f"{SIDE}x{SIDE} in {len(data)} bytes, {quality}, encode {1000 * (coded - start):.0f} ms, decode "
        f"{1000 * (ended - coded):.0f} ms"
    )


def _head(head: Any) -> str:
    """One small picture looked at by each route the head takes; empty where no codec here makes what it reads."""
    said = [_read(head, route) for route in routes_of(head)]
    return "; ".join(filter(None, said))


def _read(head: Any, route: Route) -> str:
    """What a head says of one small picture, or of its latents; raises where the answer is not one for it."""
    image = photo(SIDE, SIDE)
    inputs = [image] if route == "image" else _latents(head, image)
    if not inputs:
        return ""
    start = time.perf_counter()
    (answer,) = ask(head, route, inputs, [image])
    took = f"{1000 * (time.perf_counter() - start):.0f} ms, loading it included"
    what = f"{SIDE}x{SIDE}" if route == "image" else f"latents of {SIDE}x{SIDE}"
    if isinstance(answer, Detections):
        return f"{what}: {len(answer.scores)} boxes in {took}"
    if isinstance(answer, Likeness | FeaturePair):
        return f"{what} compared with itself in {took}"
    if answer.labels.shape != image.shape[:2]:
        raise HscError(f"{what} was answered with a map of {answer.labels.shape}")
    return f"{what}: {len(np.unique(answer.labels))} classes in {took}"


def _latents(head: Any, image: Image) -> list[Latents]:
    """The latents of a picture by the first codec here whose latents the head reads; none where there is no such codec."""
    for name in CODECS.names():
        with contextlib.suppress(SpecError):
            codec = CODECS.build(name)
            if isinstance(codec, DecodesLatents) and not codec.available() and not why_not_latents(codec, head):
                point: Any = at_point(codec, len(codec.ladder) // 2) if codec.ladder else codec
                return [point.decode_latents(point.encode(image), tuple(need.name for need in head.needs))]
    return []


def _dataset(dataset: Any) -> str:
    """Its first image, loaded."""
    sample = dataset.load(0)
    height, width = require_image(sample.image).shape[:2]
    return f"{len(dataset)} images, the first of them {width}x{height}"


def _task(task: Any) -> str:
    """Its metrics, its data set and its heads, each built by its name."""
    built = [METRICS.build(name) for name in task.metrics]
    DATASETS.build(task.dataset)
    heads = [HEADS.build(spec) for spec in task.heads]
    return f"{len(built)} metrics, {len(heads)} heads by default"


_TRIALS: dict[str, Callable[[Any], str]] = {"codec": _codec, "head": _head, "dataset": _dataset, "task": _task}


def report(found: Sequence[Finding]) -> str:
    """The findings of one kind as text, a line each, its facts below."""
    wide = max((len(f.name) for f in found), default=0)
    lines = []
    for one in found:
        lines.append(f"  {one.name:{wide}}  {one.state}" + (f": {one.text}" if one.text else ""))
        lines += [f"  {'':{wide}}    {key}: {value}" for key, value in one.facts.items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="hsc-bench doctor",
        description="What is installed, which codecs, heads and data sets can be used here, and the cure for each that "
        "cannot.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", choices=list(KINDS), action="append", help="plug-ins of this kind alone; may be repeated"
    )
    parser.add_argument("--no-trial", action="store_true", help="code and predict nothing")
    options = parser.parse_args(arguments)
    with nothing_fetched():
        return _consult(options)


def _consult(options: argparse.Namespace) -> int:
    """Examine what was asked for, and write it down; returns the exit code."""
    if not options.only:
        here = environment()
        machine = ", ".join(f"{key} {value}" for key, value in here["machine"].items())
        sys.stdout.write(
            f"Python {here['python']}; {machine}; commit {here['commit'] or 'unknown (installed)'}\n\npackages\n"
        )
        sys.stdout.writelines(f"  {name:15} {number:12} {licence}\n" for name, number, licence in packages())
    broken = []
    for kind in options.only or KINDS:
        found = list(examine(kind, trial=not options.no_trial))
        sys.stdout.write(f"\n{kind}s\n{report(found)}")
        sys.stdout.flush()
        broken += [f for f in found if f.state == "broken"]
    sys.stdout.writelines(f"\nbroken: {f.kind} {f.name}: {f.text}" for f in broken)
    sys.stdout.write("\n" if broken else "\nwhat is available works\n" if not options.no_trial else "")
    return ILL if broken else WELL

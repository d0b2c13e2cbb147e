"""``hsc-bench doctor``: what is installed, what works here, and the cure for what does not."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks.api import CODECS, DATASETS, METRICS, TASKS
from benchmarks.cli.command import DONE, FAILED, new_parser, run
from benchmarks.cli.plugins import HasProvenance, MayBeUnavailable
from benchmarks.conformance.codec_rules import at_point, photo
from benchmarks.harness.guard import why
from benchmarks.harness.head_calls import ask
from benchmarks.imaging.image_arrays import require_image
from benchmarks.runs.environment import PACKAGES, environment, version
from downstream.api import HEADS, Classification, Detections, FeaturePair, Fidelity, Route, routes_of
from downstream.compatibility import why_not_latents
from hsc.api import DecodesLatents, Image, Latents
from hsc.errors import HscError, SpecError, UnavailableError
from hsc.registry import Registry
from hsc.weights.fetching import nothing_fetched, unfetched

SIDE = 64
"""Height and width of the image that codecs and heads are tried on, in pixels."""
KINDS: dict[str, Registry[Any]] = {
    "codec": CODECS,
    "head": HEADS,
    "dataset": DATASETS,
    "task": TASKS,
    "metric": METRICS,
}

EXAMPLES = """
  hsc-bench doctor
      packages with versions and licences, then every plug-in: a round trip of a 64x64 image, a prediction, or the
      first image of a data set, with versions and hashes; or the reason why it does not work, and the cure; nothing
      is fetched
  hsc-bench doctor --only codec --only head
  hsc-bench doctor --no-trial
      nothing is encoded or predicted"""


class Finding(NamedTuple):
    """The state of one plug-in. text: the result of its trial, or why it has none. facts: its provenance."""

    kind: str
    name: str
    state: Literal["works", "available", "needs arguments", "unavailable", "broken"]
    text: str
    facts: dict[str, str]


def packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and licence of each package that results depend on; "-" where it is not installed."""
    for name in PACKAGES:
        installed = version(name)
        yield name, installed or "-", _licence(name) if installed else "not installed"


def _licence(package: str) -> str:
    metadata: Any = importlib.metadata.metadata(package)
    classified = [c.rsplit(" :: ", 1)[-1] for c in metadata.get_all("Classifier", []) if c.startswith("License :: ")]
    expression = metadata.get("License-Expression") or "; ".join(classified) or metadata.get("License")
    return str(expression or "licence not stated").strip().splitlines()[0]


def examine(kind: str, trial: bool) -> Iterator[Finding]:
    """Every plug-in of a kind, built without arguments. trial: try those that are available."""
    registry = KINDS[kind]
    for name in registry.names():
        yield _finding(kind, name, trial)
    for name, reason in sorted(registry.broken.items()):
        yield Finding(kind, name, "broken", reason, {})


def _finding(kind: str, name: str, trial: bool) -> Finding:
    try:
        item = KINDS[kind].build(name)
    except SpecError as error:
        return Finding(kind, name, "needs arguments", str(error), {})
    try:
        reason = unfetched(item) or (item.available() if isinstance(item, MayBeUnavailable) else None)
        if reason:
            return Finding(kind, name, "unavailable", reason, {})
        provenance = item.provenance() if isinstance(item, HasProvenance) else {}
        facts = {str(key): str(value) for key, value in provenance.items()}
        text = _TRIALS[kind](item) if trial and kind in _TRIALS else ""
        return Finding(kind, name, "works" if text else "available", text, facts)
    except UnavailableError as error:
        return Finding(kind, name, "unavailable", str(error), {})
    except (Exception, SystemExit, GeneratorExit) as error:  # a plug-in may be anybody's
        return Finding(kind, name, "broken", why(error), {})


def _codec(codec: Any) -> str:
    """A round trip in the middle of the ladder; raises where the decoded image has another size or type."""
    image, point = photo(SIDE, SIDE), at_point(codec, len(codec.ladder) // 2) if codec.ladder else codec
    start = time.perf_counter()
    data = point.encode(image)
    coded = time.perf_counter()
    decoded = codec.decode(data)
    ended = time.perf_counter()
    if decoded.shape != image.shape or decoded.dtype != np.uint8:
        raise HscError(f"{SIDE}x{SIDE} came back as {decoded.dtype} {decoded.shape}")
    error = float(np.mean((decoded.astype(np.float64) - image) ** 2))
    quality = "lossless" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB"
    return (
        f"{SIDE}x{SIDE} in {len(data)} bytes, {quality}, encode {1000 * (coded - start):.0f} ms, decode "
        f"{1000 * (ended - coded):.0f} ms"
    )


def _head(head: Any) -> str:
    """A prediction for one small image by each route of the head; empty where no codec here gives its latents."""
    results = [_read(head, route) for route in routes_of(head)]
    return "; ".join(filter(None, results))


def _read(head: Any, route: Route) -> str:
    """A prediction for one small image, or for its latents; raises where it does not fit the image."""
    image = photo(SIDE, SIDE)
    inputs = [image] if route == "image" else _latents(head, image)
    if not inputs:
        return ""
    start = time.perf_counter()
    (answer,) = ask(head, route, inputs, [image])
    took = f"{1000 * (time.perf_counter() - start):.0f} ms, loading included"
    source = f"{SIDE}x{SIDE}" if route == "image" else f"latents of {SIDE}x{SIDE}"
    if isinstance(answer, Detections):
        return f"{source}: {len(answer.scores)} boxes in {took}"
    if isinstance(answer, Classification):
        return f"{source}: {answer.ranking.shape[1]} classes ranked in {took}"
    if isinstance(answer, Fidelity | FeaturePair):
        return f"{source} compared with itself in {took}"
    if answer.labels.shape != image.shape[:2]:
        raise HscError(f"{source} gave a label map of {answer.labels.shape}")
    return f"{source}: {len(np.unique(answer.labels))} classes in {took}"


def _latents(head: Any, image: Image) -> list[Latents]:
    """The latents of an image, from the first codec here that the head can follow; empty without such a codec."""
    for name in CODECS.names():
        with contextlib.suppress(SpecError):
            codec = CODECS.build(name)
            if isinstance(codec, DecodesLatents) and not codec.available() and not why_not_latents(codec, head):
                point: Any = at_point(codec, len(codec.ladder) // 2) if codec.ladder else codec
                return [point.decode_latents(point.encode(image), tuple(need.name for need in head.needs))]
    return []


def _dataset(dataset: Any) -> str:
    """Its size and that of its first image, which is loaded."""
    sample = dataset.load(0)
    height, width = require_image(sample.image).shape[:2]
    return f"{len(dataset)} images, the first of them {width}x{height}"


def _task(task: Any) -> str:
    """Its metrics, its data set and its heads, each built by its name."""
    metrics = [METRICS.build(name) for name in task.metrics]
    DATASETS.build(task.dataset)
    heads = [HEADS.build(spec) for spec in task.heads]
    return f"{len(metrics)} metrics, {len(heads)} heads by default"


_TRIALS: dict[str, Callable[[Any], str]] = {"codec": _codec, "head": _head, "dataset": _dataset, "task": _task}


def report(findings: Sequence[Finding]) -> str:
    """The findings of one kind as text: a line each, with its facts below."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        text = f": {finding.text}" if finding.text else ""
        lines.append(f"  {finding.name:{width}}  {finding.state}{text}")
        lines += [f"  {'':{width}}    {key}: {value}" for key, value in finding.facts.items()]
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = new_parser(
        "doctor",
        "Show what is installed, which codecs, heads and data sets work here, and the cure for each that does not.",
        EXAMPLES,
        done="all available plug-ins work",
        failed="an available plug-in does not work, or the file of a plug-in is broken",
    )
    parser.add_argument(
        "--only", choices=list(KINDS), action="append", help="only plug-ins of this kind; may be repeated"
    )
    parser.add_argument("--no-trial", action="store_true", help="encode and predict nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(parser(), _consult, argv)


def _consult(options: argparse.Namespace) -> int:
    """Examine the plug-ins asked for and print the findings; returns the exit code."""
    if not options.only:
        _print_environment()
    broken = []
    with nothing_fetched():
        for kind in options.only or KINDS:
            findings = list(examine(kind, trial=not options.no_trial))
            sys.stdout.write(f"\n{kind}s\n{report(findings)}")
            sys.stdout.flush()
            broken += [finding for finding in findings if finding.state == "broken"]
    sys.stdout.writelines(f"\nbroken: {finding.kind} {finding.name}: {finding.text}" for finding in broken)
    if broken or not options.no_trial:
        sys.stdout.write("\n" if broken else "\nall available plug-ins work\n")
    return FAILED if broken else DONE


def _print_environment() -> None:
    """Python, machine, commit and packages on standard output."""
    here = environment()
    machine = ", ".join(f"{key} {value}" for key, value in here["machine"].items())
    commit = here["commit"] or "unknown (installed)"
    sys.stdout.write(f"Python {here['python']}; {machine}; commit {commit}\n\npackages\n")
    sys.stdout.writelines(f"  {name:15} {number:12} {licence}\n" for name, number, licence in packages())

"""What is here, what works, and the cure for what does not: ``python -m benchmarks.doctor``."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.answers import why
from benchmarks.api import CODECS, DATASETS, METRICS, TASKS
from benchmarks.codec_contract import at, photo
from benchmarks.measure import ask
from benchmarks.provenance import PACKAGES, environment, version
from downstream.api import HEADS, Detections, FeaturePair, Likeness
from hsc.errors import HscError, SpecError, UnavailableError
from hsc.registry import Registry

SIDE = 64
WELL, ILL = 0, 1
KINDS: dict[str, Registry[Any]] = {"codec": CODECS, "head": HEADS, "dataset": DATASETS, "task": TASKS, "metric": METRICS}

EXAMPLES = """examples:
  python -m benchmarks.doctor
      packages and licences, then every codec, head and data set: a 64x64 round trip, versions and hashes, or the reason and the cure
  python -m benchmarks.doctor --only codec --only head
  python -m benchmarks.doctor --no-trial
      nothing is coded or predicted

exit codes: 0 what claims to be available works, 1 something does not, or a plug-in's file is broken"""


class Finding(NamedTuple):
    """One plug-in. state: "works", "available" (not tried), "needs arguments", "unavailable" or "broken"; text: what came out, or why not."""

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
        reason = item.available() if hasattr(item, "available") else None
        if reason:
            return Finding(kind, name, "unavailable", reason, {})
        tried = {"codec": _codec, "head": _head}.get(kind)
        # A data set may fetch gigabytes to say where it comes from.
        facts = {str(k): str(v) for k, v in item.provenance().items()} if tried else {}
        if tried is None or not trial:
            return Finding(kind, name, "available", "", facts)
        return Finding(kind, name, "works", tried(item), facts)
    except UnavailableError as error:
        return Finding(kind, name, "unavailable", str(error), {})
    except (Exception, SystemExit, GeneratorExit) as error:  # a plug-in may be anybody's
        return Finding(kind, name, "broken", why(error), {})


def _codec(codec: Any) -> str:
    """A round trip in the middle of the ladder; raises where what comes back is no image of that size."""
    image, point = photo(SIDE, SIDE), at(codec, len(codec.ladder) // 2) if codec.ladder else codec
    start = time.perf_counter()
    data = point.encode(image)
    coded = time.perf_counter()
    decoded = codec.decode(data)
    ended = time.perf_counter()
    if decoded.shape != image.shape or decoded.dtype != np.uint8:
        raise HscError(f"{SIDE}x{SIDE} came back as {decoded.dtype} {decoded.shape}")
    error = float(np.mean((decoded.astype(np.float64) - image) ** 2))
    quality = "without loss" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB"
    return f"{SIDE}x{SIDE} in {len(data)} bytes, {quality}, encode {1000 * (coded - start):.0f} ms, decode {1000 * (ended - coded):.0f} ms"


def _head(head: Any) -> str:
    """One small picture looked at; raises where the answer is not one for it."""
    image = photo(SIDE, SIDE)
    start = time.perf_counter()
    (answer,) = ask(head, "image", [image], [image])
    took = f"{1000 * (time.perf_counter() - start):.0f} ms, loading it included"
    if isinstance(answer, Detections):
        return f"{SIDE}x{SIDE}: {len(answer.scores)} boxes in {took}"
    if isinstance(answer, Likeness | FeaturePair):
        return f"{SIDE}x{SIDE} compared with itself in {took}"
    if answer.labels.shape != image.shape[:2]:
        raise HscError(f"{SIDE}x{SIDE} was answered with a map of {answer.labels.shape}")
    return f"{SIDE}x{SIDE}: {len(np.unique(answer.labels))} classes in {took}"


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
        prog="python -m benchmarks.doctor",
        description="What is installed, which codecs, heads and data sets can be used here, and the cure for each that cannot.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=list(KINDS), action="append", help="plug-ins of this kind alone; may be repeated")
    parser.add_argument("--no-trial", action="store_true", help="code and predict nothing")
    options = parser.parse_args(arguments)
    if not options.only:
        here = environment()
        machine = ", ".join(f"{key} {value}" for key, value in here["machine"].items())
        sys.stdout.write(f"Python {here['python']}; {machine}; commit {here['commit'] or 'unknown (installed)'}\n\npackages\n")
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


if __name__ == "__main__":
    sys.exit(main())

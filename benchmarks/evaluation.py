"""A whole run from Python: what the command line calls, and what a notebook or script calls."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.api import (
    CODECS,
    DATASETS,
    TASKS,
    Comparison,
    Dataset,
    Metric,
    RateDefinition,
    ScoreRow,
    ScoresOriginals,
)
from benchmarks.files.remote_paths import check_remote, refuse_remote
from benchmarks.harness.added_metrics import added_metrics
from benchmarks.harness.added_rates import added_rates
from benchmarks.harness.cache import Store
from benchmarks.harness.conditions import HasWorkers
from benchmarks.harness.config import Config, Overwrite
from benchmarks.harness.execute import run_plan
from benchmarks.harness.executors import TIMEOUT_S, Executor, Processes
from benchmarks.harness.given_names import taken_names
from benchmarks.harness.guard import why_unavailable
from benchmarks.harness.make_plan import leave_out, make_plan, skip_codecs
from benchmarks.harness.match_bpp import checked, match
from benchmarks.harness.operating_points import curves
from benchmarks.harness.operating_points import ladder as second_ladder
from benchmarks.harness.origins import mark_used
from benchmarks.harness.plan import Plan
from benchmarks.harness.progress import Progress, Silent
from benchmarks.harness.readers import Reader
from benchmarks.harness.readiness import make_ready
from benchmarks.harness.torch_threads import one_thread
from benchmarks.programs.codec_server import end_servers
from benchmarks.reporting.outcome import Execution, Outcome
from benchmarks.stats import anchors as anchors_of
from benchmarks.stats.bootstrap import RESAMPLES, Bootstrap
from benchmarks.stats.design import Design
from downstream.api import HEADS, Route, routes_of
from hsc.api import Codec
from hsc.devices import check_device, use_device
from hsc.errors import DataError, UnavailableError, UsageError
from hsc.networks.network_holder import HOLDER
from hsc.registry import parse_spec
from hsc.weights.fetching import Fetches, fetch_all

_LOG = logging.getLogger("benchmarks")


def evaluate(
    task: str = "detection",
    dataset: str | Dataset | None = None,
    codecs: Sequence[str | Codec] | None = None,
    heads: Sequence[str | Any] | None = None,
    *,
    route: Route | Literal["both"] = "both",
    limit: int = 0,
    seed: int = 0,
    anchors: Sequence[str] | None = None,
    repeats: int = 1,
    overwrite: Overwrite = "missing",
    resamples: int = RESAMPLES,
    noise_floor: bool = True,
    match_bpp: Sequence[float] = (),
    metrics: Sequence[str | Metric] = (),
    rates: Sequence[str | RateDefinition] = (),
    device: str = "cpu",
    **options: Any,
) -> Outcome:
    """Run a benchmark: code, decode, let the heads read, score and compare.

    What is None comes from the task's defaults; specs and ready objects may be mixed. The arguments up to ``rates``
    are those of ``configure``; device and the others (workers, cache, progress, keep_streams, timeout_s) those of
    ``run``. What was measured before is read from the cache.

    Raises:
        UsageError, UnavailableError, DataError: before anything is coded.
    """
    config = configure(
        task,
        dataset,
        codecs,
        heads,
        route=route,
        limit=limit,
        seed=seed,
        anchors=anchors,
        repeats=repeats,
        overwrite=overwrite,
        resamples=resamples,
        noise_floor=noise_floor,
        match_bpp=match_bpp,
        metrics=metrics,
        rates=rates,
    )
    return run(config, device=device, **options)


def configure(
    task: str,
    dataset: str | Dataset | None = None,
    codecs: Sequence[str | Codec] | None = None,
    heads: Sequence[str | Any] | None = None,
    *,
    route: Route | Literal["both"] = "both",
    limit: int = 0,
    seed: int = 0,
    anchors: Sequence[str] | None = None,
    repeats: int = 1,
    overwrite: Overwrite = "missing",
    resamples: int = RESAMPLES,
    noise_floor: bool = True,
    match_bpp: Sequence[float] = (),
    metrics: Sequence[str | Metric] = (),
    rates: Sequence[str | RateDefinition] = (),
) -> Config:
    """Turn specs into a Config; ``original`` always comes first, since every table has its ceiling.

    route: heads that read decoded images, heads that read latents, or both.
    noise_floor: the last anchor's second ladder joins the curves (by default that of JPEG, which costs seconds), so
    that every table of differences has its noise floor.
    match_bpp: bits per pixel at which each codec's points are to lie, in place of its ladder; then there is no floor.
    metrics: scored beside those of the task, on the heads that give what they score; tables show the main score of
    each.
    rates: definitions of the rate, such as "enlarged(short=800, most=1333)", that stand in ``scores.csv`` beside
    ``bpp``.

    Raises:
        UsageError: a name or argument is not known, an anchor is none of the codecs, a metric does not fit the run, or
        two rates have one name.
    """
    lists = {"codecs": codecs, "heads": heads, "anchors": anchors, "metrics": metrics, "rates": rates}
    for name, value in lists.items():
        _require_list(name, value)
    job = TASKS.build(task)
    data = _one(DATASETS, job.dataset if dataset is None else dataset)
    codec_specs = taken_names(CODECS, job.codecs if codecs is None else codecs, _curve_labels)
    head_specs = taken_names(HEADS, job.heads if heads is None else heads, lambda spec: [_label(spec)])
    for spec in codec_specs.specs:
        refuse_remote(str(spec))
    found = curves(["original", *codec_specs.specs])
    read: list[tuple[str, Any]] = [(_label(h), _one(HEADS, h)) for h in head_specs.specs]
    for label, head in read:
        outputs = job.outputs if isinstance(job, ScoresOriginals) else (job.output,)
        if head.output not in outputs:
            scored = " or ".join(output.__name__ for output in outputs)
            raise UsageError(f"the head {label} gives {head.output.__name__}, the task {task} scores {scored}")
    if limit < 0 or repeats < 1 or resamples < 0:
        raise UsageError(
            f"limit came as {limit}, repeats as {repeats} and resamples as {resamples}; expected at least 0, 1 and 0"
        )
    readers = tuple(
        Reader(label, head, way)
        for label, head in dict(read).items()
        for way in routes_of(head)
        if route in (way, "both")
    )
    if not readers:
        raise UsageError(
            f"no head of this run takes the route {route}: "
            f"{', '.join(label for label, _ in read) or 'there is none'}; name another --head"
        )
    labels = [c.label for c in found]
    named = (
        tuple(anchors_of.find(a, labels) for a in anchors)
        if anchors is not None
        else _default_anchors(job.anchors, labels)
    )
    matched = checked(match_bpp)
    if named and noise_floor and not matched:
        last = anchors_of.members(named[-1], labels)[0]
        second = second_ladder(next(c for c in found if c.label == last))
        found += [second] if second else []
    added = added_metrics(metrics, job, [reader.head for reader in readers])
    names = tuple({**codec_specs.names, **head_specs.names}.items())
    return Config(
        job,
        data,
        tuple(found),
        readers,
        named,
        limit,
        seed,
        repeats,
        overwrite,
        resamples,
        matched,
        added,
        names,
        default_heads=heads is None,
        rates=added_rates(rates),
    )


def _curve_labels(spec: str) -> list[str]:
    return [curve.label for curve in curves([spec])]


def _require_list(name: str, value: Any) -> None:
    """Refuse a text where several are expected, since its letters would be taken for names. Raises UsageError."""
    if isinstance(value, str):
        raise UsageError(f"{name} came as the text {value!r}, expected a list, as in {name}=[{value!r}]")


def _one(registry: Any, spec: Any) -> Any:
    if not isinstance(spec, str):
        return spec
    if registry is not DATASETS:
        refuse_remote(spec)
        return registry.build(parse_spec(spec))
    check_remote(spec)
    dataset = registry.build(parse_spec(spec))
    if not isinstance(dataset, Fetches):  # a plug-in that only knows paths
        refuse_remote(spec)
    return dataset


def _label(head: Any) -> str:
    return str(HEADS.parse(head) if isinstance(head, str) else HEADS.spec(head))


def _default_anchors(names: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    known = {str(CODECS.parse(label)) for label in labels} | {parse_spec(label).name for label in labels}
    return tuple(anchors_of.find(name, labels) for name in names if str(CODECS.parse(name)) in known)


def run(
    config: Config,
    *,
    workers: int = 0,
    device: str = "cpu",
    cache: str | Path = "results/cache",
    progress: Progress | None = None,
    executor: Executor | None = None,
    dry: bool = False,
    keep_streams: int = 0,
    timeout_s: float = TIMEOUT_S,
    tell: Callable[[str], None] = _LOG.warning,
    rehearse: Callable[[Plan], None] | None = None,
    ready: Plan | None = None,
) -> Outcome:
    """Plan, measure and score. workers 0: one a core; ``dry`` stops after the plan (no rows, and no search for rates).

    executor: does the work, by default processes of this machine; it is left open.
    device: "cpu", "cuda" or "cuda:N", where networks run. cache: the folder of measurements that are kept.
    keep_streams: of how many images the outcome holds the bitstreams, for ``benchmarks.verify``. timeout_s: what a
    codec, a head or the data set may take for an image before it counts as hung. tell: is given what a reader of the
    scores must know, a sentence each, as soon as it is known. rehearse: is given the plan before anything is coded, and
    may refuse it. ready: the plan of an earlier run of these images, heads and labels: what was found of them then
    holds, and none is tried again.

    Raises:
        UnavailableError: the data set, or all heads, cannot be used here.
        UsageError: no codec or no head is left that could be scored.
        DataError: images or labels do not load.
        ResultsError: the cache cannot be used.
    """
    from benchmarks.harness.nothing_scored import scores_nothing
    from benchmarks.harness.scorer import score
    from benchmarks.runs.keep_streams import keep
    from benchmarks.runs.records import collect

    check_device(device)
    if workers < 0 or keep_streams < 0:
        raise UsageError(
            f"workers came as {workers} and streams to keep as {keep_streams}; expected 0 or more (0 workers: one a "
            f"core)"
        )
    progress = progress or Silent()
    workers = workers or (executor.workers if isinstance(executor, HasWorkers) else len(os.sched_getaffinity(0)))
    execution = Execution(workers, device, Path(cache))
    fetch_all(
        [
            config.dataset,
            *(reader.head for reader in config.readers),
            *(curve.points[0].codec for curve in config.curves),
        ],
        progress,
    )
    own = None if executor else Processes(workers, timeout_s)
    executor = executor or own
    assert executor is not None
    try:
        with use_device(device), one_thread(), HOLDER.run(), Store(Path(cache) / "store.sqlite") as store:
            matched: list[Comparison] = []
            plan = make_plan(config, store, executor, progress)
            if ready is None:
                make_ready(plan, store, executor, progress, tell)
            else:
                _as_ready_as(ready, plan, store)
            if rehearse:
                rehearse(plan)
            if dry:
                return Outcome(plan, [], execution=execution)
            if config.match_bpp:
                before = plan
                config, matched = match(config, store, executor, progress)
                plan = make_plan(config, store, executor, progress)
                _as_ready_as(before, plan, store)
            revision = config.dataset.revision
            if plan.todo:
                run_plan(plan, store, executor, progress)
            mark_used(plan, store)
            bootstrap = Bootstrap.of([image.pixels.sha256 for image in plan.images], config.resamples, config.seed)
            scored, counts = score(plan, store, bootstrap, executor, progress)
            if config.dataset.revision != revision:
                raise DataError(
                    "images or labels of the data set were changed while the run went on, so its scores are of "
                    "neither; run it again"
                )
            for text in scores_nothing(plan, scored, counts):
                plan.notices.append(text)
                tell(text)
            comparisons = _comparisons(config.design, scored, bootstrap, matched)
            keeping = keep(plan, keep_streams, store, executor, progress) if keep_streams else None
            return Outcome(plan, scored, comparisons, counts, collect(plan, store), keeping, execution, bootstrap)
    finally:
        progress.end()
        end_servers()  # of this process, where the executor is ``Inline``
        if own:
            own.close()


def _as_ready_as(before: Plan, plan: Plan, store: Store) -> None:
    """Take over what ``make_ready`` found for another plan of the same images, heads and labels."""
    skip_codecs(plan, before.skipped)
    leave_out(plan, before.unfit, store)
    plan.notices += before.notices


def _comparisons(
    design: Design, scored: Sequence[ScoreRow], bootstrap: Bootstrap, matched: Sequence[Comparison]
) -> list[Comparison]:
    """All comparisons of a run's scores. matched: those that the search for equal rates made."""
    from benchmarks.stats.bd_comparison import differences
    from benchmarks.stats.codec_comparison import leads
    from benchmarks.stats.head_comparison import heads_apart

    return [
        *matched,
        *differences(design, scored, bootstrap),
        *leads(design, scored, bootstrap, matched),
        *heads_apart(design, scored, bootstrap),
    ]


def require(config: Config, names: Sequence[str]) -> None:
    """Refuse to begin where a codec that must be in the table cannot run.

    Raises:
        UsageError: the codec is not part of the run.
        UnavailableError: it is, but cannot run here.
    """
    labels = [c.label for c in config.curves if not c.second_of]
    for name in names:
        if CODECS.parse(name).name not in (*CODECS.names(), anchors_of.FRONT) and name not in labels:
            near = difflib.get_close_matches(name, dict.fromkeys([*labels, *CODECS.names()]), n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"this run has: {', '.join(labels)}"
            raise UsageError(f"the required codec {name!r} is not known; {hint}")
        wanted = anchors_of.members(anchors_of.find(name, labels), labels)
        for codec in (c.points[0].codec for c in config.curves if c.label in wanted):
            if reason := why_unavailable(codec):
                raise UnavailableError(f"the required codec {name} cannot run: {reason}")

"""Executors keep one contract; with Ray, lost machines are told from bad jobs, and machines must fit the run."""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares
from ray_stand_in import Ray, RayTaskError

from benchmarks.cli.options import executor as executor_of
from benchmarks.cli.verify import parser
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.conditions import PROCESSES, Machine, conditions_of, machine
from benchmarks.harness.config import Config
from benchmarks.harness.executors import Executor, Inline, JobResult, Processes
from benchmarks.harness.jobs import Job
from benchmarks.harness.known_times import times_by_kind
from benchmarks.harness.measure import measure
from benchmarks.harness.operating_points import OperatingPoint
from benchmarks.harness.plan import Plan, cell_of
from benchmarks.harness.progress import Silent
from benchmarks.harness.ray_executor import RayExecutor
from benchmarks.harness.ray_node import Done, Misfit, Setting, carry_out
from benchmarks.harness.shared_values import Copied, Shared
from benchmarks.harness.trials import ReadLabelMaps, ReadOriginal
from hsc.devices import current_device, use_device
from hsc.errors import HscError, UnavailableError, UsageError

NODE = "a"
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


def answered(order: bytes, setting: Setting, names: Sequence[str], *values: bytes) -> list[Done]:
    """A machine that works in this process."""
    known = pickle.loads(order)
    for name, value in zip(names, values, strict=True):
        Copied[Any](name).put(value)
    return [Done(None, known.work(known.job), None)]


@contextmanager
def ray_of(stand_in: Ray, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[RayExecutor]:
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    yield RayExecutor(**options)


def on_a_machine(order: bytes, setting: Setting, names: Sequence[str], *values: bytes) -> Any:
    """A machine that works as those of a cluster do, in a process below this one."""
    return carry_out(order, setting, NODE, names, *values)


def squared(job: tuple[int, Shared[int]]) -> tuple[int, str]:
    number, shared = job
    return number * number + shared.get(), os.environ.get("HSC_DATA", "")


def bad_at_three(job: list[int]) -> list[int]:
    if 3 in job:
        os._exit(7)
    return job


def each(job: list[int], doing: Any) -> list[list[int]]:
    return [[number] for number in job] if len(job) > 1 else []


def made(kind: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    if kind == "inline":
        return Inline()
    if kind == "processes":
        return Processes(2)
    if kind == "stand-in":
        monkeypatch.setitem(sys.modules, "ray", Ray(on_a_machine))
    return RayExecutor()


KINDS = [
    "inline",
    pytest.param("stand-in", marks=pytest.mark.slow),
    pytest.param("processes", marks=pytest.mark.slow),
    pytest.param("ray", marks=[pytest.mark.slow, needs_ray]),
]


@pytest.mark.filterwarnings("ignore:.*:FutureWarning", "ignore:.*:ResourceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_executor_does_all_jobs_in_the_callers_surroundings(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = made(kind, monkeypatch)
    monkeypatch.setenv("HSC_DATA", "far")
    try:
        assert executor.workers >= 1
        with executor.share(100) as shared:
            results = list(executor.run(squared, [(number, shared) for number in range(5)]))
        assert sorted(result.answer for result in results) == [(100 + n * n, "far") for n in range(5)]
        assert all(result.died is None and result.answer[0] == 100 + result.job[0] ** 2 for result in results)
        if kind != "inline":
            ends = sorted(executor.run(bad_at_three, [[1, 2], [3, 4], [5]], parts=each), key=lambda end: end.job)
            assert [end.job for end in ends] == [[1, 2], [3], [4], [5]]
            assert [end.answer for end in ends] == [[1, 2], None, [4], [5]]
            assert f"{ends[1].died}" == "the worker process died: it exited with status 7"
            assert [end.answer for end in executor.run(bad_at_three, [[8]], apart=True)] == [[8]]
        counted = executor.run(abs, [2, 7], then=lambda job, answer: [-1] if answer == 2 else [])
        assert sorted(end.job for end in counted) == [-1, 2, 7]
    finally:
        getattr(executor, "close", int)()


# Lost machines


def ends(executor: Executor, jobs: Sequence[Any], work: Callable[[Any], Any] = sum, **how: Any) -> list[Any]:
    results: list[JobResult[Any, Any]] = list(executor.run(work, jobs, **how))
    return sorted((r.job, r.answer, r.died and f"{r.died}") for r in results)


def test_a_job_whose_machine_is_lost_is_done_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Ray(answered, lost=lambda job, times: job == [2] and times < 3)
    with ray_of(stand_in, monkeypatch, retries=3) as executor:
        assert ends(executor, [[1], [2], [3]]) == [([1], 1, None), ([2], 2, None), ([3], 3, None)]
    assert [stand_in.jobs.count([n]) for n in (1, 2, 3)] == [1, 4, 1]


def test_an_image_that_takes_machines_down_fails_and_its_neighbours_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Ray(answered, lost=lambda job, times: 2 in job)
    with ray_of(stand_in, monkeypatch, retries=1) as executor:
        one, bad, three = ends(executor, [[1, 2, 3]], parts=each)
    assert (one, three) == (([1], 1, None), ([3], 3, None))
    assert bad == ([2], None, "the machine, or Ray's process on it, was lost 2 times: the node died")
    assert [stand_in.jobs.count(job) for job in ([1, 2, 3], [1], [2], [3])] == [2, 1, 2, 1]


def test_jobs_are_taken_as_there_is_room_and_cancelled_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Ray(answered)
    taken: list[int] = []
    jobs = ([taken.append(number) or number] for number in range(100))
    with ray_of(stand_in, monkeypatch) as executor:
        assert executor.workers == 4  # those of the nodes alive
        results = executor.run(sum, jobs)
        assert next(results).answer == 0
        assert len(taken) == stand_in.most == 8
        results.close()  # type: ignore[attr-defined]
        assert stand_in.cancelled == [1, 2, 3, 4, 5, 6, 7]
    few = Ray(answered)
    with ray_of(few, monkeypatch, workers=3) as executor:
        assert len(ends(executor, [[number] for number in range(9)])) == 9
    assert (executor.workers, few.most) == (3, 3)


# Machines that do not fit, and requests that cannot be met


def fails(*arguments: Any) -> Any:
    raise RayTaskError("No module named 'benchmarks'")


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (lambda *arguments: Misfit("it has numpy 1.0, expected 2.0"), "cannot take jobs: it has numpy 1.0, expected 2"),
        (fails, "cannot take jobs: No module named 'benchmarks'"),
    ],
)
def test_a_machine_that_does_not_fit_ends_the_run(
    work: Callable[..., Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_of(Ray(work), monkeypatch) as executor, pytest.raises(UnavailableError, match=reason):
        list(executor.run(sum, [[1]]))


def test_a_machine_compares_folder_versions_and_source_with_the_drivers(tmp_path: Path) -> None:
    here = Setting.here()
    assert {"Python", "HSC-Bench's source", "numpy", "torch"} <= here.versions.keys()
    for setting, reason in [
        (replace_field(here, folder=str(tmp_path / "none")), "cannot enter the run's folder"),
        (replace_field(here, versions={**here.versions, "numpy": "0.1"}), "expected 0.1; install the same"),
    ]:
        outcome = carry_out(b"", setting, NODE, [])
        assert isinstance(outcome, Misfit)
        assert reason in outcome.reason
    (done,) = carry_out(b"no pickle", here, NODE, [])  # type: ignore[misc]
    assert done.answer is None
    assert done.died.startswith("the machine cannot read the job: ")


def replace_field(setting: Setting, **fields: Any) -> Setting:
    return setting._replace(**fields)


def test_without_ray_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match=r"pip install 'hsc-bench\[ray\]'"):
        RayExecutor()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["--ray-address", "here:6379"], "--ray-address came without --executor ray"),
        (["--gpus-per-worker", "1"], "--gpus-per-worker came without --executor ray"),
        (["--gpus-per-reader", "1"], "--gpus-per-reader came without --executor ray"),
        (["--executor", "processes", "--gpus-per-reader", "1"], "--gpus-per-reader came without --executor ray"),
        (["--executor", "ray", "--gpus-per-reader", "1", "--gpus-per-worker", "1"], "leave one of them out"),
        (["--executor", "ray", "--gpus-per-reader", "0"], "expected more than 0"),
        (["--workers", "-1"], "workers came as -1"),
        (["--executor", "ray", "--retries", "-1"], "retries as -1"),
    ],
)
def test_options_that_do_not_fit_are_refused(line: list[str], error: str) -> None:
    with pytest.raises(UsageError, match=error), executor_of(parser().parse_args(["folder", *line])):
        pass


def test_the_line_says_what_does_the_work() -> None:
    def kind(*line: str) -> type:
        with executor_of(parser().parse_args(["folder", *line]), alone=True) as executor:
            return type(executor)

    assert kind("--executor", "inline", "--workers", "4") is Inline
    assert kind("--executor", "processes", "--workers", "1") is Processes
    assert kind("--workers", "1") is Inline
    assert kind("--workers", "2") is Processes


# Times of many machines


class Spread(Inline):
    """Says that its jobs run on many machines. machines: where, a job each in turn."""

    many_machines = True

    def __init__(self, *machines: Machine) -> None:
        self.machines = machines

    def run(self, work: Any, jobs: Any, **how: Any) -> Any:
        for number, (job, answer, died) in enumerate(super().run(work, jobs, **how)):
            for one in answer if isinstance(answer, list) else ():
                if hasattr(one, "machine"):
                    one.machine = self.machines[number % len(self.machines)]
            yield JobResult(job, answer, died)


def times(folder: Path, executor: Any, images: int = 12) -> tuple[set[tuple[str, str]], Any]:
    config = configure("detection", Squares(images), [Blocks(4)], [FindSquares()], anchors=[], resamples=0)
    outcome = run(config, cache=folder, executor=executor)
    assert not outcome.failed
    rows = [row for row in outcome.score_rows if row.metric in ("encode_s", "decode_s", "head_s")]
    assert len(rows) == 6
    return {(row.status, row.reason) for row in rows}, outcome


def test_times_of_one_kind_of_machine_are_pooled_and_those_of_two_are_not(tmp_path: Path) -> None:
    slow, twin, fast = (
        Machine(host, kind, 2, "", 2, "cpu") for host, kind in [("a", "old"), ("b", "old"), ("c", "new")]
    )
    ((status, reason),), outcome = times(tmp_path / "alike", Spread(slow, twin))
    assert (status, reason) == ("ok", "measured once; 2 processes of 1 thread; cpu; old, 2 cores; hosts a, b")
    assert outcome.plan.conditions.anywhere
    again, outcome = times(tmp_path / "alike", Spread(fast))  # what the others have timed is not timed again
    assert again == {(status, reason)}
    rows, outcome = times(tmp_path / "mixed", Spread(slow, fast))
    assert {status for status, _ in rows} == {"n/a"}
    ((_, reason),) = rows
    assert reason.startswith("its images were timed on 2 kinds of machine, whose times are not pooled: 4 of 12 ")
    assert "new, 2 cores; host c / 8 of 12 " in reason
    rows, _ = times(tmp_path / "mixed", Inline())
    assert {status for status, _ in rows} == {"ok"}  # on one machine, times are its own
    assert all(f"host {machine().host}" in reason for _, reason in rows)


def test_a_time_is_kept_under_the_machine_it_was_taken_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROCESSES, "5")
    there = replace(machine(), host="there", processor="P")
    many, one = conditions_of(3, Spread(there)), conditions_of(3, Inline())
    taken = many.on(there)
    assert (taken.host, taken.processor, taken.processes, taken.repeats) == ("there", "P", 5, 3)
    assert one.on(there) == one
    assert not taken.anywhere
    assert taken.kind == many.on(replace(there, host="elsewhere")).kind != many.on(replace(there, cores=99)).kind


# Heads that read apart from the coding


def stages(jobs: Sequence[Any]) -> list[str]:
    return [job.stage for job in jobs if isinstance(job, Job)]


def numbers(outcome: Outcome) -> list[str]:
    """The rows of a run without those of times."""
    return [repr(row) for row in outcome.score_rows if not row.metric.endswith("_s")]


def squares(*heads: Any, images: int = 20) -> Config:
    codecs: Any = [Blocks(2), Blocks(4)]
    return configure(
        "detection",
        Squares(images),
        codecs,
        list(heads or [FindSquares()]),
        anchors=[],
        resamples=20,
        noise_floor=False,
    )


def in_two_passes(
    config: Config, cache: Path, monkeypatch: pytest.MonkeyPatch, work: Any = None, **how: Any
) -> tuple[Outcome, Ray]:
    stand_in = Ray(work or answered, **how)
    with ray_of(stand_in, monkeypatch, gpus_to_read=0.5) as executor:
        return run(config, cache=cache, executor=executor), stand_in


def test_jobs_that_code_hold_no_gpu_and_those_that_read_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, stand_in = in_two_passes(squares(), tmp_path / "two", monkeypatch)
    alone = run(squares(), cache=tmp_path / "one", executor=Inline())
    assert not outcome.failed
    assert numbers(outcome) == numbers(alone)
    assert {row.status for row in outcome.score_rows if row.metric.endswith("_s")} == {"ok"}
    assert stages(stand_in.jobs).count("code") == stages(stand_in.jobs).count("read") == 9  # originals and two codecs
    assert stages(stand_in.jobs)[-1] == "read" != stages(stand_in.jobs)[-2]  # reading goes before more coding
    for job, *held in stand_in.held:
        reads = job.stage == "read" if isinstance(job, Job) else isinstance(job, ReadOriginal)
        assert held == ([0, 0.5] if reads else [1, 0.0])
    more, stand_in = in_two_passes(squares(FindSquares(), FindSquares(130)), tmp_path / "two", monkeypatch)
    assert not more.failed
    kept = [job for job in stand_in.jobs if isinstance(job, Job) and isinstance(job.codec, Blocks)]
    assert stages(kept) == ["read"] * 6  # the cache has the streams
    again, stand_in = in_two_passes(squares(), tmp_path / "two", monkeypatch)
    assert stages(stand_in.jobs) == []
    assert numbers(again) == numbers(alone)


def test_a_lost_machine_costs_one_of_the_two_passes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(job: Any, times: int) -> bool:
        return isinstance(job, Job) and job.stage == "read" and not times

    outcome, stand_in = in_two_passes(squares(), tmp_path / "two", monkeypatch, lost=lost)
    assert numbers(outcome) == numbers(run(squares(), cache=tmp_path / "one", executor=Inline()))
    assert (stages(stand_in.jobs).count("code"), stages(stand_in.jobs).count("read")) == (9, 18)


@pytest.mark.parametrize("stage", ["code", "read"])
def test_an_image_that_ends_its_process_in_one_pass_costs_itself_alone(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(order: bytes, *rest: Any) -> list[Done]:
        job = pickle.loads(order).job
        if getattr(job, "stage", "") != stage or len(job.items) == 1 or job.codec != Blocks(2):
            return answered(order, *rest)
        bad = [part for part in job.parts(None) if part.items[0].image.index == 3]
        good = [part for part in job.parts(None) if part not in bad]
        return [Done(part, None, "it died") for part in bad] + [Done(part, measure(part), None) for part in good]

    outcome, stand_in = in_two_passes(squares(), tmp_path, monkeypatch, work)
    bad = next(cell for cell in outcome.plan.cells if cell.codec == Blocks(2))
    reader = outcome.plan.config.readers[0].name
    keys = {bad.predictions[reader][3]} | ({bad.streams[3]} if stage == "code" else set())
    assert outcome.plan.failures == dict.fromkeys(keys, "image squares-3: it died")
    read = [job for job in stand_in.jobs if isinstance(job, Job) and job.stage == "read" and job.codec == Blocks(2)]
    assert sum(item.image.index == 3 for job in read for item in job.items) == (0 if stage == "code" else 1)
    with Store(tmp_path / "store.sqlite") as store:
        assert len(store.known("predictions", bad.predictions[reader])) == 19
        assert len(store.known("streams", bad.streams)) == (19 if stage == "code" else 20)


class InBatches(Blocks):
    """Codes the images of a job together."""

    batch_images = 6

    def encode_batch(self, images: Sequence[Any]) -> list[bytes]:
        return [self.encode(image) for image in images]

    def decode_batch(self, streams: Sequence[bytes]) -> list[Any]:
        return [self.decode(data) for data in streams]


def test_batches_and_latents_are_as_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codecs: Any = [Grid(8), InBatches(4)]
    config = configure("detection", Squares(8), codecs, [FindSquares(), GridSquares()], anchors=[], resamples=0)
    outcome, stand_in = in_two_passes(config, tmp_path / "two", monkeypatch)
    alone = run(config, cache=tmp_path / "one", executor=Inline())
    assert not outcome.failed
    assert numbers(outcome) == numbers(alone)
    times = [[(row.codec, row.head, row.metric, row.status) for row in o.score_rows] for o in (outcome, alone)]
    assert times[0] == times[1]
    assert {"code", "read"} == set(stages(stand_in.jobs))


@dataclass(frozen=True)
class OnDevice(Blocks):
    """Says that its streams are of the device that they are made on."""

    def provenance(self) -> dict[str, str]:
        return {**super().provenance(), "device": current_device()}


def test_codecs_of_a_device_are_coded_there_and_times_of_others_are_those_of_the_cpu(tmp_path: Path) -> None:
    config = squares(images=1)
    images = run(config, cache=tmp_path, executor=Inline()).plan.images
    with use_device("cuda"), Store(tmp_path / "store.sqlite") as store:
        plain, own = (
            cell_of(config, images, "", OperatingPoint("", codec), (), reads_apart=True)
            for codec in (Blocks(3), OnDevice(3))
        )
        assert (plain.coded_apart, own.coded_apart) == (True, False)
        plan = Plan(config, images, [plain, own], conditions=conditions_of(1, Spread()))
        assert plan.conditions
        here = Machine("a", "P", 2, "", 2, "cpu")
        for cell in plan.cells:
            times = {(cell.streams[0], kind): 1.0 for kind in ("encode_s", "latents")}
            store.add({}, {}, times, plan.conditions.on(here))
        assert [kinds.kind.device for kinds in times_by_kind(plan, plain, store, "encode_s", plain.streams)] == ["cpu"]
        assert times_by_kind(plan, plain, store, "latents", plain.streams) == []
        assert times_by_kind(plan, own, store, "encode_s", own.streams) == []


def test_jobs_that_code_compute_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []

    def work(order: bytes, *rest: Any) -> list[Done]:
        devices.append(pickle.loads(order).surroundings.device)
        return answered(order, *rest)

    for to_read, expected in [(1.0, ["cpu", "cuda"]), (None, ["cuda", "cuda"])]:
        devices.clear()
        with ray_of(Ray(work), monkeypatch, gpus_to_read=to_read) as executor, use_device("cuda"):
            list(executor.run(str, [ReadLabelMaps(None, (), 2), "any other"]))
        assert devices == expected


# A real cluster


class Kills(Silent):
    """Ends a node of a cluster when a third of the work is done."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.kill, self.total, self.done, self.killed = kill, 0, 0, False

    def begin(self, stage: str, total: int) -> None:
        if stage == "coding and reading":
            self.total, self.done = total, 0

    def advance(self, cell: str, images: int) -> None:
        self.done += images
        if self.total and not self.killed and self.done >= self.total / 3:
            self.killed = True
            self.kill()


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:FutureWarning", "ignore:.*:ResourceWarning", "ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("gpus_to_read", [None, 1.0])
def test_a_cluster_that_loses_a_node_gives_the_same_tables(
    gpus_to_read: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "300")  # a busy machine starts nodes slowly
    import ray
    from ray.cluster_utils import Cluster

    codecs = [Blocks(size) for size in (2, 4, 6, 8)]
    config = configure("detection", Squares(40), codecs, [FindSquares()], anchors=[], resamples=50, noise_floor=False)  # type: ignore[arg-type]
    alone = run(config, cache=tmp_path / "alone", executor=Inline())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    try:
        node = cluster.add_node(num_cpus=1, num_gpus=1)
        cluster.wait_for_nodes()
        executor = RayExecutor(address=cluster.address, gpus_to_read=gpus_to_read)
        try:
            assert executor.workers == (4 if gpus_to_read else 2)
            progress = Kills(lambda: cluster.remove_node(node, allow_graceful=False))
            shared = run(config, cache=tmp_path / "shared", executor=executor, progress=progress)
        finally:
            executor.close()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert progress.killed
    assert not shared.failed
    assert len(numbers(alone)) > 20
    assert numbers(alone) == numbers(shared)
    assert {row.status for row in shared.score_rows if row.metric.endswith("_s")} <= {"ok", "n/a"}


def test_errors_of_the_tree_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(job: list[int]) -> HscError:
        return UsageError("no")

    with ray_of(Ray(answered), monkeypatch) as executor:
        ((_, answer, died),) = executor.run(work, [[1]])
    assert (type(answer), died) == (UsageError, None)

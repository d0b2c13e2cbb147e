"""Runs with codecs behind a server or in batches: what is started and timed, what a bad image costs, what stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hsc_testkit import FindSquares, Squares
from run_folders import judged, squares_line, write_run
from test_endings import ROOT, alive, within

from benchmarks.api import CODECS
from benchmarks.codecs.command import load_codec_file
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline, Processes
from hsc.errors import CodecError

SERVER = """
import json, os, sys, time, zlib
folder, bad = sys.argv[1:3]
open(folder + "/starts", "a").write(f"{os.getpid()}\\n")
def say(answer):
    sys.stdout.write(json.dumps(answer) + "\\n"); sys.stdout.flush()
say({"ready": 1})
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "quit": break
    data = open(request["input"], "rb").read()
    if bad == "hangs":
        open(folder + "/begun", "w").close(); time.sleep(60)
    if request["do"] == "encode":
        if bad.isdigit() and zlib.crc32(data) == int(bad): os._exit(5)
        step = request["settings"]["step"]
        head, pixels = data[:15], data[15:]
        out = head + zlib.compress(bytes(v // step * step for v in pixels))
    else:
        out = data[:15] + zlib.decompress(data[15:])
    open(request["output"], "wb").write(out)
    say({"id": request["id"]})
"""
BATCH = """
import os, sys, zlib
do, step, source, target = sys.argv[1:]
open(os.path.dirname(os.path.abspath(__file__)) + "/calls", "a").write(do + f" {len(os.listdir(source))}\\n")
for name in os.listdir(source):
    data = open(os.path.join(source, name), "rb").read()
    head, rest = data[:15], data[15:]
    if do == "encode" and rest[:1] == b"\\x00" and rest[1:2] == b"\\x00": sys.exit("no black pictures")
    out = zlib.compress(bytes(v // int(step) * int(step) for v in rest)) if do == "encode" else zlib.decompress(rest)
    open(os.path.join(target, name[:4] + (".bin" if do == "encode" else ".ppm")), "wb").write(head + out)
"""
RATE = '[rate]\nfield = "step"\nladder = [64, 16]\n'


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    CODECS.names()
    monkeypatch.setattr(CODECS, "_classes", dict(CODECS._classes))
    return


def served(folder: Path, bad: object = "none") -> Path:
    """A codec file whose server dies at the picture of this checksum."""
    (folder / "server.py").write_text(SERVER)
    file = folder / "served.toml"
    file.write_text(
        f'name = "served"\nimage = "ppm"\n[server]\n'
        f'command = ["{sys.executable}", "-I", "-S", "{{folder}}/server.py", "{{folder}}", "{bad}"]\n{RATE}'
    )
    return file


def batched(folder: Path, images: int = 50) -> Path:
    (folder / "batch.py").write_text(BATCH)
    file = folder / "batched.toml"
    words = f'"{sys.executable}", "-I", "-S", "{{folder}}/batch.py"'
    file.write_text(
        f'name = "batched"\nimage = "ppm"\n[batch]\nimages = {images}\n'
        f'encode = [{words}, "encode", "{{step}}", "{{input}}", "{{output}}"]\n'
        f'decode = [{words}, "decode", "-", "{{input}}", "{{output}}"]\n{RATE}'
    )
    return file


def outcome(folder: Path, file: Path, executor: Any, images: int = 5) -> Any:
    load_codec_file(file)
    options: dict[str, Any] = {"anchors": [], "resamples": 0, "noise_floor": False}
    config = configure("detection", Squares(images), [file.stem], [FindSquares()], **options)
    return run(config, cache=folder / "cache", executor=executor)


def scores(rows: Any, codec: str) -> dict[tuple[str, str], float]:
    """The numbers of a codec that are none of time, by point and metric."""
    numbers = {(r.point, r.metric): r.value for r in rows if r.codec == codec and not r.metric.endswith("_s")}
    return {key: value for key, value in numbers.items() if not np.isnan(value)}


def starts(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "starts").read_text().split()]


def test_a_worker_has_one_server_for_all_points_and_it_ends_with_the_run(tmp_path: Path) -> None:
    executor = Processes(1)
    rows = outcome(tmp_path, served(tmp_path), executor).score_rows
    pids = starts(tmp_path)
    assert len(pids) == 2, "one of the worker, one of the process that decodes apart"
    assert all(map(alive, pids))
    executor.close()
    assert not any(map(alive, pids))
    assert {r.point for r in rows if r.codec == "served" and r.metric == "encode_s" and r.value > 0} == {
        "step=64",
        "step=16",
    }


def test_a_server_that_dies_at_an_image_costs_that_image_alone(tmp_path: Path) -> None:
    from zlib import crc32

    picture = Squares(5).load(2).image
    bad = crc32(b"P6\n144 56\n255\n" + np.ascontiguousarray(picture).tobytes())
    done = outcome(tmp_path, served(tmp_path, bad), Inline())
    assert not any(map(alive, starts(tmp_path))), "servers of this process end with the run, too"
    failures = set(done.plan.failures.values())
    assert failures
    assert all("image squares-2: the server of served ended with status 5" in reason for reason in failures)
    failed = [row for row in done.score_rows if row.codec == "served" and row.metric == "bpp"]
    assert [row.status for row in failed] == ["failed", "failed"]
    known = outcome(tmp_path, served(tmp_path), Inline())
    assert all(row.status == "ok" for row in known.score_rows if row.codec == "served" and row.metric == "bpp")


def test_a_batch_codec_gives_the_numbers_of_a_server_and_no_times(tmp_path: Path) -> None:
    rows = outcome(tmp_path, batched(tmp_path), Inline()).score_rows
    (tmp_path / "s").mkdir()
    same = outcome(tmp_path / "s", served(tmp_path / "s"), Inline()).score_rows
    assert scores(rows, "batched") == scores(same, "served")
    times = [row for row in rows if row.codec == "batched" and row.metric in ("encode_s", "decode_s")]
    assert len(times) == 4
    assert all(row.status == "n/a" and np.isnan(row.value) and "batches" in row.reason for row in times)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.count("encode 5") == calls.count("decode 5") == 2, "one call for each point"
    assert set(calls) == {"encode 5", "decode 5", "decode 1"}, "and single ones to decode apart"
    before = len(calls)
    outcome(tmp_path, batched(tmp_path), Inline())
    assert len((tmp_path / "calls").read_text().splitlines()) == before, "a second run finds nothing left to do"


def test_batches_hold_as_many_images_as_the_file_says(tmp_path: Path) -> None:
    outcome(tmp_path, batched(tmp_path, images=2), Inline())
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [calls.count(f"encode {n}") for n in (1, 2)] == [2, 4]


def test_a_batch_run_verifies(tmp_path: Path) -> None:
    load_codec_file(batched(tmp_path))
    write_run(tmp_path / "run", ["batched"], dataset=Squares(5), anchors=[], noise_floor=False, keep=2)
    status, verdicts = judged(tmp_path / "run")
    assert status == 0, [verdict for verdict in verdicts if verdict.kind != "pass"]


def test_a_batch_that_raises_is_a_reason_for_each_image(tmp_path: Path) -> None:
    load_codec_file(batched(tmp_path))
    cls: Any = CODECS.get("batched")
    cls.encode_batch = lambda self, images: [b"x"] * (len(images) + 1)
    reasons = set(outcome_of(tmp_path).plan.failures.values())
    assert all("encode_batch gave list, expected a list of 5" in reason for reason in reasons)
    cls.encode_batch = lambda self, images: [CodecError("too dark"), *([b""] * (len(images) - 1))]
    reasons = set(outcome_of(tmp_path).plan.failures.values())
    assert {reason.split(": ", 1)[1] for reason in reasons} == {
        "too dark",
        "encode gave no bytes at all, expected a stream that decode can read",
    }


def outcome_of(folder: Path) -> Any:
    """A run of the registered codec ``batched``."""
    options: dict[str, Any] = {"anchors": [], "resamples": 0, "noise_floor": False}
    config = configure("detection", Squares(5), ["batched"], [FindSquares()], **options)
    return run(config, cache=folder / "cache", executor=Inline())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=["TERM", "INT", "KILL"])
def test_a_run_that_is_ended_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    with hanging(tmp_path) as process:
        (pid,) = starts(tmp_path)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert b"Traceback" not in told
    assert within(10, lambda: not alive(pid))


@pytest.mark.slow
def test_a_worker_that_is_killed_leaves_no_server(tmp_path: Path) -> None:
    with hanging(tmp_path) as process:
        (pid,) = starts(tmp_path)
        worker = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        (tmp_path / "server.py").write_text(SERVER.replace('bad == "hangs"', "False"))
        os.kill(worker, signal.SIGKILL)
        assert within(20, lambda: not alive(pid))
        _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told.decode()


@contextlib.contextmanager
def hanging(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose server hangs in its first request; it has ended when the block does."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/plugin")])}
    where = {"cache": folder / "cache", "out": folder / "out", "workers": 1, "gallery": 0, "resamples": 0}
    line = squares_line("--no-noise-floor", "--codec-file", str(served(folder, "hangs")), codec="served", **where)
    process = subprocess.Popen(
        line, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        assert within(300, (folder / "begun").is_file)
        yield process
    finally:
        process.kill()
        process.communicate()

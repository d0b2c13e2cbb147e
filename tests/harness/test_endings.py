"""However a run ends, nothing of it stays: no worker, no program that a codec started, no child of one in a session of
its own, no folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_testkit import Leaving
from hsc_testkit import FindSquares, Squares
from run_folders import squares_line

from benchmarks.cli.run import unwritten
from benchmarks.evaluation import configure, run
from benchmarks.harness.endings import Stopped, listened, stop_if_asked
from benchmarks.harness.executors import Processes
from benchmarks.harness.worker import step
from benchmarks.programs import leftovers
from benchmarks.programs.external_program import private_folder, run_program
from hsc.errors import UsageError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something comes true soon."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def started(tmp_path: Path, workers: int) -> tuple[subprocess.Popen[bytes], list[int], Path]:
    """A run that hangs in a codec's program, the ids of that program and of its children, and its folder for temporary
    files.
    """
    log, temporary = tmp_path / "log", tmp_path / "tmp"
    temporary.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/plugin")]),
        "TMPDIR": str(temporary),
    }
    codec = f'hostile(mode=program, size=4, log="{log}")'
    where = {"cache": tmp_path / "cache", "out": tmp_path / "out"}
    line = squares_line("--no-noise-floor", codec=codec, workers=workers, gallery=0, resamples=0, **where)
    process = subprocess.Popen(
        line, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert within(120, lambda: log.is_file() and log.read_text().endswith("."))
    return process, [int(pid) for pid in log.read_text()[:-1].split()], temporary


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["TERM", "INT", "KILL"],
)
def test_a_run_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals, status: int, workers: int) -> None:
    process, programs, temporary = started(tmp_path, workers)
    assert len(programs) == 4
    assert all(alive(pid) for pid in programs)
    assert list(temporary.iterdir())
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == status
    assert b"Traceback" not in told
    assert within(10, lambda: not any(alive(pid) for pid in programs)), [pid for pid in programs if alive(pid)]
    assert within(10, lambda: not list(temporary.iterdir())), list(temporary.iterdir())


def test_a_child_in_a_session_of_its_own_ends_with_the_call_and_is_no_encode_time(tmp_path: Path) -> None:
    """It holds the program's pipes open; the program itself takes a moment."""
    log = tmp_path / "log"
    executor = Processes(1)
    config = configure(
        "detection", Squares(2), [Leaving(4, log=str(log))], [FindSquares()], anchors=[], resamples=0, noise_floor=False
    )
    rows = run(config, cache=tmp_path / "cache", executor=executor).score_rows
    children = [int(pid) for pid in log.read_text().split()]
    assert len(children) >= 2
    assert not [pid for pid in children if alive(pid)]  # the worker still lives
    executor.close()
    (encode_s,) = (r.value for r in rows if r.metric == "encode_s" and r.codec != "original")
    assert encode_s < 4


def test_the_output_of_a_program_comes_whole_though_a_child_keeps_its_pipes() -> None:
    write = "import os, sys, time\nsys.stdout.write('x' * 300000)\nsys.stdout.flush()\n"
    code = write + "if os.fork() == 0:\n    os.setsid()\n    time.sleep(20)"
    begun = time.monotonic()
    assert run_program([sys.executable, "-c", code]).stdout == b"x" * 300000
    assert time.monotonic() - begun < 8


def test_private_folders_lie_in_one_room_that_is_held() -> None:
    with private_folder() as first, private_folder() as second:
        assert first.parent == second.parent == leftovers.room()
        held = os.open(first.parent / ".held", os.O_RDWR)
        try:
            with pytest.raises(OSError, match="temporarily unavailable"):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(held)


def test_rooms_of_the_dead_are_cleared_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rooms = {name: tmp_path / name for name in ("hsc-dead", "hsc-held", "hsc-young", "hsc-bare", "other")}
    for name, folder in rooms.items():
        (folder / "private").mkdir(parents=True)
        if name != "hsc-bare":
            (folder / ".held").touch()
            if name != "hsc-young":
                os.utime(folder / ".held", (1, 1))
    (tmp_path / "hsc-link").symlink_to(rooms["other"])
    with (rooms["hsc-held"] / ".held").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        leftovers.clear_abandoned_rooms()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "hsc-bare",
        "hsc-held",
        "hsc-link",
        "hsc-young",
        "other",
    ]
    assert (rooms["other"] / "private").is_dir()


def test_a_signal_is_told_from_an_interrupt_that_a_plug_in_raises() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped) as stopped, listened():
        _swallow_an_interrupt()
    assert stopped.value.number == signal.SIGINT
    stop_if_asked()  # forgotten by now
    assert signal.getsignal(signal.SIGINT) is before


def _swallow_an_interrupt() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        stop_if_asked()


def _slowly(job: int) -> int:
    for _ in range(3):
        step()
        time.sleep(0.8)
    return job + 1


def _hangs(job: int) -> int:
    step()
    time.sleep(100 if job == 2 else 0)
    return job


def test_the_limit_is_of_a_step_and_not_of_a_job() -> None:
    executor = Processes(2, timeout_s=2.0)
    assert list(executor.run(_slowly, [1])) == [(1, 2, None)]
    told = {job: (answer, str(died or "")) for job, answer, died in executor.run(_hangs, [1, 2, 3])}
    executor.close()
    assert told[1] == (1, "")
    assert told[3] == (3, "")
    assert told[2][1] == "it took over 2 s an image, the limit (--timeout-s), and its process was ended"


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_must_leave_some_time(limit: float) -> None:
    with pytest.raises(UsageError, match="more than 0"):
        Processes(1, timeout_s=limit)


def test_a_full_disk_is_one_sentence_with_its_cure() -> None:
    told = unwritten(OSError(errno.ENOSPC, "No space left on device"), Path("results/x"))
    assert told.startswith(
        "cannot read or write a file in results/x: No space left on device; make room, or name another folder"
    )
    assert "see that" in unwritten(PermissionError(errno.EACCES, "Permission denied", "a/b"))


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/dev/full").exists() or os.getuid() != 0, reason="mounts small file systems, as root alone may"
)
@pytest.mark.parametrize("size", ["8k", "64k", "120k"])
def test_a_disk_that_fills_leaves_whole_files_and_no_traceback(tmp_path: Path, size: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/plugin")])}
        where = {"cache": tmp_path / "cache", "out": disk / "out"}
        line = squares_line(codec="blocks", workers=1, gallery=2, keep_streams=6, **where)
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert not [path.name for path in (disk / "out").glob(".*")]
    finally:
        subprocess.run(["umount", disk], check=False)

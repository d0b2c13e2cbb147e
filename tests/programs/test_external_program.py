"""External programs: what they may leave behind, which is nothing, and what they may do to us, which is as little."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.programs.external_program import binary_sha256, private_folder, run_program
from hsc.errors import ProcessError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    """Runs still; a zombie waiting for its new parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def ends(pid: int) -> bool:
    """Is gone within two seconds: a signal that was sent takes a moment on a busy machine."""
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_feeds_stdin_and_returns_both_outputs() -> None:
    big = os.urandom(1 << 20)
    run = run_program(
        python("import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.write('note')"),
        stdin=big,
    )
    assert (run.stdout, run.stderr) == (big, "note")


def test_failure_carries_the_end_of_stderr() -> None:
    with pytest.raises(ProcessError, match=r"status 3: .*the cause"):
        run_program(python("import sys; sys.stderr.write('x' * 100000 + '\\nthe cause\\n'); sys.exit(3)"))


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ProcessError, match="does not start"):
        run_program(["/no/such/program"])


def test_a_program_that_never_reads_its_stdin() -> None:
    assert run_program(python("pass"), stdin=bytes(1 << 22)).stdout == b""


def test_too_much_stdout_ends_it() -> None:
    start = time.monotonic()
    with pytest.raises(ProcessError, match="wrote over 1000 bytes"):
        run_program(python("while True: print('x' * 1000)"), max_output_bytes=1000, timeout_s=20)
    with pytest.raises(ProcessError, match="wrote over 1000 bytes"):
        run_program(python("print('x' * 2000)"), max_output_bytes=1000, timeout_s=20)
    assert time.monotonic() - start < 10


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(c.pid)); time.sleep(60)"
    )
    start = time.monotonic()
    with pytest.raises(ProcessError, match=r"ran over its 1\.5 s"):
        run_program(python(code), timeout_s=1.5)
    assert time.monotonic() - start < 10
    assert ends(int((tmp_path / "pid").read_text())), "a child outlived its program"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_child_that_holds_stdout_open_does_not_hold_us(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(c.pid)"
    )
    start = time.monotonic()
    child = int(run_program(python(code), timeout_s=30).stdout)
    assert time.monotonic() - start < 10
    assert ends(child), "a child outlived its program"


def test_outputs_are_read_and_must_be_there_and_not_empty() -> None:
    with private_folder() as folder:
        run = run_program(python("open('a', 'wb').write(b'abc')"), folder=folder, outputs=("a",))
        assert run.files == {"a": b"abc"}
        with pytest.raises(ProcessError, match="left no b"):
            run_program(python("pass"), folder=folder, outputs=("b",))
        with pytest.raises(ProcessError, match="0 bytes"):
            run_program(python("open('c', 'w')"), folder=folder, outputs=("c",))
        with pytest.raises(ProcessError, match="10 bytes, expected 1 to 9"):
            run_program(python("open('d', 'w').write('0123456789')"), folder=folder, outputs=("d",), max_output_bytes=9)


def test_private_folder_goes_away_in_any_case() -> None:
    with private_folder() as first:
        (first / "deep").mkdir()
        (first / "deep" / "file").write_text("x")
        assert first.stat().st_mode & 0o077 == 0
    assert not first.exists()
    with pytest.raises(KeyError), private_folder() as second:
        raise KeyError
    assert not second.exists()


def test_binary_sha256_follows_the_file(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"one")
    assert binary_sha256(program) == hashlib.sha256(b"one").hexdigest()
    program.write_bytes(b"other")
    assert binary_sha256(program) == hashlib.sha256(b"other").hexdigest()

"""A process's room, the folder that holds all of its private folders, and the ends it takes: nothing of ours outlives
us.

    room()  hsc-XXXX/.held      a lock held while the owner lives, so that a later start clears the rooms of the dead
            hsc-XXXX/...        private folders of this process, its workers and their programs

Whatever way the process ends (normally, SIGTERM, SIGKILL, a crash), ``benchmarks.programs.watcher`` ends what it
started and removes the room.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.programs import watcher

try:
    import fcntl
except ImportError:  # no POSIX: rooms are made and left as ever, and nothing is swept
    fcntl = None  # type: ignore[assignment]

_HELD = ".held"
_PREFIX = "hsc-"
_YOUNG_S = 60.0
"""A younger room may not have got its lock yet."""
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def room() -> Path:
    """The folder for private folders: that of the run this process works for, else this process's own, made at the
    first call.
    """
    given = os.environ.get(watcher.ROOM)
    return Path(given) if given and Path(given).is_dir() else _own_room(os.getpid())


def marked_environment() -> dict[str, str]:
    """This process's environment with the mark by which what is started with it is found again."""
    return {**os.environ, watcher.ROOM: str(room())}


@functools.lru_cache(maxsize=1)
def _own_room(pid: int) -> Path:
    """A fresh room with its watcher; ``pid`` is this process's, so that a fork makes its own."""
    clear_rooms_of_the_dead()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if fcntl is not None:
        held = os.open(folder / _HELD, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)  # held until this process ends, however it ends
    line = [sys.executable, "-I", "-S", watcher.__file__, str(pid), str(folder)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(line, start_new_session=True, cwd="/", **quiet)  # type: ignore[call-overload]
    atexit.register(_leave, pid, folder, process)
    return folder


def _leave(pid: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
    if os.getpid() != pid:
        return
    watcher.end_carriers({f"{watcher.ROOM}={folder}".encode()})
    shutil.rmtree(folder, ignore_errors=True)
    process.kill()
    process.wait()


def clear_rooms_of_the_dead() -> None:
    """Remove this user's rooms whose owner is gone, and its watcher too (a machine that was switched off)."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            lock = os.open(folder / _HELD, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if time.time() - os.fstat(lock).st_mtime > _YOUNG_S:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def adopt_orphans() -> None:
    """From now on descendants whose parents end become children of this process (Linux), where ``end_orphans`` finds
    them.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(mark: str) -> None:
    """End this process's children that carry ``mark`` ("NAME=value"), and collect them: what a program of ours left
    behind.

    Those that were adopted since, because their parent was one of them, too.
    """
    marks = {mark.encode()}
    for _ in range(20):
        orphans = watcher.marked_below(os.getpid(), marks)
        if not orphans:
            return
        watcher.end(orphans)
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

"""The room, a folder that holds all private folders of a process, and the clean-up of whatever the process leaves.

    room()  hsc-XXXX/.held      a lock held while the owner lives, so that a later start removes abandoned rooms
            hsc-XXXX/...        private folders of this process, its workers and their programs

However the process ends (normally, SIGTERM, SIGKILL, a crash), ``benchmarks.programs.watcher`` ends the processes it
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
except ImportError:  # no POSIX: rooms are made as elsewhere, but abandoned ones are not removed
    fcntl = None  # type: ignore[assignment]

_HELD = ".held"
_PREFIX = "hsc-"
_YOUNG_S = 60.0
"""A younger room's owner may not have locked it yet."""
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def room() -> Path:
    """The room of the run this process works for, else of this process itself, created on the first call."""
    given = os.environ.get(watcher.ROOM)
    return Path(given) if given and Path(given).is_dir() else _own_room(os.getpid())


def marked_environment() -> dict[str, str]:
    """This process's environment with the variable by which processes started with it are recognised."""
    return {**os.environ, watcher.ROOM: str(room())}


@functools.lru_cache(maxsize=1)
def _own_room(pid: int) -> Path:
    """A fresh room with its watcher. pid: this process's, so that a fork gets a room of its own."""
    clear_abandoned_rooms()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if fcntl is not None:
        lock = os.open(folder / _HELD, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)  # held until this process ends, however it ends
    command = [sys.executable, "-I", "-S", watcher.__file__, str(pid), str(folder)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, cwd="/", **quiet)  # type: ignore[call-overload]
    atexit.register(_leave, pid, folder, process)
    return folder


def _leave(pid: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Clean up at a normal exit, so that the watcher need not."""
    if os.getpid() != pid:
        return
    watcher.end_carriers({f"{watcher.ROOM}={folder}".encode()})
    shutil.rmtree(folder, ignore_errors=True)
    process.kill()
    process.wait()


def clear_abandoned_rooms() -> None:
    """Remove this user's rooms that nobody holds: their owner and its watcher are gone, as after a power cut."""
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
    """Make orphaned descendants children of this process from now on (Linux), so that ``end_orphans`` finds them."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(mark: str) -> None:
    """End and collect the children of this process that carry ``mark`` ("NAME=value"), left behind by a program.

    Children that this process adopts meanwhile, because their parent was one of them, are ended too.
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

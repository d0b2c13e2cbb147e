"""Ends the processes that a dead process leaves behind, and removes its room.

    process ----starts----> watcher PID ROOM         (the watcher checks twice a second whether the process still lives)
       |                        |
       +--programs, workers, each with HSC_ROOM=ROOM in its environment, which their children inherit

The file is run by its path and imports only the standard library. Processes are recognised by their environment,
because descent would lose a child whose parent ended first, and a session or group a child that left it. A program that
empties its environment is still known if it was seen below a process that has the variable. Without /proc, only folders
are removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Set
from pathlib import Path

ROOM = "HSC_ROOM"
"""The environment variable that marks everything a process of ours started; its value is the process's room."""

_LOOK_S = 0.5
_ROUNDS = 20
_PROC = Path("/proc")


def carriers(marks: Set[bytes]) -> set[int]:
    """The ids of other processes on this machine that have one of ``marks`` ("NAME=value") in their environment."""
    pids = (int(entry.name) for entry in _PROC.glob("[0-9]*"))
    return {pid for pid in pids if pid != os.getpid() and _carries(pid, marks)}


def _carries(pid: int, marks: Set[bytes]) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:  # it is gone, or another user's
        return False
    return not marks.isdisjoint(environment.split(b"\0"))


def children(pid: int) -> list[int]:
    """The ids of a process's children, including those it adopted."""
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (OSError, ValueError):
        return []


def started(pid: int) -> str:
    """A process's start time in the kernel's ticks, empty if it is gone: it distinguishes processes of the same id."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def end(pids: Iterable[int]) -> None:
    """Kill processes; those already gone, or not ours to kill, are skipped."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def end_carriers(marks: Set[bytes]) -> None:
    """Kill every process that has one of ``marks``, until no new one appears."""
    for _ in range(_ROUNDS):
        alive = {pid for pid in carriers(marks) if not _is_dead(pid)}
        if not alive:
            return
        end(alive)
        time.sleep(0.01)


def _is_dead(pid: int) -> bool:
    """Whether a process is gone, or only waits to be collected."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def marked_below(pid: int, marks: Set[bytes]) -> dict[int, str]:
    """The descendants of a process that carry a mark, and their descendants: id -> start time in ticks."""
    seen: dict[int, str] = {}
    ahead = [(child, False) for child in children(pid)]
    while ahead:
        child, inherited = ahead.pop()
        marked = inherited or _carries(child, marks)
        if marked and child != os.getpid():
            seen[child] = started(child)
        ahead += [(below, marked) for below in children(child)]
    return seen


def watch(pid: int, room: Path) -> None:
    """Wait for the end of the process that started this one, then end what it left running and remove its room."""
    marks = {f"{ROOM}={room}".encode()}
    seen: dict[int, str] = {}
    while os.getppid() == pid:
        seen |= marked_below(pid, marks)
        time.sleep(_LOOK_S)
    end_carriers(marks)
    end(descendant for descendant, ticks in seen.items() if ticks and started(descendant) == ticks)
    shutil.rmtree(room, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(int(sys.argv[1]), Path(sys.argv[2]))

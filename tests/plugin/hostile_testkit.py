"""Plug-ins that misbehave on one image, on purpose: blocks, squares and their data set as somebody's broken
distribution would bring them.

The image is the third, known by its brightness; -1 stands for all.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hsc_testkit import SPACE, Blocks, FindSquares

from benchmarks.api import CODECS
from benchmarks.programs.external_program import run_program
from downstream.api import HEADS, Detections, LabelSpace

_KEPT: dict[bytes, Any] = {}


class NoTextError(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")


def _recurse() -> None:
    _recurse()


def misbehave(mode: str) -> None:
    """Do what ``mode`` says, if it is something that is done and not an answer."""
    if mode == "raise":
        raise RuntimeError("on \x1b[31mpurpose\n" + "a long story, " * 10_000)
    if mode == "exit":
        sys.exit(0)
    if mode == "interrupt":
        raise KeyboardInterrupt
    if mode == "generator":
        raise GeneratorExit
    if mode == "recursion":
        _recurse()
    if mode == "memory error":
        raise MemoryError
    if mode == "no text":
        raise NoTextError
    if mode == "abort":
        os.abort()
    if mode == "quit":
        os._exit(0)
    if mode == "segv":
        ctypes.string_at(0)
    if mode == "hang":
        time.sleep(1000)
    if mode == "close":
        os.closerange(3, 64)
    if mode == "stdout":
        sys.stdout.write("noise\n")
        sys.stdout.flush()


def is_victim(image: np.ndarray, victim: int) -> bool:
    return victim in (-1, int(image.max()) - 200)


@CODECS.register("hostile")
@dataclass(frozen=True)
class Hostile(Blocks):
    """Blocks with a fault. where: in encode, decode, available or provenance. log: a file it leaves its programs' ids
    in.
    """

    mode: str = ""
    where: str = "encode"
    victim: int = 2
    log: str = ""

    def encode(self, image: np.ndarray) -> Any:
        data: Any = b"\0" + super().encode(image)
        if not is_victim(image, self.victim):
            return data
        if self.where == "decode":
            return b"\1" + data[1:]
        if self.where != "encode":
            return data
        if self.mode == "program":
            leave_programs(Path(self.log))
        if self.mode == "write":
            image[:] = 0
        if self.mode == "write all the same":
            ctypes.memset(image.ctypes.data, 0, image.nbytes)
        if self.mode == "remember":
            _KEPT[data] = super().decode(data[1:])
            return b"\2" + data
        misbehave(self.mode)
        answers = {"none": None, "bytearray": bytearray(data), "text": "text", "empty": b""}
        return answers.get(self.mode, data)

    def decode(self, data: bytes) -> Any:
        if data[:1] == b"\2":
            return _KEPT[data[1:]]
        image = super().decode(data[1:])
        if data[:1] != b"\1":
            return image
        misbehave(self.mode)
        answers = {
            "none": None,
            "floats": image.astype(np.float32),
            "short": image[:-1],
            "turned": image.transpose(1, 0, 2),
            "grey": image[..., 0],
            "list": image.tolist(),
            "dice": np.random.default_rng().integers(0, 255, image.shape).astype(np.uint8),
        }
        return answers.get(self.mode, image)

    def available(self) -> str | None:
        if self.where == "available":
            misbehave(self.mode)
        return "not here\n\x1b[2J" if self.mode == "absent" else None

    def provenance(self) -> dict[str, Any]:
        if self.where == "provenance":
            misbehave(self.mode)
        odd = {"dice": os.urandom(4).hex(), "nan": float("nan"), "bytes": b"1"}
        return {"code": odd.get(self.mode, "hostile-1") if self.where == "provenance" else "hostile-1"}


def leave_programs(log: Path) -> None:
    """Run a program that has a child in its group and one in a session of its own, which has lost its environment; and
    stays with them.
    """
    sleeper = "import time; time.sleep(300)"
    code = (
        "import os, subprocess, sys, time\n"
        f"near = subprocess.Popen([sys.executable, '-c', {sleeper!r}])\n"
        f"far = subprocess.Popen([sys.executable, '-c', {sleeper!r}], start_new_session=True)\n"
        f"bare = subprocess.Popen([sys.executable, '-c', {sleeper!r}], start_new_session=True, env={{}})\n"
        "time.sleep(1.5)\n"
        f"open({str(log)!r}, 'w').write(f'{{os.getpid()}} {{near.pid}} {{far.pid}} {{bare.pid}}.')\n"
        "time.sleep(300)\n"
    )
    run_program([sys.executable, "-c", code])


@dataclass(frozen=True)
class Leaving(Blocks):
    """Blocks whose encoder is a program that ends at once and leaves a child in a session of its own, which holds its
    pipes open.
    """

    log: str = ""

    def encode(self, image: np.ndarray) -> bytes:
        code = (
            "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], "
            "start_new_session=True); "
            f"open({self.log!r}, 'a').write(f'{{c.pid}} ')"
        )
        run_program([sys.executable, "-c", code])
        return super().encode(image)


@HEADS.register("hostile")
@dataclass(frozen=True)
class HostileHead(FindSquares):
    """Squares with a fault. names: what its two classes are called, where not as usual."""

    mode: str = ""
    victim: int = 2
    names: tuple[str, ...] = ()

    @property
    def label_space(self) -> LabelSpace:  # type: ignore[override]
        return LabelSpace("odd", self.names) if self.names else SPACE

    def predict(self, images: Any) -> Any:
        found = [self._said(image) for image in images]
        return {"few": found[:-1], "nothing": None}.get(self.mode, found)

    def _said(self, image: np.ndarray) -> Any:
        right = self._one(image)
        if not is_victim(image, self.victim):
            return right
        boxes, scores, labels = right.boxes_xyxy, right.scores, right.labels
        if self.mode == "write":
            image[:] = 0
        misbehave(self.mode)
        nan = np.float32(np.nan)
        wrong: dict[str, Any] = {
            "nan boxes": (boxes * nan, scores, labels),
            "inf boxes": (boxes + np.float32(np.inf), scores, labels),
            "nan scores": (boxes, scores * nan, labels),
            "percent": (boxes, scores * 100, labels),
            "negative scores": (boxes, -scores, labels),
            "label too high": (boxes, scores, labels + 2),
            "label too low": (boxes, scores, labels - 1),
            "float labels": (boxes, scores, labels + 0.4),
            "bool labels": (boxes, scores, labels > 0),
            "objects": (boxes.astype(object), scores, labels),
            "turned round": (boxes[:, [2, 3, 0, 1]], scores, labels),
            "whole boxes": (boxes.astype(np.int64), scores, labels),
            "too many": (
                np.zeros((100_001, 4), np.float32),
                np.zeros(100_001, np.float32),
                np.zeros(100_001, np.int64),
            ),
        }
        if self.mode == "dict":
            return {"boxes": boxes}
        return Detections(*wrong[self.mode]) if self.mode in wrong else right

"""Slow codecs begin near the answers of a quick one: how much is coded, that answers stay, what is tried but once."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
from hsc_testkit import Squares

from benchmarks.advice.advising import Advice, advise
from benchmarks.advice.pace import MIN_IMAGES
from benchmarks.api import Sample
from benchmarks.harness.executors import Inline, JobResult
from benchmarks.harness.rate_search import TOLERANCE
from benchmarks.harness.trials import ReadOriginal
from benchmarks.stats.bootstrap import MIN_IMAGES_KEPT
from hsc.errors import CodecError

J = TypeVar("J")
R = TypeVar("R")
KEEP = [0.9]


@dataclass(frozen=True)
class Fade:
    """Images faded to grey, the less the larger the file; it counts the images that it encodes."""

    quality: int = 50

    spec_name: ClassVar[str] = "fade"
    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[tuple[int, ...]] = (20, 40, 60, 80)
    rate_range: ClassVar[tuple[int, int]] = (0, 100)
    encoded: ClassVar[list[int]] = []

    def encode(self, image: np.ndarray) -> bytes:
        self.encoded.append(1)
        share = self.share()
        kept = np.round(128 + share * (image.astype(float) - 128)).astype(np.uint8)
        return struct.pack("<HH", *image.shape[:2]) + zlib.compress(kept.tobytes()) + bytes(round(9 * 2200**share))

    def share(self) -> float:
        """Of the contrast that is kept."""
        return self.quality / 100

    def decode(self, data: bytes) -> np.ndarray:
        height, width = struct.unpack_from("<HH", data)
        pixels = zlib.decompressobj().decompress(data[4:])
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "fade-1"}


@dataclass(frozen=True)
class Slow(Fade):
    """The same on another scale, at length."""

    step: int = 300

    spec_name: ClassVar[str] = "slow"
    rate_field: ClassVar[str] = "step"
    ladder: ClassVar[tuple[int, ...]] = (900, 700, 500, 300, 100)
    rate_range: ClassVar[tuple[int, int]] = (1000, 0)
    encoded: ClassVar[list[int]] = []

    def encode(self, image: np.ndarray) -> bytes:
        time.sleep(0.005)
        return super().encode(image)

    def share(self) -> float:
        return float(1 - (self.step / 1000) ** 0.7)


@dataclass(frozen=True)
class Odd(Slow):
    """The same, with light added that the head takes no notice of and PSNR does."""

    spec_name: ClassVar[str] = "odd"
    encoded: ClassVar[list[int]] = []

    def decode(self, data: bytes) -> np.ndarray:
        decoded = super().decode(data)
        return np.where(decoded > 200, np.uint8(255), decoded)


@dataclass(frozen=True)
class Picky(Slow):
    """The same, at every fifth step alone."""

    spec_name: ClassVar[str] = "picky"
    encoded: ClassVar[list[int]] = []

    def encode(self, image: np.ndarray) -> bytes:
        if self.step % 5:
            raise CodecError("every fifth step alone")
        return super().encode(image)


@dataclass(frozen=True)
class LateSquares(Squares):
    """Squares whose first images are black, though their labels say otherwise."""

    def load(self, index: int) -> Sample:
        sample = super().load(index)
        return replace(sample, image=np.zeros_like(sample.image)) if index < MIN_IMAGES else sample


class Recording(Inline):
    """Runs jobs in this process, and remembers them."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def run(self, work: Callable[[J], R], jobs: Iterable[J], **options: Any) -> Iterator[JobResult[J, R]]:
        for result in super().run(work, jobs, **options):
            self.jobs.append(result.job)
            yield result


class Stages:
    """A progress that remembers its stages."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def begin(self, stage: str, total: int) -> None:
        self.names.append(stage)

    def advance(self, cell: str, images: int) -> None: ...

    def end(self) -> None: ...


def asked(cache: Path, codecs: list[Any], images: int = MIN_IMAGES_KEPT, **options: Any) -> Advice:
    given: dict[str, Any] = {"head": "squares", "resamples": 100, "keep": KEEP, "executor": Inline(), **options}
    given.setdefault("dataset", f"squares(images={images})")
    return advise("detection", codecs=codecs, cache=cache, tell=lambda text: None, **given)


def sizes(advice: Advice, codec: str) -> list[float]:
    """The bytes an image of the settings advised for a codec, in the order of the questions."""
    assert all(row.status == "ok" for row in advice.rows if row.codec == codec)
    return [row.size_bytes for row in advice.rows if row.codec == codec]


@pytest.mark.parametrize("slow", [Slow, Odd, Picky])
def test_the_answer_of_a_slow_codec_is_as_small_for_less(slow: type[Slow], tmp_path: Path) -> None:
    """Against the search from the ladder on. A guess that is of no use costs a few settings, and no answer."""
    slow.encoded.clear()
    former = sizes(asked(tmp_path / "former", [slow()]), slow.spec_name)
    before = len(slow.encoded)
    slow.encoded.clear()
    assert sizes(asked(tmp_path / "now", [Fade(), slow()]), slow.spec_name) == pytest.approx(former, rel=TOLERANCE)
    assert len(slow.encoded) < (0.6 if slow is Slow else 1.5) * before


def test_a_budget_is_begun_near_the_guide_s_answer_too(tmp_path: Path) -> None:
    Slow.encoded.clear()
    budget: dict[str, Any] = {"keep": None, "budget_bytes": 1000.0}
    former = sizes(asked(tmp_path / "former", [Slow()], **budget), "slow")
    before = len(Slow.encoded)
    Slow.encoded.clear()
    assert sizes(asked(tmp_path / "now", [Fade(), Slow()], **budget), "slow") == pytest.approx(former, rel=TOLERANCE)
    assert len(Slow.encoded) < 0.6 * before


def test_a_search_tries_a_head_once_and_is_the_same_again(tmp_path: Path) -> None:
    executor = Recording()
    first = asked(tmp_path, ["blocks", Fade()], executor=executor)
    assert sum(isinstance(job, ReadOriginal) for job in executor.jobs) == 1
    assert asked(tmp_path, ["blocks", Fade()]).rows == first.rows


def test_a_question_without_an_answer_of_the_guide_waits_for_the_others(tmp_path: Path) -> None:
    """And is answered in the end."""
    rows = asked(tmp_path, ["blocks(size=[16, 12])", Fade()], keep=[1.0]).rows
    assert {(row.codec.split("(")[0], row.target) for row in rows if row.status == "ok"} >= {("fade", 1.0)}


def test_little_time_leaves_few_images_and_the_answer_says_so(tmp_path: Path) -> None:
    images = 2 * MIN_IMAGES
    stages = Stages()
    advice = asked(
        tmp_path, ["blocks", Fade()], images=images, keep=None, budget_bytes=900.0, minutes=1e-6, progress=stages
    )
    assert {row.images for row in advice.rows} == {MIN_IMAGES}
    assert len(advice.outcome.plan.images) == MIN_IMAGES
    assert f"{MIN_IMAGES} of the {images} images" in advice.text
    assert any("left" in name for name in stages.names)
    assert any(name.startswith("step 1,") for name in stages.names)


def test_images_that_allow_no_promise_are_joined_by_others(tmp_path: Path) -> None:
    images = 2 * MIN_IMAGES
    advice = asked(tmp_path, [Fade()], dataset=LateSquares(images=images), keep=[0.2], minutes=1e-6)
    assert {row.images for row in advice.rows} == {images}

"""Faults of codecs, heads, data sets and metrics in a run: each is named, costs its own cell, and is not kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_testkit import Hostile, HostileHead
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import METRICS, ScoreRow
from benchmarks.evaluation import configure, run
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor, Inline, Processes
from downstream.api import LabelSpace
from hsc.errors import DataError, PluginError, UnavailableError


def measured(
    cache: Path,
    codecs: list[Any],
    heads: list[Any] | None = None,
    dataset: Any = None,
    executor: Executor | None = None,
) -> list[ScoreRow]:
    config = configure(
        "detection",
        Squares() if dataset is None else dataset,
        codecs,
        heads or [FindSquares()],
        anchors=[],
        resamples=0,
        noise_floor=False,
    )
    return run(config, cache=cache, executor=executor or Inline()).score_rows


def reason(rows: list[ScoreRow], codec: Any = "", head: Any = "") -> str:
    """The reason of the one failed row of a codec (its rate) or a head (its score on the original)."""
    wanted = [r for r in rows if r.status == "failed" and r.head == str(head) and (not codec or r.codec == codec)]
    assert len({r.reason for r in wanted}) == 1, [(r.codec, r.head, r.status) for r in rows]
    return wanted[0].reason


def scores(rows: list[ScoreRow], codec: str = "blocks", head: str = "squares") -> list[float]:
    return [r.value for r in rows if (r.codec, r.head, r.metric, r.part, r.status) == (codec, head, "ap", "", "ok")]


ANSWERS_OF_CODECS = {
    ("encode", "raise"): "RuntimeError: on \\x1b[31mpurpose a long story",
    ("encode", "exit"): "SystemExit: 0",
    ("encode", "generator"): "GeneratorExit",
    ("encode", "recursion"): "RecursionError: maximum recursion depth",
    ("encode", "memory error"): "MemoryError",
    ("encode", "no text"): "NoTextError: (NoTextError without a text)",
    ("encode", "none"): "encode gave NoneType, expected bytes",
    ("encode", "bytearray"): "encode gave bytearray, expected bytes",
    ("encode", "text"): "encode gave str, expected bytes",
    ("encode", "empty"): "encode gave no bytes at all",
    ("encode", "write"): "read-only",
    ("encode", "write all the same"): "the codec changed its input",
    ("decode", "raise"): "RuntimeError: on",
    ("decode", "exit"): "SystemExit: 0",
    ("decode", "no text"): "NoTextError",
    ("decode", "none"): "decode gave NoneType, expected uint8 (56, 144, 3)",
    ("decode", "floats"): "decode gave float32 (56, 144, 3), expected uint8 (56, 144, 3)",
    ("decode", "short"): "decode gave uint8 (55, 144, 3)",
    ("decode", "turned"): "decode gave uint8 (144, 56, 3)",
    ("decode", "grey"): "decode gave uint8 (56, 144)",
    ("decode", "list"): "decode gave list",
    ("decode", "dice"): "gives other pixels; decode must depend on the bytes alone",
}


def test_a_codecs_faults_are_named_with_their_image_and_cost_its_cell_alone(tmp_path: Path) -> None:
    codecs = [Blocks(4), *(Hostile(4, mode=mode, where=where) for where, mode in ANSWERS_OF_CODECS)]
    rows = measured(tmp_path, codecs)
    assert scores(rows, "original") == [1.0]
    assert scores(rows) == [pytest.approx(0.625, abs=0.001)]
    for (where, mode), text in ANSWERS_OF_CODECS.items():
        label = next(r.codec for r in rows if r.codec.startswith("hostile") and _is_of(r.codec, mode, where))
        told = reason(rows, label)
        assert told.startswith("1 of 6 images failed: image squares-2: "), told
        assert text in told
        assert len(told) < 1500
        assert told.isprintable()


def _is_of(label: str, mode: str, where: str) -> bool:
    quoted = f'mode="{mode}"' if " " in mode else f"mode={mode}"
    return quoted + ("" if where == "encode" else f", where={where}") + ")" in label


def test_a_wrong_answer_is_not_kept_and_its_neighbours_are(tmp_path: Path) -> None:
    measured(tmp_path, [Hostile(4, mode="grey", where="decode")])
    with Store(tmp_path / "store.sqlite") as store:
        (kept,) = store._db.execute("SELECT count(*) FROM streams").fetchone()
        (read,) = store._db.execute("SELECT count(*) FROM predictions").fetchone()
    assert kept == 6 + 5  # the originals', and those of the five other images
    assert read == 6 + 5


DEADLY = {
    ("encode", "interrupt"): "KeyboardInterrupt",
    ("encode", "abort"): "the worker process died: it was ended by SIGABRT",
    ("encode", "quit"): "the worker process died: it exited with status 0",
    ("encode", "close"): "the worker process died",
    ("decode", "segv"): "the worker process died: it was ended by SIGSEGV",
    ("decode", "hang"): "it took over 3 s an image, the limit (--timeout-s)",
    ("encode", "remember"): "in another it does not: KeyError",
}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_codec_that_ends_or_hangs_its_process_costs_one_image(
    tmp_path: Path, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    codecs = [Blocks(4), Hostile(4, mode="stdout"), *(Hostile(4, mode=mode, where=where) for where, mode in DEADLY)]
    executor = Processes(workers, timeout_s=3)
    rows = measured(tmp_path, codecs, executor=executor)
    executor.close()
    assert scores(rows) == [pytest.approx(0.625, abs=0.001)]
    assert scores(rows, "hostile(mode=stdout)") == scores(rows)
    for (where, mode), text in DEADLY.items():
        label = next(r.codec for r in rows if r.codec.startswith("hostile") and _is_of(r.codec, mode, where))
        assert reason(rows, label).startswith("1 of 6 images failed: image squares-2: ")
        assert text in reason(rows, label)
    assert capfd.readouterr().out == ""


def test_a_codec_that_kills_its_worker_is_found_at_once(tmp_path: Path) -> None:
    executor = Processes(2)
    rows = measured(tmp_path, [Blocks(4), Hostile(4, mode="abort")], executor=executor)
    executor.close()
    assert (
        reason(rows, "hostile(mode=abort)")
        == "1 of 6 images failed: image squares-2: the worker process died: it was ended by SIGABRT"
    )
    assert scores(rows) == [pytest.approx(0.625, abs=0.001)]


ANSWERS_OF_HEADS = {
    "nan boxes": "12 of the head's 12 box coordinates are not finite",
    "inf boxes": "box coordinates are not finite",
    "nan scores": "3 of the head's 3 scores are not finite",
    "percent": "scores run from 79.2157 to 79.2157, expected 0 to 1",
    "negative scores": "expected 0 to 1",
    "label too high": "labels run from 2 to 2, expected 0 to 1",
    "label too low": "labels run from -1 to -1, expected 0 to 1",
    "float labels": "labels came as float64, expected an array of whole numbers",
    "bool labels": "labels came as bool",
    "objects": "boxes came as object, expected an array of floats",
    "whole boxes": "boxes came as int64, expected an array of floats",
    "turned round": "3 of the head's 3 boxes end before they begin",
    "too many": "100,001 boxes for one image, expected 100,000 at the most",
    "dict": "the head gave dict, expected Detections",
    "write": "read-only",
    "raise": "RuntimeError: on \\x1b[31mpurpose",
    "exit": "SystemExit: 0",
    "no text": "NoTextError",
}


def test_a_heads_faults_are_named_with_their_image_and_cost_its_score_alone(tmp_path: Path) -> None:
    rows = measured(tmp_path, [Blocks(4)], [FindSquares(), *(HostileHead(mode=mode) for mode in ANSWERS_OF_HEADS)])
    assert scores(rows, "original") == [1.0]
    assert scores(rows) == [pytest.approx(0.625, abs=0.001)]
    for mode, text in ANSWERS_OF_HEADS.items():
        label = f'hostile(mode="{mode}")' if " " in mode else f"hostile(mode={mode})"
        told = reason(rows, "original", label)
        assert told.startswith("1 of 6 images failed: image squares-2: "), told
        assert text in told


@pytest.mark.parametrize(
    ("mode", "text"),
    [("few", "the head gave 0 predictions for 1 images"), ("nothing", "the head gave NoneType, expected a list")],
)
def test_a_head_that_gives_too_few_answers_fails_on_every_image(tmp_path: Path, mode: str, text: str) -> None:
    rows = measured(tmp_path, [Blocks(4)], [FindSquares(), HostileHead(mode=mode)])
    (told,) = {r.reason for r in rows if r.status == "failed" and r.head == f"hostile(mode={mode})"}
    assert told.startswith("it cannot read an original, squares-0: ")
    assert text in told
    assert scores(rows, "original") == [1.0]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["interrupt", "abort", "quit", "hang"])
def test_a_head_that_ends_its_process_takes_neither_the_stream_nor_another_heads_answer(
    tmp_path: Path, mode: str
) -> None:
    executor = Processes(2, timeout_s=3)
    rows = measured(tmp_path, [Blocks(4)], [FindSquares(), HostileHead(mode=mode)], executor=executor)
    executor.close()
    assert scores(rows, "original") == [1.0]
    assert [r.status for r in rows if r.metric == "bpp"] == ["ok", "ok"]
    assert reason(rows, "original", f"hostile(mode={mode})").startswith("1 of 6 images failed: image squares-2: ")


@pytest.mark.parametrize(
    ("where", "mode", "text"),
    [
        ("available", "raise", "its available() fails: RuntimeError"),
        ("available", "exit", "its available() fails: SystemExit: 0"),
        ("encode", "absent", "not here \\x1b[2J"),
        ("provenance", "raise", "RuntimeError: on"),
        ("provenance", "exit", "SystemExit: 0"),
        ("provenance", "dice", "another answer each time"),
        ("provenance", "nan", "not JSON compliant"),
        ("provenance", "bytes", "not JSON serializable"),
    ],
)
def test_a_codec_that_breaks_before_it_codes_is_skipped_with_its_reason(
    tmp_path: Path, where: str, mode: str, text: str
) -> None:
    rows = measured(tmp_path, [Blocks(4), Hostile(4, mode=mode, where=where)])
    (skipped,) = (r for r in rows if r.status == "skipped")
    assert skipped.codec.startswith("hostile")
    assert text in skipped.reason
    assert skipped.reason.isprintable()
    assert len(scores(rows)) == 1


@dataclass(frozen=True)
class Breaking(FindSquares):
    """A head that breaks before it reads anything."""

    where: str = ""

    def available(self) -> str | None:
        if self.where == "available":
            raise SystemExit(0)
        return None

    def provenance(self) -> dict[str, str]:
        if self.where == "provenance":
            raise RuntimeError("no provenance")
        return {"code": "1"}


@pytest.mark.parametrize("where", ["available", "provenance"])
def test_a_head_that_breaks_before_it_reads_is_skipped_with_its_reason(tmp_path: Path, where: str) -> None:
    rows = measured(tmp_path, [Blocks(4)], [FindSquares(), Breaking(where=where)])
    (skipped,) = (r for r in rows if r.status == "skipped")
    assert ("SystemExit: 0" if where == "available" else "no provenance") in skipped.reason
    assert len(scores(rows)) == 1


@dataclass(frozen=True)
class Odd(Squares):
    """Squares with a fault."""

    mode: str = ""

    def image_ids(self) -> list[Any]:
        names: dict[str, list[Any]] = {
            "same": ["a"] * 6,
            "numbers": list(range(6)),
            "few": ["a"],
            "empty": ["", *"bcdef"],
        }
        return names.get(self.mode, super().image_ids())

    def __len__(self) -> int:
        if self.mode == "no length":
            raise SystemExit(0)
        return 6

    @property
    def revision(self) -> str:
        if self.mode == "no revision":
            raise KeyError("revision")
        return "1"

    def load(self, index: int) -> Any:
        right = super().load(index)
        wrong: dict[str, Any] = {
            "grey": replace(right, image=right.image[..., 0]),
            "float": replace(right, image=right.image.astype(np.float32)),
            "rgba": replace(right, image=np.dstack([right.image, right.image[..., :1]])),
            "array": right.image,
            "other": super().load((index + 1) % 6),
            "bytes": replace(right, source_bytes=-1),
        }
        return wrong.get(self.mode, right) if index == 2 else right

    def available(self) -> str | None:
        if self.mode == "no available":
            raise SystemExit(0)
        return None

    def label_space(self, kind: type) -> LabelSpace | None:
        if self.mode == "no space":
            raise RuntimeError("no space")
        return super().label_space(kind)

    def coco(self) -> dict[str, Any]:
        if self.mode == "no coco":
            raise GeneratorExit
        right = super().coco()
        wrong = {
            "coco short": right["images"][:-1],
            "coco turned": right["images"][::-1],
            "coco twice": [right["images"][0]] * 6,
            "coco size": [{**one, "height": 144, "width": 56} if one["id"] == 3 else one for one in right["images"]],
        }
        return {**right, "images": wrong.get(self.mode, right["images"])}


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("same", "the images 0 and 1 have the same id 'a'"),
        ("numbers", "the id of image 0 came as 0, expected a text"),
        ("few", "it has 6 images and gives 1 ids"),
        ("empty", "the id of image 0 came as '', expected a text"),
        ("no length", "SystemExit"),
        ("no revision", "KeyError"),
        ("no available", "its available() fails: SystemExit"),
        ("no space", "no space"),
        ("no coco", "GeneratorExit"),
        ("grey", "squares-2: an image came as uint8 (56, 144)"),
        ("float", "squares-2: an image came as float32 (56, 144, 3)"),
        ("rgba", "squares-2: an image came as uint8 (56, 144, 4)"),
        ("array", "squares-2: the data set's load gave ndarray, expected Sample"),
        ("other", "squares-2: load gave the image 'squares-3' where image_ids() says 'squares-2'"),
        ("bytes", "squares-2: its source_bytes came as -1"),
        ("coco short", "the box labels are of 5 images, the data set has 6"),
        ("coco turned", "entry 1 has the id 5 after 6"),
        ("coco twice", "not different whole numbers"),
        ("coco size", "'squares-2' has 144x56 pixels, its entry in the box labels says 56x144"),
    ],
)
def test_a_data_set_that_is_wrong_is_refused_before_anything_is_coded(tmp_path: Path, mode: str, text: str) -> None:
    with pytest.raises((DataError, PluginError, UnavailableError)) as refused:
        measured(tmp_path, [Blocks(4)], dataset=Odd(mode=mode))
    assert text in str(refused.value)
    with Store(tmp_path / "store.sqlite") as store:
        assert store._db.execute("SELECT count(*) FROM streams").fetchone() == (0,)


def test_a_metric_that_breaks_fails_its_score_and_keeps_the_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise SystemExit(0)

    monkeypatch.setattr(METRICS.get("coco_ap"), "tally", broken)
    rows = measured(tmp_path, [Blocks(4)])
    assert {r.status for r in rows if r.metric == "bpp"} == {"ok"}
    assert "it cannot be scored: SystemExit: 0" in reason(rows, "blocks", "squares")

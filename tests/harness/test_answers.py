"""One guard where plug-ins are called and answers are taken: what is wrong is named, costs its own cell, and is not
kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hostile_testkit import Hostile, HostileHead
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import METRICS, Row, Sample
from benchmarks.evaluation import configure, run
from benchmarks.harness.answers import (
    checked_image,
    checked_latents,
    checked_prediction,
    checked_stream,
    guarded,
    lent,
    why_unavailable,
)
from benchmarks.harness.cache import Store
from benchmarks.harness.executors import Executor, Inline, Processes
from downstream.api import VOID, Detections, FeaturePair, Fidelity, LabelSpace, Masks, SegmentationMap
from downstream.ops.masks import pack, why_damaged
from downstream.ops.segmentation_canvas import Fitted, labels_from_classes, labels_from_logits
from hsc.api import Latents
from hsc.errors import BitstreamError, CodecError, DataError, HeadError, HscError, PluginError, UnavailableError


def measured(
    cache: Path,
    codecs: list[Any],
    heads: list[Any] | None = None,
    dataset: Any = None,
    executor: Executor | None = None,
) -> list[Row]:
    config = configure(
        "detection",
        Squares() if dataset is None else dataset,
        codecs,
        heads or [FindSquares()],
        anchors=[],
        resamples=0,
        null_floor=False,
    )
    return run(config, cache=cache, executor=executor or Inline()).rows


def reason(rows: list[Row], codec: Any = "", head: Any = "") -> str:
    """The reason of the one failed row of a codec (its rate) or a head (its score on the original)."""
    wanted = [r for r in rows if r.status == "failed" and r.head == str(head) and (not codec or r.codec == codec)]
    assert len({r.reason for r in wanted}) == 1, [(r.codec, r.head, r.status) for r in rows]
    return wanted[0].reason


def scores(rows: list[Row], codec: str = "blocks", head: str = "squares") -> list[float]:
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
        ("provenance", "dice", "another thing each time"),
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

    monkeypatch.setattr(METRICS.get("coco_ap"), "compute", broken)
    rows = measured(tmp_path, [Blocks(4)])
    assert {r.status for r in rows if r.metric == "bpp"} == {"ok"}
    assert "it cannot be scored: SystemExit: 0" in reason(rows, "blocks", "squares")


def test_guarded_lets_our_own_errors_through_and_makes_one_line_of_all_others() -> None:
    def stop(error: BaseException) -> None:
        raise error

    with pytest.raises(BitstreamError, match=r"^cut$"):
        guarded(stop, BitstreamError("cut"))
    with pytest.raises(BitstreamError, match=r"^two lines$"):
        guarded(stop, BitstreamError("two\nlines"))
    with pytest.raises(PluginError, match=r"^SystemExit: 3 \(stop, test_answers"):
        guarded(stop, SystemExit(3))
    with pytest.raises(KeyboardInterrupt):  # nobody listens for signals here, so it may be the user's
        guarded(stop, KeyboardInterrupt())
    assert guarded(max, 1, 2) == 2


def test_why_unavailable_is_one_line() -> None:
    @dataclass
    class Says:
        text: Any

        def available(self) -> Any:
            return self.text

    assert why_unavailable(Says(None)) is None
    assert why_unavailable(Says("a\n\x07b")) == "a \\x07b"
    assert why_unavailable(Says("")) == "it says it is not available, without a reason"


def test_what_is_lent_cannot_be_written_to() -> None:
    mine = np.zeros((2, 2), np.uint8)
    with lent([mine], "it") as (copy,), pytest.raises(ValueError, match="read-only"):
        copy[0] = 1
    with pytest.raises(PluginError, match="it changed its input"):
        _write_all_the_same(mine)
    assert not mine.any()


def _write_all_the_same(mine: np.ndarray) -> None:
    with lent([mine], "it") as (copy,):
        copy.setflags(write=True)
        copy[0] = 1


def test_a_decoded_image_is_memory_of_its_own() -> None:
    buffer = np.zeros((4, 6, 3), np.uint8)
    kept = checked_image(buffer[::-1, :, ::-1], (4, 6))
    buffer[:] = 9
    assert not kept.any()
    assert kept.flags["C_CONTIGUOUS"]
    assert not kept.flags["WRITEABLE"]


@pytest.mark.parametrize("data", [None, bytearray(b"a"), memoryview(b"a"), "a", b"", np.bytes_(b"a")])
def test_a_stream_is_bytes_and_not_empty(data: Any) -> None:
    assert checked_stream(b"a") == b"a"
    with pytest.raises(CodecError, match="encode gave"):
        checked_stream(data)


MAP = np.zeros((3, 4), np.float32)


@pytest.mark.parametrize(
    ("latents", "text"),
    [
        ({"y": MAP}, "expected Latents"),
        (Latents({"y": MAP}, (9, 8)), "an image size of (9, 8), expected (8, 9)"),
        (Latents({}, (8, 9)), "came as NoneType, expected float32"),
        (Latents({"y": MAP.astype(np.float64)}, (8, 9)), "came as float64"),
        (Latents({"y": MAP[:2]}, (8, 9)), "came as (2, 4), expected (3, None)"),
        (Latents({"y": MAP[None]}, (8, 9)), "came as (1, 3, 4)"),
        (Latents({"y": MAP * np.float32(np.nan)}, (8, 9)), "not finite"),
    ],
)
def test_latents_are_finite_and_of_their_shape(latents: Any, text: str) -> None:
    assert checked_latents(Latents({"y": MAP}, (8, 9)), (8, 9), {"y": (3, None)}).maps["y"].shape == (3, 4)
    with pytest.raises(CodecError) as refused:
        checked_latents(latents, (8, 9), {"y": (3, None)})
    assert text in str(refused.value)


@dataclass
class Says:
    """A head that says what it answers in."""

    output: type
    label_space: ClassVar[LabelSpace] = LabelSpace("two", ("a", "b"))
    measure: ClassVar[str] = "psnr"


BOX, SCORE, LABEL = np.array([[0, 0, 4, 2]], np.float32), np.array([1.0], np.float32), np.array([1])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (SegmentationMap(np.zeros((2, 4), np.int64)), "int64 (2, 4), expected uint8 (2, 4)"),
        (SegmentationMap(np.zeros((4, 2), np.uint8)), "uint8 (4, 2), expected uint8 (2, 4)"),
        (SegmentationMap(np.full((2, 4), 2, np.uint8)), "labels run from 2 to 2, expected 0 to 1"),
        (SegmentationMap([[0]]), "came as list"),  # type: ignore[arg-type]
        (Fidelity("psnr", np.array([np.nan, 1.0])), "1 of the head's 2 numbers are not finite"),
        (Fidelity("psnr", np.array([])), "no number at all"),
        (Fidelity("lpips", np.array([1.0])), "measures 'lpips', expected 'psnr'"),
        (FeaturePair(np.zeros((2, 3), np.float32), np.zeros((1, 3), np.float32)), "(2, 3) and (1, 3)"),
        (
            FeaturePair(np.zeros((2, 3), np.float32), np.full((2, 3), np.inf, np.float32)),
            "6 of the head's 6 features of the decoded image",
        ),
        (Detections(BOX, SCORE, LABEL, Masks((b"",), (2, 4))), "cover 0 pixels, expected 8"),
        (Detections(BOX, SCORE, LABEL, Masks((b"08",), (4, 2))), "1 masks of (4, 2), expected 1 of (2, 4)"),
        (Detections(BOX, SCORE, LABEL, Masks(("08",), (2, 4))), "came as str, expected bytes"),  # type: ignore[arg-type]
    ],
)
def test_answers_of_other_kinds_are_checked_too(answer: Any, text: str) -> None:
    with pytest.raises(HeadError) as refused:
        checked_prediction(answer, Says(type(answer)), (2, 4))
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        SegmentationMap(np.array([[0, 1, VOID, 0]] * 2, np.uint8)),
        Fidelity("psnr", np.array([0.0, 24.0])),
        FeaturePair(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)),
        Detections(BOX, SCORE + np.float32(1e-6), LABEL, pack(np.ones((1, 2, 4), bool))),
        Detections(BOX[:0], SCORE[:0], LABEL[:0]),
        Detections(BOX * 0, SCORE * 0, LABEL),
    ],
)
def test_right_answers_pass_as_they_are(answer: Any) -> None:
    assert checked_prediction(answer, Says(type(answer)), (2, 4)) is answer


def test_packed_runs_are_read_as_coco_packs_them() -> None:
    dice = np.random.default_rng(0)
    for number in range(60):
        size = (int(dice.integers(1, 40)), int(dice.integers(1, 40)))
        drawn = dice.random((1, *size)) < dice.random() if number % 7 else np.full((1, *size), number % 2 == 0)
        (counts,) = pack(drawn).counts
        assert why_damaged(counts, size) is None
        assert why_damaged(counts, (size[0] + 1, size[1])) is not None
        assert why_damaged(counts + b"1", size) is not None
    assert "hold the character" in str(why_damaged(b"\x01", (1, 1)))
    assert "end within a number" in str(why_damaged(b"P", (1, 1)))


PLACED = Fitted(np.zeros((4, 4, 3), np.uint8), (4, 4), (4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_of_logits_or_classes_that_are_not_finite_are_refused(value: float) -> None:
    logits = np.zeros((2, 4, 4), np.float32)
    assert labels_from_logits(logits, PLACED).shape == (4, 4)
    logits[1, 2, 3] = value
    with pytest.raises(HeadError, match="1 of the network's 32 logits are not finite"):
        labels_from_logits(logits, PLACED)
    with pytest.raises(HeadError, match="1 of the network's 16 classes are not finite"):
        labels_from_classes(logits[1], PLACED)


def test_classes_that_are_not_whole_are_refused() -> None:
    with pytest.raises(DataError, match="not whole"):
        labels_from_classes(np.full((4, 4), 0.5, np.float32), PLACED)


def test_every_error_is_of_the_tree() -> None:
    assert issubclass(HeadError, HscError)
    assert issubclass(PluginError, HscError)
    assert Sample("a", np.zeros((1, 1, 3), np.uint8)).source_bytes is None

"""What dooms scores is said before anything is coded, and what concerns one head leaves the others their table."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hsc_testkit import SPACE, Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares
from map_testkit import Greys, ReadGrey

from benchmarks.cli.run import main
from benchmarks.evaluation import Outcome, configure, run
from benchmarks.harness.executors import Inline, Processes
from downstream.api import Detections, LabelSpace, SegmentationMap
from downstream.class_maps import map_between, why_unscored
from downstream.label_spaces import CAMVID11, COCO80, VOC21
from hsc.errors import DataError, UnavailableError, UsageError


@dataclass(frozen=True)
class Named(FindSquares):
    """FindSquares whose classes are called otherwise. answers: the class that each of its boxes gets."""

    names: tuple[str, ...] = ()
    answers: int = 0
    spec_name: ClassVar[str] = "named"

    @property
    def label_space(self) -> LabelSpace:  # type: ignore[override]
        return LabelSpace("mine", self.names)

    def predict(self, images: Any) -> list[Detections]:
        return [Detections(one.boxes_xyxy, one.scores, one.labels + self.answers) for one in super().predict(images)]


@dataclass(frozen=True)
class Breaks(FindSquares):
    """FindSquares that cannot read the image of one index, or any (-1). log: a file that each call adds a letter to."""

    victim: int = -1
    dies: bool = False
    log: str = ""
    spec_name: ClassVar[str] = "breaks"

    def predict(self, images: Any) -> list[Detections]:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write("p")
        for image in images:
            if self.victim in (-1, int(image.max()) - 200):
                if self.dies:
                    os._exit(7)
                raise RuntimeError("no such layer")
        return super().predict(images)


def outcome(tmp_path: Path, heads: list[Any], **options: Any) -> tuple[Outcome, list[str]]:
    """A run of squares, and what it told at once."""
    said: list[str] = []
    how = {name: options.pop(name) for name in ("dry", "executor", "workers") if name in options}
    codecs = options.pop("codecs", [Blocks(8), Blocks(4)])
    task, dataset = options.pop("task", "detection"), options.pop("dataset", Squares())
    config = configure(task, dataset, codecs, heads, resamples=0, noise_floor=False, **options)
    return run(config, cache=tmp_path / "cache", tell=said.append, **{"executor": Inline(), **how}), said


def coded(tmp_path: Path) -> int:
    """How many streams the cache holds."""
    path = tmp_path / "cache" / "store.sqlite"
    return int(sqlite3.connect(path).execute("select count(*) from streams").fetchone()[0]) if path.exists() else 0


def ap(found: Outcome, head: str) -> dict[tuple[str, str], float]:
    return {
        (r.codec, r.point): r.value
        for r in found.score_rows
        if r.head == head and r.metric == "ap" and not r.part and r.status == "ok"
    }


# Classes


def test_classes_of_the_same_name_are_scored_and_said(tmp_path: Path) -> None:
    plain, _ = outcome(tmp_path, [FindSquares()])
    found, said = outcome(tmp_path, [Named(names=("cat", "square"), answers=1)])
    (label,) = {r.head for r in found.score_rows if r.head}
    assert ap(found, label) == ap(plain, "squares")
    (text,) = found.plan.notices
    assert said == [text]
    assert "the same: 'square'" in text
    assert "not scored, since the head does not know them: 'unseen'" in text


def test_classes_spelled_in_another_way_are_the_same_and_said(tmp_path: Path) -> None:
    plain, _ = outcome(tmp_path, [FindSquares()])
    found, said = outcome(tmp_path, [Named(names=("S_quare", "dog"))])
    (label,) = {r.head for r in found.score_rows if r.head}
    assert ap(found, label) == ap(plain, "squares")
    assert len(said) == 1
    assert "'S_quare = square'" in said[0]


@pytest.mark.parametrize("dry", [True, False])
def test_where_no_class_is_shared_nothing_is_coded(tmp_path: Path, dry: bool) -> None:
    with pytest.raises(UsageError, match="no head can be scored") as refused:
        outcome(tmp_path, [Named(names=("Sqare", "dog"))], dry=dry)
    message = str(refused.value)
    for part in (
        "'Sqare', 'dog'",
        "'square', 'unseen'",
        "mine-to-squares.toml",
        "HSC_CLASS_MAPS",
        'map = {"Sqare" = "square"}',
    ):
        assert part in message
    assert coded(tmp_path) == 0


def test_a_head_without_shared_classes_leaves_the_others_their_table(tmp_path: Path) -> None:
    found, said = outcome(tmp_path, [Named(names=("dog",)), FindSquares()])
    assert len(ap(found, "squares")) == 3
    (skipped,) = [r for r in found.score_rows if r.status == "skipped"]
    assert "no class of the same name" in skipped.reason
    assert len(said) == 1
    assert said[0].startswith("the head named(")


def test_a_file_goes_before_names_and_names_need_more_than_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = LabelSpace("a", ("background", "cat", "dog")), LabelSpace("b", ("background", "dog", "cat", "cow"))
    found = map_between(one, other)
    assert found is not None
    assert found.by_name
    assert found.scored(one, other) == ("background", "dog", "cat")
    assert map_between(LabelSpace("a", ("background", "cat")), LabelSpace("b", ("background", "dog"))) is None
    assert map_between(one, one) == type(found)({}, {})
    renamed = map_between(one, LabelSpace("a", ("dog", "cat")))
    assert renamed is not None
    assert renamed.names == {"cat": "cat", "dog": "dog"}
    assert map_between(VOC21, CAMVID11) is not None
    assert not map_between(VOC21, CAMVID11).by_name  # type: ignore[union-attr]
    monkeypatch.setenv("HSC_CLASS_MAPS", str(tmp_path))
    (tmp_path / "a-to-b.toml").write_text('[map]\ncat = "cow"\n')
    written = map_between(one, other)
    assert written is not None
    assert (written.names, written.by_name, written.scored(one, other)) == ({"cat": "cow"}, False, ("cow",))
    (tmp_path / "a-to-b.toml").write_text('[map]\ncat = "lion"\n')
    assert "names no class that both have" in str(why_unscored(one, other))


def test_a_few_of_cocos_classes_under_its_names_need_no_file() -> None:
    few = LabelSpace("coco-2-da880785", ("person", "car"))
    assert why_unscored(COCO80, few) is None
    found = map_between(COCO80, few)
    assert found is not None
    assert found.scored(COCO80, few) == ("person", "car")


def test_classes_of_which_nothing_is_labelled_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="nothing that the head can be scored on, 'unseen', is labelled in the 6 images"
    ):
        outcome(tmp_path, [Named(names=("unseen",))])
    found, _ = outcome(tmp_path, [Named(names=("unseen",)), FindSquares()])
    assert {r.status for r in found.score_rows if r.head.startswith("named")} == {"skipped"}


# Heads


def test_a_head_that_follows_no_codec_counts_only_where_it_was_asked_for(tmp_path: Path) -> None:
    said: list[str] = []
    asked = configure("detection", Squares(), [Blocks(8)], [FindSquares(), GridSquares()], resamples=0)
    for default_heads, heads in ((False, {"squares", "grid_squares"}), (True, {"squares"})):
        config = replace(asked, default_heads=default_heads)
        found = run(config, cache=tmp_path / "cache", executor=Inline(), tell=said.append)
        assert {row.head for row in found.score_rows if row.head} == heads
        assert [text for text in said if "does not offer latents" in text] == said[:1]
    config = replace(asked, readers=asked.readers[1:], default_heads=True)
    with pytest.raises(UsageError, match="no head can be scored: grid_squares: the codec does not offer latents"):
        run(config, cache=tmp_path / "cache", executor=Inline())


@pytest.mark.parametrize("dry", [True, False])
def test_where_no_head_reads_an_original_nothing_is_coded(tmp_path: Path, dry: bool) -> None:
    with pytest.raises(UsageError, match="cannot read an original, squares-0: RuntimeError: no such layer"):
        outcome(tmp_path, [Breaks()], dry=dry)
    assert coded(tmp_path) == 0


def test_a_head_that_cannot_read_fails_alone_and_at_once(tmp_path: Path) -> None:
    found, said = outcome(tmp_path, [FindSquares(), Breaks()])
    assert len(ap(found, "squares")) == 3
    assert {r.status for r in found.score_rows if r.head == "breaks"} == {"failed"}
    reason = "it cannot read an original, squares-0: RuntimeError: no such layer"
    assert [line[: len(reason) + 8] for line in found.failed] == [f"breaks: {reason}"]
    assert [line.partition(" (")[0] for line in said] == [f"the head breaks is left out: {reason}"]
    assert not any(("breaks", "image") in cell.predictions for cell in found.plan.cells)


def test_a_head_that_fails_on_a_later_image_is_not_left_out(tmp_path: Path) -> None:
    found, said = outcome(tmp_path, [Breaks(victim=3), FindSquares()])
    assert said == []
    assert any("6 images failed" in r.reason for r in found.score_rows if r.head.startswith("breaks"))


def test_heads_are_tried_only_where_something_is_left_to_read(tmp_path: Path) -> None:
    head = Breaks(victim=99, log=str(tmp_path / "log"))
    outcome(tmp_path, [head])
    calls = len((tmp_path / "log").read_text())
    outcome(tmp_path, [head])
    outcome(tmp_path, [head], overwrite="never")
    outcome(tmp_path, [head], dry=True)
    assert len((tmp_path / "log").read_text()) == calls


def test_a_head_that_ends_its_process_is_left_out(tmp_path: Path) -> None:
    found, said = outcome(tmp_path, [Breaks(dies=True), FindSquares()], executor=Processes(2))
    assert len(ap(found, "squares")) == 3
    assert "the worker process died" in said[0]
    assert {r.status for r in found.score_rows if r.head.startswith("breaks")} == {"failed"}


class MuteGrid(GridSquares):
    """A head on latents that cannot read them."""

    def predict_latents(self, latents: Any) -> list[Any]:
        raise ValueError("another layout")


def test_heads_on_latents_are_tried_on_the_latents_of_one_image(tmp_path: Path) -> None:
    found, said = outcome(tmp_path, [MuteGrid(), FindSquares()], codecs=[Grid(8)])
    assert "another layout" in said[0]
    assert len(ap(found, "squares")) == 2
    working, said = outcome(tmp_path, [GridSquares(), FindSquares()], codecs=[Grid(8)])
    assert said == []
    assert len([r for r in working.score_rows if r.route == "latent" and r.metric == "ap"]) > 0


class Gone(Blocks):
    """A codec that is not here."""

    spec_name = "gone"

    def available(self) -> str | None:
        return "no such binary; install it"


def test_an_anchor_that_cannot_run_is_said_at_once(tmp_path: Path) -> None:
    _, said = outcome(tmp_path, [FindSquares()], codecs=[Blocks(8), Gone(8)], anchors=["gone"])
    assert said == [
        "there will be no differences against the whole of gone: gone is skipped: no such binary; install it"
    ]


@dataclass(frozen=True)
class Unloadable(Blocks):
    """A codec that says it is available, and whose library fails when its networks are loaded."""

    spec_name: ClassVar[str] = "unloadable"

    def stages(self) -> Any:
        raise UnavailableError("its library does not import; install it again")


def test_a_codec_whose_networks_do_not_load_is_skipped_and_nothing_is_coded_with_it(tmp_path: Path) -> None:
    reason = "its library does not import; install it again"
    dry, said = outcome(tmp_path, [FindSquares()], codecs=[Blocks(8), Unloadable(8)], anchors=["unloadable"], dry=True)
    assert dry.plan.skipped == {"unloadable": reason}
    assert {cell.curve for cell in dry.plan.cells} == {"original", "blocks"}
    assert said == [f"there will be no differences against the whole of unloadable: unloadable is skipped: {reason}"]
    found, _ = outcome(tmp_path, [FindSquares()], codecs=[Blocks(8), Unloadable(8)])
    rows = [row for row in found.score_rows if row.codec == "unloadable"]
    assert [(row.status, row.reason) for row in rows] == [("skipped", reason)]
    assert {row.status for row in found.score_rows if row.codec == "blocks" and row.metric == "bpp"} == {"ok"}


# Labels


@dataclass(frozen=True)
class BadMaps(Greys):
    """Greys whose second label map is unfit."""

    fault: str = ""

    def label_map(self, index: int) -> SegmentationMap:
        labels = super().label_map(index).labels
        if index == 0 or not self.fault:
            return SegmentationMap(labels)
        if self.fault == "raises":
            raise DataError("damaged on purpose")
        changed = {
            "value": np.where(labels == 3, 11, labels).astype(np.uint8),
            "size": labels[:-1],
            "kind": labels.astype(np.int64),
        }
        return SegmentationMap(changed[self.fault])

    def load(self, index: int) -> Any:
        return Greys().load(index)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raises", "damaged on purpose"),
        ("value", "holds 11, expected 0 to 10"),
        ("size", r"\(3, 6\), expected uint8 \(4, 6\)"),
        ("kind", "int64"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_a_bad_label_map_is_named_before_anything_is_coded(tmp_path: Path, fault: str, said: str, dry: bool) -> None:
    with pytest.raises(DataError, match=f"1 of 2 label maps cannot be scored against: second: .*{said}"):
        outcome(tmp_path, [ReadGrey()], task="segmentation", dataset=BadMaps(fault=fault), dry=dry)
    assert coded(tmp_path) == 0


@dataclass(frozen=True)
class NoBoxes:
    """A data set that names classes of boxes and has none."""

    split: ClassVar[str] = "test"
    revision: ClassVar[str] = "1"

    def __len__(self) -> int:
        return len(Squares())

    def image_ids(self) -> list[str]:
        return Squares().image_ids()

    def load(self, index: int) -> Any:
        return Squares().load(index)

    def label_space(self, kind: type) -> LabelSpace:
        return SPACE

    def available(self) -> None:
        return None

    def provenance(self) -> dict[str, str]:
        return {}


def test_a_data_set_without_the_labels_it_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no labels of this kind"):
        outcome(tmp_path, [FindSquares()], dataset=NoBoxes())
    assert coded(tmp_path) == 0


# The command line


def command(tmp_path: Path, *more: str) -> list[str]:
    where = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "run"), "--workers", "1"]
    return [
        "--dataset",
        "squares",
        "--codec",
        "blocks(size=[8, 4])",
        "--quiet",
        "--gallery",
        "0",
        "--resamples",
        "0",
        *where,
        *more,
    ]


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_the_command_line_ends_with_2_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    labels = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "pear"}]}
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    Image.fromarray(Squares().load(0).image).save(tmp_path / "pictures" / "0.png")
    labels["images"] = [{"id": 1, "file_name": "0.png", "height": 56, "width": 144}]
    labels["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    dataset = f'coco(images="{tmp_path}/pictures", annotations="{tmp_path}/labels.json")'
    assert main([*command(tmp_path, "--head", "squares", *more)[2:], "--dataset", dataset]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("error: no head can be scored: squares: no class map from squares to coco-1-")
    assert coded(tmp_path) == 0


def test_a_run_on_shared_names_has_its_note_in_every_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    data = Squares().coco()
    for index, record in enumerate(data["images"]):
        Image.fromarray(Squares().load(index).image).save(folder / record["file_name"])
    (tmp_path / "labels.json").write_text(json.dumps(data))
    dataset = f'coco(images="{folder}", annotations="{tmp_path}/labels.json")'
    assert main([*command(tmp_path, "--head", "squares")[2:], "--dataset", dataset]) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    text = warning.removeprefix("warning: ")
    assert "taken to be the same: 'square', 'unseen'" in text
    assert json.loads((tmp_path / "run" / "run.json").read_text())["notices"] == [text]
    assert (tmp_path / "run" / "table.md").read_text().startswith(f"**Note:** {text}\n")
    assert (tmp_path / "run" / "table.tex").read_text().startswith(f"% Note: {text}\n")
    assert "taken to be the same: &#x27;square&#x27;" in (tmp_path / "run" / "report.html").read_text()


# Objects on the originals that stand in for labels


@dataclass(frozen=True)
class Sees(FindSquares):
    """FindSquares that sees objects on the images of these indices alone. log: a file, a letter for each image read."""

    indices: tuple[int, ...] = ()
    log: str = ""
    spec_name: ClassVar[str] = "sees"

    def predict(self, images: Any) -> list[Detections]:
        with Path(self.log).open("a") as file:
            file.write("r" * len(images))
        found = super().predict(images)
        dim = [int(image.max()) - 200 not in self.indices for image in images]
        return [replace(one, scores=one.scores / 2) if low else one for one, low in zip(found, dim, strict=True)]


@pytest.mark.parametrize("executor", [Inline(), None])
@pytest.mark.parametrize("dry", [True, False])
def test_where_nothing_stands_in_for_labels_it_is_said_first_and_rates_are_measured(
    tmp_path: Path, dry: bool, executor: Any
) -> None:
    own = executor or Processes(2)
    found, said = outcome(
        tmp_path, [Sees(log=str(tmp_path / "log"))], dry=dry, dataset=Squares(labels=False), executor=own
    )
    if not executor:
        own.close()
    (sentence,) = said
    for part in ("no object", "0.5", "6 originals", "labels that squares does not have"):
        assert part in sentence
    assert sentence in found.plan.notices
    assert (coded(tmp_path) == 0) is dry
    rates = [row for row in found.score_rows if row.metric == "bpp"]
    assert all(row.status == "ok" and row.value > 0 for row in rates)
    assert bool(rates) is not dry
    assert not [row for row in found.score_rows if row.metric == "ap" and row.value > 0]


def test_a_head_that_sees_nothing_leaves_the_others_their_table(tmp_path: Path) -> None:
    heads = [Sees(log=str(tmp_path / "log")), FindSquares()]
    found, said = outcome(tmp_path, heads, dataset=Squares(labels=False))
    assert len(ap(found, "squares")) == 3
    assert {r.status for r in found.score_rows if r.head.startswith("sees")} == {"skipped"}
    assert len(said) == 1


def test_one_object_on_a_late_original_is_enough_and_known_ones_are_not_read_again(tmp_path: Path) -> None:
    head = Sees(indices=(2,), log=str(tmp_path / "log"))
    outcome(tmp_path, [head], dataset=Squares(labels=False), dry=True)
    assert len((tmp_path / "log").read_text()) == 1 + 3
    (tmp_path / "log").unlink()
    found, said = outcome(tmp_path, [head], dataset=Squares(labels=False))
    assert said == []
    assert len(ap(found, found.plan.config.readers[0].label)) == 3
    (tmp_path / "log").unlink()
    outcome(tmp_path, [head], dataset=Squares(labels=False))
    assert not (tmp_path / "log").exists()
    outcome(tmp_path, [head], dataset=Squares(labels=False), overwrite="never")

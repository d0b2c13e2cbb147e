"""Heads adapted to a codec: shards of coded views, and training on their latents and on their decoded images."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hsc_testkit import Blocks
from latent_testkit import FINGERPRINT, Grid
from safetensors.torch import load_file, save_file

from benchmarks.cli import encode_shards
from benchmarks.harness.executors import Inline
from benchmarks.training_data.encode import Drawing, code_folder
from downstream.compatibility import why_not
from downstream.heads.latent import LatentDetector, LatentSegmenter
from downstream.heads.segmenter import SegmenterAdapted
from downstream.heads.small import Small, SmallAdapted
from downstream.label_spaces import CAMVID11, ROADSCENES
from downstream.networks import detectors, segmenters
from downstream.training.__main__ import main
from downstream.training.adapted import Adapted
from downstream.training.coded_shards import read_coded
from downstream.training.coded_views import View, coded_view
from downstream.training.distillation import distilled_boxes, distilled_maps
from downstream.training.loop import Run, start, train
from downstream.training.recipe import Recipe
from downstream.training.shards import Boxes
from downstream.training.teacher import Teacher
from downstream.weights.weights_file import latent_space_of
from hsc.api import Latents, LatentSpec
from hsc.errors import DataError, UnavailableError, UsageError

pytestmark = pytest.mark.usefixtures("one_thread")


class Roads:
    """The part of a data set that ``why_not`` looks at."""

    def label_space(self, kind: type) -> Any:
        return ROADSCENES


@dataclasses.dataclass(frozen=True)
class Featured(Grid):
    """The grid with a decoded feature: the means in tens of levels, in a space of its own."""

    def latent_specs(self) -> Any:
        return (*super().latent_specs(), LatentSpec("F_hat", (3, None, None), 4, "f" * 64))

    def decode_latents(self, data: bytes, names: Any = None) -> Latents:
        latents = super().decode_latents(data)
        return Latents({**latents.maps, "F_hat": latents.maps["y_hat"] / 10}, latents.image_hw)


def shard(path: Path, count: int = 5) -> None:
    """Grey pictures with one bright rectangle each, as boxes and as label maps."""
    random = np.random.default_rng(0)
    images, semantic, boxes, labels = [], [], [], []
    for _ in range(count):
        x, y, w, h = (
            int(v)
            for v in (random.integers(0, 50), random.integers(0, 30), random.integers(16, 40), random.integers(16, 30))
        )
        label = int(random.integers(0, 5))
        image, classes = np.full((64, 96, 3), 90, np.uint8), np.zeros((64, 96), np.uint8)
        image[y : y + h, x : x + w] = 40 * label + 60
        classes[y : y + h, x : x + w] = 8
        images.append(image)
        semantic.append(classes)
        boxes.append([x, y, x + w, y + h])
        labels.append(label)
    np.savez(
        path,
        images=np.stack(images),
        semantic=np.stack(semantic),
        boxes_xyxy=np.array(boxes, np.float32),
        labels=np.array(labels),
        ignored=np.zeros(count, bool),
        owner=np.arange(count),
        classes=np.array(ROADSCENES.classes),
        semantic_classes=np.array(CAMVID11.classes),
        semantic_space=np.array(CAMVID11.name),
        source=np.array("synthetic"),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two views of five images and three whole images, coded by a grid."""
    root = tmp_path_factory.mktemp("shards")
    (root / "clean").mkdir()
    shard(root / "clean" / "000000.npz")
    assert code_folder(root / "clean", Grid(), root / "coded", Drawing(2, 128, 128, cut=0.5), Inline()) == 2
    assert code_folder(root / "clean", Grid(), root / "whole", Drawing(whole=True, cut=0.0), Inline()) == 1
    return root


def teacher_file(folder: Path, task: str, arch: str) -> Path:
    """Random weights of a pixel head, as training on clean images writes them."""
    torch.manual_seed(1)
    detects = task == "detection"
    classes = ROADSCENES.classes if detects else CAMVID11.classes
    network = (detectors if detects else segmenters).build(arch, len(classes))
    path = folder / f"teacher_{task}_{arch}.safetensors"
    about = {"arch": arch, "classes": classes, "task": task, "space": "" if detects else CAMVID11.name}
    save_file(network.state_dict(), path, {"about": json.dumps(about)})
    return path


def recipe(task: Any, given: Any, arch: str, steps: int, **more: Any) -> Recipe:
    return Recipe(arch, steps, seed=1, batch=2, height=128, width=128, warmup=2, task=task, input=given, **more)


def training_task(folder: Path, chosen: Recipe, **more: Any) -> Adapted:
    latents = chosen.input == "latents"
    holdout = read_coded(folder / "whole", chosen.task, latents=latents) if chosen.task == "segmentation" else None
    return Adapted(chosen, read_coded(folder / "coded", chosen.task, latents=latents), holdout=holdout, **more)


def test_what_is_kept_is_what_the_bytes_decode_to(folder: Path) -> None:
    found = read_coded(folder / "coded", "detection", latents=True)
    images = read_coded(folder / "coded", "segmentation", latents=False)
    assert (found.codec, found.specs) == ("grid", tuple(Grid().latent_specs()))
    assert found.space.classes == ROADSCENES.classes
    assert images.space == CAMVID11
    assert len(found.truth) == len(images.decoded) == len(found.latents["y_hat"]) == 10
    for latent, image in zip(found.latents["y_hat"], images.decoded, strict=True):
        means = np.clip(np.rint(latent.astype(np.float32)), 0, 255)
        np.testing.assert_array_equal(image[::4, ::4].transpose(2, 0, 1), means)
    rates = {point.split(",")[0] for point in found.points}
    assert len(rates) > 5  # drawn, not fixed
    assert any(point.endswith("1 layers") for point in found.points)
    assert all("layers" not in point for point in read_coded(folder / "whole", "detection", latents=True).points)
    assert code_folder(folder / "clean", Grid(), folder / "coded", Drawing(2, 64, 96), Inline()) == 0


def test_a_share_of_streams_has_the_first_layer_alone(folder: Path, tmp_path: Path) -> None:
    points = {}
    for name, drawing in {
        "none": Drawing(6, 64, 96, cut=0.0),
        "half": Drawing(6, 64, 96, cut=0.0, alone=0.5),
        "all": Drawing(6, 64, 96, cut=0.0, alone=1.0),
    }.items():
        code_folder(folder / "clean", Grid(), tmp_path / name, drawing, Inline())
        points[name] = read_coded(tmp_path / name, "detection", latents=True).points
    assert not any("layers" in point for point in points["none"])
    assert points["all"] == [f"{point}, 1 layers" for point in points["none"]]  # of the same views and rates
    cut = [point.endswith(", 1 layers") for point in points["half"]]
    assert 8 <= sum(cut) <= 22  # of 30
    whole, alone = (read_coded(tmp_path / name, "detection", latents=False).decoded for name in ("none", "all"))
    half = read_coded(tmp_path / "half", "detection", latents=False).decoded
    assert all(np.array_equal(half[i], (alone if is_cut else whole)[i]) for i, is_cut in enumerate(cut))
    assert not all(np.array_equal(*pair) for pair in zip(whole, alone, strict=True))
    with pytest.raises(UsageError, match="expected at most 1 together"):
        Drawing(cut=0.6, alone=0.5)
    with pytest.raises(UsageError, match="shares of 0 or more"):
        Drawing(alone=-0.1)


def test_a_head_on_the_decoded_feature_reads_it_alone_in_its_own_space(folder: Path, tmp_path: Path) -> None:
    code_folder(folder / "clean", Featured(), tmp_path / "coded", Drawing(1, 128, 128, alone=0.4), Inline())
    chosen = recipe("detection", "latents", "F", 2)
    task = Adapted(chosen, read_coded(tmp_path / "coded", "detection", latents=True))
    (field,), _ = task.batch_of(chosen, 0)
    index = int(
        np.argmin([abs(stored.astype(np.float32) - field[0].numpy()).sum() for stored in task.coded.latents["F_hat"]])
    )
    assert np.array_equal(task.coded.latents["F_hat"][index].astype(np.float32), field[0].numpy())
    train(chosen, task, Run(tmp_path / "out"))
    head = LatentDetector(use="F", weights=str(tmp_path / "out" / "latent_detector_F.safetensors"))
    assert [(need.name, need.space) for need in head.needs] == [("F_hat", "f" * 64)]
    assert head.provenance()["latent_space"] == "f" * 64 == latent_space_of(head._path())
    assert why_not(Featured(), head, Roads()) is None
    assert "reads the latent F_hat, the codec offers y_hat" in str(why_not(Grid(), head, Roads()))


def test_codecs_without_latents_give_images_alone(folder: Path, tmp_path: Path) -> None:
    code_folder(folder / "clean", Blocks(), tmp_path, Drawing(1, 64, 96), Inline())
    assert len(read_coded(tmp_path, "detection", latents=False).decoded) == 5
    with pytest.raises(DataError, match="holds no latents"):
        read_coded(tmp_path, "detection", latents=True)


def test_views_keep_boxes_and_labels_on_their_pixels() -> None:
    image, labels = np.zeros((64, 96, 3), np.uint8), np.zeros((64, 96), np.uint8)
    image[20:40, 30:60], labels[20:40, 30:60] = 255, 8
    boxes = Boxes(np.array([[30, 20, 60, 40]], np.float32), np.array([0]), np.array([False]))
    seen = 0
    for seed in range(30):
        found = coded_view(View(image, boxes, labels), np.random.default_rng(seed), height=64, width=64)
        assert found.image.shape == (64, 64, 3)
        assert found.boxes is not None
        assert found.labels is not None
        bright, known = np.argwhere(found.image.mean(2) > 128), np.argwhere(found.labels == 8)
        if len(found.boxes.labels) and not found.boxes.ignored[0]:
            left, top, right, bottom = found.boxes.boxes_xyxy[0]
            for places in (bright, known):
                assert np.abs([*places.min(0), *(places.max(0) + 1)] - np.array([top, left, bottom, right])).max() <= 1
            seen += 1
    assert seen > 10
    assert coded_view(View(image[:8, :8], None, None), np.random.default_rng(0), height=64, width=96).image.shape == (
        64,
        96,
        3,
    )


def test_a_pupil_that_says_the_same_has_nothing_to_learn() -> None:
    torch.manual_seed(0)
    boxes = (torch.randn(2, 5, 8, 8), torch.randn(2, 4, 8, 8))
    maps = (torch.randn(2, 7, 8, 8), torch.randn(2, 7, 2, 2))
    assert float(distilled_boxes(boxes, boxes)) == pytest.approx(0, abs=1e-6)
    assert float(distilled_maps(maps, maps)) == pytest.approx(0, abs=1e-6)
    assert float(distilled_boxes((boxes[0] + 1, boxes[1]), boxes)) > 0.01
    assert float(distilled_boxes((boxes[0], boxes[1] + 1), boxes)) > 0.01
    by_hand = torch.nn.functional.kl_div(
        torch.zeros(2, 7, 8, 8).log_softmax(1), maps[0].softmax(1), reduction="sum"
    ) / (2 * 8 * 8)
    assert float(distilled_maps((torch.zeros(2, 7, 8, 8),), maps)) == pytest.approx(float(by_hand), rel=1e-5)


def test_the_teacher_looks_once_at_each_view(folder: Path, tmp_path: Path) -> None:
    teacher = Teacher(teacher_file(tmp_path, "detection", "hourglass"), "detection", ROADSCENES.classes)
    clean = read_coded(folder / "coded", "detection", latents=True).clean
    first = teacher.raw([0, 3], [clean[0], clean[3]])
    blank = np.zeros_like(clean[0])
    again = teacher.raw([3, 0], [blank, blank])
    for a, b in zip(first, again, strict=True):
        assert a.flip(0).equal(b)
    assert teacher.raw([0], [clean[0]], 2.0)[0].shape[2] == 2 * first[0].shape[2]


@pytest.mark.parametrize(
    ("task", "given", "arch"), [("detection", "latents", "y"), ("segmentation", "images", "pyramid")]
)
def test_a_resumed_run_is_exact(folder: Path, tmp_path: Path, task: str, given: str, arch: str) -> None:
    teacher_arch = {"detection": "hourglass", "segmentation": "context"}[task]
    teacher = Teacher(
        teacher_file(tmp_path, task, teacher_arch), task, (ROADSCENES if task == "detection" else CAMVID11).classes
    )
    chosen = recipe(task, given, arch, 4, score_every=2)
    whole = train(chosen, training_task(folder, chosen, teacher=teacher), Run(tmp_path / "whole"))
    train(chosen, training_task(folder, chosen, teacher=teacher), Run(tmp_path / "cut"), stop_at=2)
    resumed = train(chosen, training_task(folder, chosen, teacher=teacher), Run(tmp_path / "cut"))
    for name, tensor in whole.averaged.state_dict().items():
        assert tensor.equal(resumed.averaged.state_dict()[name]), name
    header = (tmp_path / "whole" / "log.csv").read_text("utf-8").splitlines()[0]
    assert "distilled" in header


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_a_lift_is_trained_alone_and_a_head_begins_with_it(folder: Path, tmp_path: Path, task: str) -> None:
    chosen = recipe(task, "latents", "y", 12, lift_only=True)
    pixel = teacher_file(tmp_path, task, {"detection": "hourglass", "segmentation": "context"}[task])
    state = train(chosen, training_task(folder, chosen), Run(tmp_path / "lift", pixel))
    own, given = state.network.state_dict(), load_file(pixel)
    assert all(own[name].equal(tensor) for name, tensor in given.items())
    lines = (tmp_path / "lift" / "log.csv").read_text("utf-8").splitlines()
    assert lines[0].split(",")[:3] == ["step", "loss", "planes"]
    fitted = training_task(folder, chosen).build("y").lift.state_dict()
    moved = [name for name, tensor in fitted.items() if not tensor.equal(own[f"lift.{name}"])]
    assert {"linear.weight", "block.2.weight"} <= set(moved)
    head = recipe(task, "latents", "y", 1)
    path = next((tmp_path / "lift").glob("*.safetensors"))
    begun = start(head, training_task(folder, head), Run(tmp_path / "head", path))
    assert all(begun.network.state_dict()[name].equal(tensor.float()) for name, tensor in load_file(path).items())
    assert path.name in begun.initial


def test_a_lift_comes_nearer_to_the_clean_views(folder: Path, tmp_path: Path) -> None:
    chosen = recipe("detection", "latents", "y", 40, lift_only=True, learning_rate=1e-2)
    task = training_task(folder, chosen)
    network: Any = task.build("y").eval()
    torch.nn.init.zeros_(network.lift.linear.weight)
    save_file(network.state_dict(), tmp_path / "none.safetensors")

    def distance(found: Any) -> float:
        inputs, truth = task.batch_of(chosen, 0)
        return float(task.loss(chosen, found(*inputs), truth)["planes"].detach())

    state = train(chosen, task, Run(tmp_path / "out", tmp_path / "none.safetensors"))
    assert distance(state.network.eval()) < 0.5 * distance(network)


def test_latent_heads_load_what_was_trained_and_read_that_codec_alone(folder: Path, tmp_path: Path) -> None:
    chosen = recipe("detection", "latents", "y", 2)
    train(chosen, training_task(folder, chosen), Run(tmp_path))
    head = LatentDetector(use="y", weights=str(tmp_path / "latent_detector_y.safetensors"))
    assert head.available() is None
    assert [(n.name, n.stride, n.space) for n in head.needs] == [("y_hat", 4, FINGERPRINT)]
    assert why_not(Grid(), head, Roads()) is None
    assert len(head.predict_latents([Grid().decode_latents(Grid().encode(np.zeros((33, 57, 3), np.uint8)))])) == 1
    card = (tmp_path / "latent_detector_y.md").read_text("utf-8")
    assert "adapted to grid" in card
    assert "y_hat (3, None, None)" in card


def test_a_latent_segmenter_is_scored_on_whole_images(folder: Path, tmp_path: Path) -> None:
    chosen = recipe("segmentation", "latents", "y", 4, score_every=2)
    state = train(chosen, training_task(folder, chosen), Run(tmp_path))
    assert 0 <= state.best.score <= 1
    head = LatentSegmenter(use="y", weights=str(tmp_path / "latent_segmenter_y.safetensors"))
    assert head.label_space == CAMVID11
    assert head.predict_latents([Grid().decode_latents(Grid().encode(np.zeros((33, 57, 3), np.uint8)))])[
        0
    ].labels.shape == (33, 57)


def test_the_rival_on_pixels_is_named_adapted(folder: Path, tmp_path: Path) -> None:
    chosen = recipe("detection", "images", "hourglass", 2, zoom=2.0)
    train(chosen, training_task(folder, chosen), Run(tmp_path))
    path = str(tmp_path / "small_adapted_hourglass.safetensors")
    head = SmallAdapted(arch="hourglass", weights=path)
    assert (head.available(), head.regime, head.adapted_to) == (None, "adapted", FINGERPRINT)
    assert why_not(Grid(), head, Roads()) is None
    assert "adapted to images of the codec with the latent space" in str(why_not(Blocks(), head, Roads()))
    assert "give them to small_adapted" in str(Small(arch="hourglass", weights=path).available())
    assert "the head is adapted; give them to small or" in str(
        SmallAdapted(arch="pyramid", weights=str(Small()._path())).available()
    )
    assert SmallAdapted(weights="none.safetensors").adapted_to == ""
    chosen = recipe("segmentation", "images", "pyramid", 1)
    train(chosen, training_task(folder, chosen), Run(tmp_path / "maps"))
    assert (
        SegmenterAdapted(
            arch="pyramid", weights=str(tmp_path / "maps" / "segmenter_adapted_pyramid.safetensors")
        ).adapted_to
        == FINGERPRINT
    )


def test_requests_that_cannot_be_met(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are both, y, w"):
        recipe("detection", "latents", "pyramid", 1)
    with pytest.raises(UsageError, match="expected 1; only detection in decoded images"):
        recipe("detection", "latents", "y", 1, zoom=2.0)
    with pytest.raises(UsageError, match="multiples of 32"):
        recipe("detection", "images", "hourglass", 1, zoom=1.1)
    with pytest.raises(UsageError, match="give use=y"):
        training_task(folder, recipe("detection", "latents", "both", 1))
    teacher = Teacher(teacher_file(tmp_path, "detection", "pyramid"), "detection", ROADSCENES.classes)
    with pytest.raises(UsageError, match="give a hourglass"):
        training_task(folder, recipe("detection", "latents", "y", 1), teacher=teacher)
    teacher = Teacher(teacher_file(tmp_path, "detection", "hourglass"), "detection", ROADSCENES.classes)
    with pytest.raises(UsageError, match="training of the lift only has no teacher"):
        training_task(folder, recipe("detection", "latents", "y", 1, lift_only=True), teacher=teacher)
    with pytest.raises(UsageError, match="only heads on latents have an adapter"):
        recipe("detection", "images", "hourglass", 1, lift_only=True)
    with pytest.raises(UsageError, match="views of 80x120"):
        training_task(
            folder, dataclasses.replace(recipe("detection", "latents", "y", 1), height=64, width=96), teacher=teacher
        )
    with pytest.raises(DataError, match="give weights of segmenter"):
        Teacher(teacher_file(tmp_path, "detection", "pyramid"), "segmentation", CAMVID11.classes)
    with pytest.raises(DataError, match="labelled in"):
        Teacher(teacher_file(tmp_path, "segmentation", "context"), "segmentation", CAMVID11.classes[:3])
    chosen = recipe("segmentation", "latents", "y", 1)
    other = dataclasses.replace(read_coded(folder / "whole", "segmentation", latents=True), codec="another")
    with pytest.raises(DataError, match="held-out images are of"):
        Adapted(chosen, read_coded(folder / "coded", "segmentation", latents=True), holdout=other)
    with pytest.raises(UnavailableError, match="no weights"):
        code_folder(folder / "clean", _missing(), tmp_path, Drawing(), Inline())
    with pytest.raises(UsageError, match="0 views"):
        Drawing(0)


def _missing() -> Any:
    @dataclasses.dataclass(frozen=True)
    class Missing(Grid):
        def available(self) -> str | None:
            return "there are no weights"

    return Missing()


def test_command_lines(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = [
        str(folder / "clean"),
        "--out",
        str(tmp_path / "coded"),
        "--height",
        "128",
        "--width",
        "128",
        "--workers",
        "1",
    ]
    assert encode_shards.main([*code, "--codec", "grid"]) == 0
    assert encode_shards.main([*code, "--codec", "original"]) == 2
    assert "no rate that could be drawn" in capsys.readouterr().err
    views = ["--batch", "1", "--height", "128", "--width", "128", "--steps", "1"]
    given = ["--data", str(tmp_path / "coded"), "--out", str(tmp_path / "out"), *views]
    teacher = ["--teacher", str(teacher_file(tmp_path, "detection", "hourglass"))]
    assert main(["--input", "latents", "--arch", "y", *given, *teacher]) == 0
    assert (tmp_path / "out" / "latent_detector_y.safetensors").is_file()
    assert main(["--arch", "pyramid", *given, *teacher]) == 2
    assert "--teacher is for --input" in capsys.readouterr().err
    assert main(["--input", "images", "--arch", "pyramid", "--holdout", str(tmp_path), *given]) == 2
    assert "--holdout is for --task segmentation" in capsys.readouterr().err

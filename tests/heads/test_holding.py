"""Networks are built once a run and never while times are taken: each kind of head, and the learned codec."""

from __future__ import annotations

import inspect
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import toy_onnx
from hsc_testkit import Blocks, FindSquares, Squares

from benchmarks.api import CODECS, Sample
from benchmarks.codecs import hsc as hsc_codec
from benchmarks.evaluation import configure, run
from benchmarks.harness.executors import Inline
from benchmarks.harness.indexed_image import IndexedImage, Pixels
from benchmarks.harness.jobs import Answer, Item, Job
from benchmarks.harness.measure import measure
from benchmarks.harness.readers import Reader, latent_names
from benchmarks.imaging.image_arrays import pixels_sha256
from downstream.api import HEADS, routes_of
from downstream.heads.torchvision import Torchvision
from hsc.api import Latents, LatentSpec
from hsc.networks import network_holder as held_module
from hsc.networks.network_holder import HOLDER, SPARE, Holder, held

PAUSE = 0.3
"""What building a network takes here at the least, seconds."""


@dataclass(frozen=True)
class Noise:
    """Eight images of noise, 64x64."""

    def load(self, index: int) -> Sample:
        return Sample(f"noise-{index}", np.random.default_rng(index).integers(0, 256, (64, 64, 3), np.uint8))


@dataclass(frozen=True)
class Verbatim:
    """A codec of raw pixels, with random latents."""

    specs: tuple[LatentSpec, ...] = ()

    rate_field: ClassVar[str] = ""

    def encode(self, image: np.ndarray) -> bytes:
        return bytes(image.shape[:2]) + image.tobytes()

    def decode(self, data: bytes) -> np.ndarray:
        return np.frombuffer(data[2:], np.uint8).reshape(*data[:2], 3).copy()

    def latent_specs(self) -> Sequence[LatentSpec]:
        return self.specs

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        maps = {}
        for spec in self.specs:
            sides = iter([-(-side // spec.stride) for side in data[:2]] if spec.stride else [])
            shape = [next(sides) if side is None else side for side in spec.shape]
            maps[spec.name] = np.random.default_rng(data[2]).normal(size=shape).astype(np.float32)
        return Latents(maps, (data[0], data[1]))

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        return [self.decode_latents(data) for data in streams]


def torchvision_file(model: str, folder: Path, **settings: Any) -> Path:
    import torch
    from safetensors.torch import save_file
    from torchvision.models import get_model

    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(get_model(model, weights=None, **settings).state_dict(), folder / f"{model}.safetensors")
    return folder / f"{model}.safetensors"


def packaged_file(name: str) -> Path:
    from downstream.weights.weights_file import packaged

    if not packaged(name).is_file():
        pytest.skip(f"the weights {name} are not here")
    return packaged(name)


def one_head(
    name: str, folder: Path, segmenter_weights: Callable[[str], Path], latent_weights: Callable[..., Path]
) -> tuple[str, Path]:
    """A spec with the word FILE in it, and the file that replaces this word."""
    if name == "onnx":
        pytest.importorskip("onnxruntime")
        (folder / "toy.onnx").write_bytes(toy_onnx.segmenter(np.eye(11, 3, dtype=np.float32), 64, 64))
        return "onnx(path=FILE, format=logits, classes=camvid11)", folder / "toy.onnx"
    if name == "onnx_classifier":
        pytest.importorskip("onnxruntime")
        (folder / "toy.onnx").write_bytes(toy_onnx.classifier(np.eye(80, 3, dtype=np.float32), 224))
        return "onnx_classifier(path=FILE, classes=coco80)", folder / "toy.onnx"
    if name == "torchvision_classifier":
        file = torchvision_file("squeezenet1_1", folder)
        return "torchvision_classifier(arch=squeezenet1_1, weights=FILE, resize=64, crop=64)", file
    if name == "torchvision":
        return "torchvision(model=ssdlite320_mobilenet_v3_large, weights=FILE, score_threshold=0.5)", torchvision_file(
            "ssdlite320_mobilenet_v3_large", folder, weights_backbone=None
        )
    if name == "torchvision_segmentation":
        file = torchvision_file("lraspp_mobilenet_v3_large", folder, weights_backbone=None, num_classes=21)
        return "torchvision_segmentation(model=lraspp_mobilenet_v3_large, weights=FILE, side=64)", file
    found = {
        "small": ("small(weights=FILE)", lambda: packaged_file("small_pyramid")),
        "small_adapted": (
            "small_adapted(arch=hourglass, weights=FILE)",
            lambda: packaged_file("small_adapted_hourglass"),
        ),
        "classifier": ("classifier(weights=FILE)", lambda: packaged_file("classifier_residual")),
        "segmenter": ("segmenter(weights=FILE)", lambda: segmenter_weights("pyramid")),
        "segmenter_adapted": (
            "segmenter_adapted(arch=context, trained=camvid, weights=FILE)",
            lambda: packaged_file("segmenter_adapted_context_camvid"),
        ),
        "latent_detector": ("latent_detector(weights=FILE)", lambda: latent_weights("detection", "both")),
        "latent_segmenter": ("latent_segmenter(weights=FILE)", lambda: latent_weights("segmentation", "both")),
    }[name]
    return found[0], found[1]()


FILES = {
    name: ("path" if name in ("tflite", "tflite_classifier", "huggingface") else "weights")
    for name in (
        "tflite",
        "tflite_classifier",
        "ultralytics",
        "mmseg",
        "huggingface",
        "detectron2",
        "lpips",
        "dists",
        "fid",
        "frechet_mobilenet",
    )
}
"""Heads whose packages or weights tests do not have; what holds their networks is looked at alone."""
NO_NETWORK = {"psnr", "ms_ssim", "blockiness"}
TRIED = (
    "onnx",
    "torchvision",
    "torchvision_segmentation",
    "small",
    "small_adapted",
    "segmenter",
    "segmenter_adapted",
    "latent_detector",
    "latent_segmenter",
    "classifier",
    "onnx_classifier",
    "torchvision_classifier",
)


@pytest.fixture
def slow_loads(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[None]:
    """Every network takes ``PAUSE`` to build, and none is held at first."""
    get = Holder.get

    def slow(self: Holder, key: Any, build: Callable[[], Any]) -> Any:
        def late() -> Any:
            time.sleep(PAUSE)
            return build()

        return get(self, key, late)

    monkeypatch.setattr(held_module.Holder, "get", slow)
    HOLDER.clear()
    yield
    HOLDER.clear()


def job(cell: int, codec: Any, heads: Sequence[Any]) -> Job:
    """One image at one operating point, to be coded and read by all heads."""
    image = Noise().load(cell).image
    readers = tuple(Reader(f"head {n}", head, routes_of(head)[0]) for n, head in enumerate(heads))
    indexed = IndexedImage(cell, f"noise-{cell}", Pixels(pixels_sha256(image), image.shape[:2], None))
    item = Item(indexed, None, True, tuple(reader.name for reader in readers), latents_timed=True)
    return Job(cell, Noise(), codec, readers, (item,), 1, latent_names(readers))  # type: ignore[arg-type]


def answered(cell: int, codec: Any, heads: Sequence[Any]) -> Answer:
    (answer,) = measure(job(cell, codec, heads))
    assert answer.stream is not None
    assert answer.stream.status == "ok", answer.stream.reason
    assert [record.reason for record in answer.readings.values()] == [""] * len(heads)
    return answer


def test_no_registered_head_is_left_out() -> None:
    ours = {name for name in HEADS.names() if HEADS.get(name).__module__.startswith("downstream.")}
    assert ours == {*TRIED, *FILES, *NO_NETWORK}


def source_of_head(head: type) -> str:
    """The source of a head's module and of the private modules beside it that it imports names from."""
    module = sys.modules[head.__module__]
    origins = {getattr(value, "__module__", "") or "" for value in vars(module).values()}
    beside = {origin for origin in origins if origin.startswith("downstream.heads._")}
    return "".join(inspect.getsource(sys.modules[part]) for part in sorted({head.__module__, *beside}))


@pytest.mark.parametrize("name", [*TRIED, *FILES])
def test_no_head_keeps_networks_of_its_own(name: str) -> None:
    source = source_of_head(HEADS.get(name))
    assert "lru_cache" not in source
    assert "@held\n" in source


@pytest.mark.parametrize("name", TRIED)
def test_three_heads_of_a_kind_are_built_three_times_in_eight_jobs_and_not_on_the_clock(
    name: str,
    tmp_path: Path,
    segmenter_weights: Callable[[str], Path],
    latent_weights: Callable[..., Path],
    slow_loads: None,
) -> None:
    spec, file = one_head(name, tmp_path, segmenter_weights, latent_weights)
    heads = []
    for number in range(3):
        copy = tmp_path / f"copy-{number}{file.suffix}"
        shutil.copyfile(file, copy)
        heads.append(HEADS.build(spec.replace("FILE", f'"{copy}"')))
    codec = Verbatim(tuple(getattr(heads[0], "needs", ())))
    HOLDER.clear()
    before = HOLDER.loads
    answers = [answered(cell, codec, heads) for cell in range(8)]
    assert HOLDER.loads - before == 3
    times = [record.head_s for answer in answers for record in answer.readings.values()]
    assert len(times) == 24
    assert max(times) < PAUSE
    assert all(answer.latents_s is None or answer.latents_s < PAUSE for answer in answers)


def test_three_models_of_the_learned_codec_are_built_three_times_in_eight_jobs_and_not_on_the_clock(
    tmp_path: Path, slow_loads: None
) -> None:
    pretrained = Path(hsc_codec.__file__).parents[2] / "hsc" / "pretrained" / "camvid.safetensors"
    if not pretrained.is_file():
        pytest.skip("the weights camvid are not here")
    shutil.copyfile(pretrained, tmp_path / "third.safetensors")
    codecs = [
        CODECS.build(f'hsc(model="{model}")') for model in ("roadscenes", "camvid", tmp_path / "third.safetensors")
    ]
    before = HOLDER.loads
    answers = [answered(cell, codecs[cell % 3], ()) for cell in range(8)]
    assert HOLDER.loads - before == 3
    assert max(max(a.stream.encode_s, a.stream.decode_s) for a in answers if a.stream) < min(
        PAUSE + min(a.stream.encode_s for a in answers if a.stream), 4 * PAUSE
    )


def test_what_is_built_while_the_clock_runs_is_timed_again(
    tmp_path: Path, segmenter_weights: Callable[[str], Path], slow_loads: None
) -> None:
    shutil.copyfile(segmenter_weights("pyramid"), tmp_path / "own.safetensors")
    head = HEADS.build(f'segmenter(weights="{tmp_path / "own.safetensors"}")')
    answered(0, Verbatim(), [head])
    HOLDER.clear()  # as where the file was changed: the head was warm, its network is not here any more
    before = HOLDER.loads
    assert answered(1, Verbatim(), [head]).readings["head 0", "image"].head_s < PAUSE
    assert HOLDER.loads - before == 1


def test_a_changed_file_is_loaded_anew(tmp_path: Path, segmenter_weights: Callable[[str], Path]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    path = tmp_path / "own.safetensors"
    shutil.copyfile(segmenter_weights("pyramid"), path)
    head = HEADS.build(f'segmenter(weights="{path}")')
    image = Noise().load(0).image
    (first,) = head.predict([image])
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        about = file.metadata()
    tensors = {
        name: -t if name.startswith("classify") and t.is_floating_point() else t for name, t in load_file(path).items()
    }
    time.sleep(0.01)
    save_file(tensors, path, about)
    (second,) = head.predict([image])
    assert torch.ne(torch.from_numpy(first.labels), torch.from_numpy(second.labels)).float().mean() > 0.5


@pytest.mark.parametrize("model", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"])
def test_detectors_that_differ_in_thresholds_alone_share_a_network_and_keep_their_thresholds(
    model: str, tmp_path: Path
) -> None:
    from torchvision.models import get_model

    file = torchvision_file(model, tmp_path, weights_backbone=None)
    limits = [(0.2, 0.4, 5), (0.3, 0.6, 50)]
    heads = [Torchvision(model, str(file), score, nms, most) for score, nms, most in limits]
    HOLDER.clear()
    before = HOLDER.loads
    prefix = "box_" if "rcnn" in model else ""
    for head, (score, nms, most) in [*zip(heads, limits, strict=True)] * 2:
        options = {f"{prefix}score_thresh": score, f"{prefix}nms_thresh": nms, f"{prefix}detections_per_img": most}
        made = get_model(model, weights=None, weights_backbone=None, **options)
        for name in ("score_thresh", "nms_thresh", "detections_per_img"):
            ours, torchvisions = (getattr(getattr(n, "roi_heads", n), name) for n in (head._network(), made))
            assert (
                ours
                == torchvisions
                == dict(zip(("score_thresh", "nms_thresh", "detections_per_img"), (score, nms, most), strict=True))[
                    name
                ]
            )
    assert HOLDER.loads - before == 1


def test_outside_of_runs_the_latest_stay_and_in_a_run_all_do() -> None:
    holder = Holder()
    for number in range(SPARE + 3):
        assert holder.get(number, lambda number=number: number * 2) == number * 2
    assert len(holder) == SPARE
    with holder.run():
        for number in range(100, 100 + 3 * SPARE):
            holder.get(number, object)
        assert holder.get(SPARE + 2, list) == 2 * (SPARE + 2)
        assert len(holder) == 4 * SPARE
        loads = holder.loads
        for number in range(100, 100 + 3 * SPARE):
            holder.get(number, object)
        assert holder.loads == loads
    assert len(holder) == 3 * SPARE + 1  # what the run before had is gone
    with holder.run():
        holder.get("next", object)
    assert len(holder) == 1


def test_what_cannot_be_built_is_not_held() -> None:
    tries = []

    @held
    def network(path: str) -> str:
        tries.append(path)
        if len(tries) < 2:
            raise ValueError("no luck")
        return path

    with pytest.raises(ValueError, match="no luck"):
        network("a")
    assert [network("a"), network(path="a"), network("a")] == ["a", "a", "a"]
    assert len(tries) == 3  # positional and by name are two ways to ask


@held
def _fake_network(number: int) -> list[int]:
    return [number] * 1000


@dataclass(frozen=True)
class Holding(FindSquares):
    """A head with a network of its own, by number."""

    number: int = 0

    def predict(self, images: Sequence[np.ndarray]) -> list[Any]:
        assert _fake_network(self.number)[0] == self.number
        return super().predict(images)


def test_runs_one_after_another_in_one_process_do_not_pile_up_networks(tmp_path: Path) -> None:
    HOLDER.clear()
    for number in range(4):
        heads = [Holding(threshold=100 + k, number=10 * number + k) for k in range(SPARE + 2)]
        config = configure("detection", Squares(images=2), [Blocks(4)], heads, anchors=[], resamples=0)
        before = HOLDER.loads
        run(config, cache=tmp_path / f"{number}", executor=Inline())
        assert HOLDER.loads - before == SPARE + 2
        assert len(HOLDER) == SPARE + 2
    HOLDER.clear()

"""Segmenters of other model zoos with random weights: the path from file to label map, and why they are unavailable."""

from __future__ import annotations

import importlib.util
import io
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from downstream.api import HEADS
from downstream.heads._mmseg_import import PACKAGES, StandIn, config_path, import_mmseg
from downstream.heads.mmseg import MmSeg, _for_testing
from downstream.heads.tflite import TfLite
from downstream.heads.torchvision_segmentation import TorchvisionSegmentation
from downstream.label_spaces import CAMVID11, CITYSCAPES19, VOC21
from hsc.errors import DataError, SpecError, UnavailableError

LITERT = importlib.util.find_spec("ai_edge_litert") is not None
MMSEG = not [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


def check_answers(head, images=None):
    images = images or [noise(1, 1), noise(33, 57), noise(64, 96)]
    found = pickle.loads(pickle.dumps(head)).predict(images)
    assert [p.labels.shape for p in found] == [image.shape[:2] for image in images]
    for prediction in found:
        assert prediction.labels.dtype == np.uint8
        assert prediction.labels.max() < len(head.label_space.classes)
    np.testing.assert_array_equal(head.predict(images[2:])[0].labels, found[2].labels)
    assert head.predict([]) == []
    return found


# torchvision


def torchvision_state(model, classes, **more):
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    return get_model(model, weights=None, weights_backbone=None, num_classes=classes, **more).state_dict()


@pytest.fixture(scope="module")
def lraspp(tmp_path_factory):
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(torchvision_state("lraspp_mobilenet_v3_large", 21), path)
    return str(path)


def test_torchvision_end_to_end(lraspp):
    head = HEADS.build(f'torchvision_segmentation(model=lraspp_mobilenet_v3_large, weights="{lraspp}", side=64)')
    assert head.available() is None
    assert head.label_space is VOC21
    assert len(head.provenance()["weights_sha256"]) == 64
    check_answers(head)


def test_torchvision_prepares_images_as_its_weights_expect(lraspp):
    """Against torchvision's own transform for these weights."""
    import torch
    from torchvision.models import get_model
    from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights as Weights

    head = TorchvisionSegmentation("lraspp_mobilenet_v3_large", lraspp, side=64)
    image = noise(48, 72)
    network = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None).eval()
    network.load_state_dict(torchvision_state("lraspp_mobilenet_v3_large", 21))
    prepared = Weights.DEFAULT.transforms(resize_size=64)(torch.from_numpy(image).permute(2, 0, 1))
    with torch.inference_mode():
        logits = network(prepared[None])["out"]
        expected = torch.nn.functional.interpolate(logits, size=(48, 72), mode="bilinear", align_corners=False)[
            0
        ].argmax(0)
    assert (head.predict([image])[0].labels == expected.numpy()).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "aux"),
    [("deeplabv3_mobilenet_v3_large", True), ("deeplabv3_mobilenet_v3_large", False), ("fcn_resnet50", True)],
)
def test_torchvision_other_models_and_classes(model, aux, tmp_path):
    import torch

    torch.save(torchvision_state(model, 11, aux_loss=aux), tmp_path / "state.pth")
    head = TorchvisionSegmentation(model, str(tmp_path / "state.pth"), classes="camvid11", side=0)
    assert head.available() is None
    assert head.label_space is CAMVID11
    check_answers(head)


def test_torchvision_faults(lraspp, monkeypatch, tmp_path):
    assert "fcn_resnet50" in TorchvisionSegmentation("fcn_resnet50", lraspp).available()
    assert "it has" in TorchvisionSegmentation("fasterrcnn_resnet50_fpn").available()
    (tmp_path / "bad.pth").write_bytes(b"nothing")
    with pytest.raises(DataError, match="get it again"):
        TorchvisionSegmentation(weights=str(tmp_path / "bad.pth")).predict([noise(8, 8)])
    assert "are missing" in TorchvisionSegmentation(weights=str(tmp_path / "none.pth")).available()
    with pytest.raises(SpecError, match="give weights"):
        HEADS.build("torchvision_segmentation(classes=camvid11)")
    monkeypatch.setenv("HSC_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "HSC_OFFLINE" in TorchvisionSegmentation().available()


# tflite


class Interpreter:
    """A LiteRT interpreter whose answer is made of its input by ``answer``."""

    def __init__(self, dtype, answer):
        self.dtype, self.answer = dtype, answer

    def get_input_details(self):
        return [{"index": 0, "shape": np.array([1, 32, 48, 3]), "dtype": self.dtype}]

    def get_output_details(self):
        return [{"index": 1}]

    def set_tensor(self, index, values):
        assert values.dtype == self.dtype
        assert values.shape == (1, 32, 48, 3)
        self.values = values

    def invoke(self):
        self.result = self.answer(self.values.astype(np.float32))

    def get_tensor(self, index):
        return self.result


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
@pytest.mark.parametrize("scores", [False, True])
def test_tflite_reads_pixels_and_answers(dtype, scores, tmp_path):
    (tmp_path / "two.txt").write_text("dark\nbright\n", "utf-8")
    middle = 127.5 if dtype == np.uint8 else 0

    def answer(values):
        bright = values.mean(3) > middle
        return np.stack([~bright, bright], 3).astype(np.float32) if scores else bright.astype(np.int64)

    head = TfLite("none.tflite", str(tmp_path / "two.txt"))
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 255
    found = head._segment(Interpreter(dtype, answer), image).labels
    assert found.shape == (40, 60)
    assert (found == (image[..., 0] > 0)).mean() > 0.95
    with pytest.raises(DataError, match="check classes"):
        head._segment(Interpreter(dtype, lambda values: np.full((1, 32, 48), 7)), image)


def test_tflite_missing_says_the_cure(tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    for name, cure in (("none.tflite", "give the path"), ("bad.tflite", "get it again")):
        assert (cure if LITERT else "hsc-bench[tflite]") in TfLite(str(tmp_path / name)).available()
    with pytest.raises(UnavailableError):
        TfLite(str(tmp_path / "none.tflite")).predict([noise(8, 8)])
    with pytest.raises(SpecError, match="std"):
        HEADS.build("tflite(path=x, std=0)")


@pytest.fixture
def pascal(shared):
    if not LITERT:
        pytest.skip("ai-edge-litert is not installed")
    return TfLite(str(shared / "models" / "deeplabv3_mnv2_pascal_quant.tflite"))


def test_tflite_end_to_end(pascal):
    assert pascal.available() is None
    assert pascal.label_space is VOC21
    assert len(pascal.provenance()["weights_sha256"]) == 64
    check_answers(pascal)


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "miou"), [(None, 0.616)])
def test_tflite_on_coco128(pascal, shared, quality, miou):
    """mIoU of the classes that are there. COCO's other objects are background, what lies in a crowd region counts for
    nobody.
    """
    from PIL import Image as Pillow

    coco = json.loads((shared / "data" / "coco128" / "annotations" / "instances_val2017.json").read_text("utf-8"))
    confusion = np.zeros((21, 21), np.int64)
    for entry in coco["images"]:
        image = Pillow.open(shared / "data" / "coco128" / "val2017" / entry["file_name"]).convert("RGB")
        if quality:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality)
            image = Pillow.open(buffer).convert("RGB")
        found = pascal.predict([np.asarray(image)])[0].labels
        truth = painted(coco, entry)
        known = truth < 21
        confusion += np.bincount(truth[known].astype(int) * 21 + found[known], minlength=441).reshape(21, 21)
    right, there = np.diag(confusion), confusion.sum(1)
    union = there + confusion.sum(0) - right
    assert (right[there > 0] / union[there > 0]).mean() == pytest.approx(miou, abs=0.005)


_OF_COCO = {
    "airplane": "aeroplane",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "couch": "sofa",
    "tv": "tvmonitor",
}


def painted(coco, entry):
    """VOC's classes (H, W) of one image of COCO, large objects first."""
    from pycocotools import mask

    size = entry["height"], entry["width"]
    names = {c["id"]: _OF_COCO.get(c["name"], c["name"]) for c in coco["categories"]}
    labels, void = np.zeros(size, np.uint8), np.zeros(size, bool)
    for one in sorted((a for a in coco["annotations"] if a["image_id"] == entry["id"]), key=lambda a: -a["area"]):
        shape = one["segmentation"]
        run = mask.merge(mask.frPyObjects(shape, *size)) if isinstance(shape, list) else mask.frPyObjects(shape, *size)
        inside = mask.decode(run).astype(bool)
        if one["iscrowd"]:
            void |= inside
        if names[one["category_id"]] in VOC21.classes:
            labels[inside] = VOC21.classes.index(names[one["category_id"]])
    labels[void] = 255
    return labels


# mmsegmentation


def test_mmseg_missing_says_the_cure(tmp_path):
    head = MmSeg(str(tmp_path / "none.py"), str(tmp_path / "none.pth"))
    assert ("give its path" if MMSEG else "hsc-bench[mmseg]") in head.available()
    with pytest.raises(UnavailableError):
        head.predict([noise(8, 8)])
    assert MmSeg("x.py", "x.pth", classes="ade150").label_space.name == "ade150"


def test_mmseg_stand_in_names_the_operation():
    stand_in = StandIn("mmcv._ext")
    with pytest.raises(UnavailableError, match=r"psamask_forward.*mmcv 2\.1\.0"):
        stand_in.psamask_forward(1, 2)
    assert not hasattr(stand_in, "__path__")


def test_mmseg_settings_for_testing():
    model = {
        "pretrained": "far://away",
        "norm_cfg": {"type": "SyncBN"},
        "heads": [{"init_cfg": {}, "norm": {"type": "SyncBN", "eps": 1}}],
    }
    assert _for_testing(model) == {"norm_cfg": {"type": "BN"}, "heads": [{"norm": {"type": "BN", "eps": 1}}]}


needs_mmseg = pytest.mark.skipif(not MMSEG, reason="mmsegmentation is not installed; pip install 'hsc-bench[mmseg]'")

CONFIGS = {
    "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py": 150,
    "pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py": 19,
    "deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py": 19,
    "bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py": 19,
}


def reference(config):
    """The network of a config with random weights, built by mmsegmentation itself, with logits that differ."""
    import torch
    from mmengine.config import Config
    from mmengine.model import revert_sync_batchnorm
    from mmseg.registry import MODELS

    import_mmseg()
    settings = Config.fromfile(str(config_path(config))).model
    settings.pretrained = None
    torch.manual_seed(0)
    network = revert_sync_batchnorm(MODELS.build(settings)).eval()
    torch.nn.init.normal_(network.decode_head.conv_seg.weight)
    return network


@pytest.mark.slow
@needs_mmseg
@pytest.mark.filterwarnings("default")  # its own imports warn
@pytest.mark.parametrize("config", CONFIGS)
def test_mmseg_builds_loads_and_runs(config, tmp_path):
    import torch

    network = reference(config)
    path = tmp_path / "random.pth"
    names = CITYSCAPES19.classes if CONFIGS[config] == 19 else tuple(f"class {i}" for i in range(150))
    torch.save({"state_dict": network.state_dict(), "meta": {"dataset_meta": {"classes": names}}}, path)
    head = MmSeg(config, str(path), resize="own")
    assert head.available() is None
    assert head.label_space.classes == names
    assert head.provenance()["mmsegmentation"].startswith("1.2")
    found = check_answers(head)
    image = noise(64, 96)
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    pixels = ((torch.from_numpy(image).float() - mean) / std).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = network(pixels, mode="tensor")
        assert head._loaded().network(pixels, mode="tensor").equal(expected)
        at_size = torch.nn.functional.interpolate(
            expected, size=(64, 96), mode="bilinear", align_corners=network.align_corners
        )
    assert (found[2].labels == at_size[0].argmax(0).numpy()).mean() > 0.999
    assert len(np.unique(found[2].labels)) > 2


@pytest.mark.slow
@needs_mmseg
@pytest.mark.filterwarnings("default")
def test_mmseg_faults_and_the_configs_own_resize(tmp_path):
    import torch

    config = "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py"
    state = reference(config).state_dict()
    torch.save(
        {"state_dict": state, "meta": {"CLASSES": tuple(map(str, range(150))), "tool": tmp_path}},
        tmp_path / "pickle.pth",
    )
    assert "convert it once" in MmSeg(config, str(tmp_path / "pickle.pth")).available()
    torch.save({"state_dict": state}, tmp_path / "plain.pth")
    assert "give classes=" in MmSeg(config, str(tmp_path / "plain.pth")).available()
    assert "150 classes" in MmSeg(config, str(tmp_path / "plain.pth"), classes="voc21").available()
    other = MmSeg(
        "pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py", str(tmp_path / "plain.pth"), classes="cityscapes19"
    )
    assert "is not of pspnet" in other.available()
    (tmp_path / "bad.pth").write_bytes(b"nothing")
    assert "get it again" in MmSeg(config, str(tmp_path / "bad.pth")).available()
    (tmp_path / "bad.py").write_text("model = 1 +", "utf-8")
    assert "test_pipeline" in MmSeg(str(tmp_path / "bad.py"), str(tmp_path / "plain.pth")).available()
    (tmp_path / "small.py").write_text(
        f"_base_ = {json.dumps(str(shipped(config)))}\ntest_pipeline = [dict(type='LoadImageFromFile'), "
        "dict(type='Resize', scale=(96, 64), keep_ratio=True), dict(type='PackSegInputs')]\n",
        "utf-8",
    )
    head = MmSeg(str(tmp_path / "small.py"), str(tmp_path / "plain.pth"), classes="ade150")
    own = MmSeg(str(tmp_path / "small.py"), str(tmp_path / "plain.pth"), classes="ade150", resize="own")
    assert head.provenance()["config_sha256"] != own.provenance()["config_sha256"]
    check_answers(head)
    np.testing.assert_array_equal(head.predict([noise(64, 96)])[0].labels, own.predict([noise(64, 96)])[0].labels)


def shipped(config):
    return config_path(config)


def test_stubs_are_like_the_real_thing():
    """The interpreter stub has what the head asks of LiteRT's."""
    if not LITERT:
        pytest.skip("ai-edge-litert is not installed")
    from ai_edge_litert.interpreter import Interpreter as Real

    wanted = SimpleNamespace(**{name: getattr(Real, name) for name in vars(Interpreter) if not name.startswith("_")})
    assert callable(wanted.invoke)

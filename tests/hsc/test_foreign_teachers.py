"""Teachers that other people trained: what they see, where their weights come from, and trainings with several."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_codec_training import ONE, assert_same, shards, teacher, tensors  # noqa: F401
from torch import nn

from hsc.errors import DataError, UsageError
from hsc.training.loop import train
from hsc.training.losses import teacher_loss
from hsc.training.state import Run
from hsc.training.teachers import efficientnet_lite, imagenet
from hsc.training.teachers.espnetv2 import EspNetTeacher, EspNetV2, load_espnetv2
from hsc.training.teachers.named import load_named, load_teachers, public_name
from hsc.training.teachers.tfjs_graph import TfjsGraph
from hsc.training.teachers.weights_file import load_strictly, read_weights
from hsc.weights import files

pytestmark = pytest.mark.usefixtures("one_thread")


class Edges(nn.Module):
    """Its maps are the differences of neighbours, at full and half size."""

    def forward(self, images):
        return images.diff(dim=3), nn.functional.avg_pool2d(images, 2).diff(dim=2)


def edges() -> nn.Module:
    return Edges()


def installed(name: str):
    """The file of weights of a package; skips where it is not installed."""
    file = imagenet.weights_file(name)
    if file is None:
        pytest.skip(imagenet.PACKAGES[name].install)
    return file


def small_espnet() -> EspNetV2:
    """A random one whose normalisations are not the identity."""
    torch.manual_seed(0)
    network = EspNetV2((16, 32, 64, 128), (1, 2), (16, 12, 8), 4, 5).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network


def network_of(name: str, tmp_path) -> nn.Module:
    if name == "espnetv2":
        torch.save(small_espnet().state_dict(), tmp_path / "small.pth")
        return load_teachers([], [f"espnetv2:{tmp_path / 'small.pth'}"], "cpu")[0]
    if name == "user":
        return load_teachers([], [f"{__name__}:edges"], "cpu")[0]
    installed(name)
    return load_teachers([], [name], "cpu")[0]


@pytest.mark.parametrize("name", ["mobilenet", "efficientnet-lite0", "espnetv2", "user"])
def test_equal_images_lose_nothing_and_the_gradient_reaches_what_was_decoded(name, tmp_path) -> None:
    network = network_of(name, tmp_path)
    torch.manual_seed(1)
    images, weight = torch.rand(2, 3, 48, 80) * 2 - 1, torch.ones(2, 1, 48, 80)
    seen = network(images)
    assert teacher_loss(seen, seen, weight).tolist() == pytest.approx([0, 0], abs=1e-6)
    decoded = (images + torch.tensor([0.05, 0.3])[:, None, None, None] * torch.randn_like(images)).requires_grad_()
    loss = teacher_loss(network(decoded), seen, weight)
    assert 0 < loss.tolist()[0] < loss.tolist()[1]
    assert torch.allclose(teacher_loss(network(decoded), seen, 3 * weight), 3 * loss)
    loss.sum().backward()
    assert (decoded.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_without_class_maps_the_loss_is_the_distance_relative_to_the_size_of_features(tmp_path) -> None:
    network = network_of("user", tmp_path)
    images = torch.tensor([0.0, 1.0, 0.0, 1.0]).repeat(1, 3, 4, 1)  # differences are 1 apart; means of pairs are flat
    seen, decoded = network(images), network(0.25 * images)
    assert float(teacher_loss(decoded, seen, torch.ones(1, 1, 4, 4))) == pytest.approx(0.75)


def test_mobilenet_sees_what_torchvision_computes_from_its_preprocessed_image() -> None:
    from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

    file = installed("mobilenet")
    network = mobilenet_v2().eval()
    network.load_state_dict(torch.load(file, weights_only=True))
    torch.manual_seed(2)
    pixels = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    preprocess = MobileNet_V2_Weights.IMAGENET1K_V1.transforms(resize_size=224)
    x, wanted = preprocess(pixels), []
    with torch.no_grad():
        for number, block in enumerate(network.features[:18]):
            x = block(x)
            if number in (3, 6, 13, 17):
                wanted.append(x)
        seen = load_named("mobilenet")(pixels.float() / 127.5 - 1)
    assert [tuple(m.shape[1:]) for m in seen.features] == [(24, 56, 56), (32, 28, 28), (96, 14, 14), (320, 7, 7)]
    for feature, map_ in zip(seen.features, wanted, strict=True):
        torch.testing.assert_close(feature, map_, rtol=1e-3, atol=1e-4)


def test_efficientnet_takes_every_weight_of_its_package_and_pads_as_it_was_trained() -> None:
    unit = efficientnet_lite._Unit(1, 1, 3, 2, active=False).eval()
    with torch.no_grad():
        unit.conv.weight.fill_(1)
        sums = unit(torch.arange(16.0).reshape(1, 1, 4, 4))  # the windows begin at 0 and 2: the zeros are after
    scale = (1 + 1e-3) ** -0.5
    assert sums.flatten().tolist() == pytest.approx([x * scale for x in (45, 39, 66, 50)])
    file = installed("efficientnet-lite0")
    network = efficientnet_lite.EfficientNetLite0()
    load_strictly(network, efficientnet_lite.renamed(read_weights(file)), file)
    with torch.no_grad():
        seen = load_named("efficientnet-lite0")(torch.zeros(1, 3, 72, 100))
        x = network.eval().stem(torch.full((1, 3, 72, 100), (127.5 - 127) / 128))
        for block in network.blocks:
            x = block(x)
    assert [tuple(m.shape[1:]) for m in seen.features] == [(24, 18, 25), (40, 9, 13), (112, 5, 7), (320, 3, 4)]
    torch.testing.assert_close(seen.features[-1], x, rtol=1e-3, atol=1e-4)


def test_a_segmenter_comes_back_from_its_file_and_pads_to_whole_strides(tmp_path) -> None:
    network = small_espnet()
    path = tmp_path / "small.pth"
    torch.save(network.state_dict(), path)
    back = load_espnetv2(path)
    torch.manual_seed(3)
    images = torch.rand(1, 3, 48, 80) * 2 - 1
    with torch.no_grad():
        seen, wanted = back(images), EspNetTeacher(network)(images)
        odd = back(images[..., :41, :73])
    torch.testing.assert_close(seen.logits, wanted.logits)
    assert seen.logits.shape == odd.logits.shape == (1, 5, 24, 40)
    assert [tuple(m.shape[1:]) for m in seen.features] == [(32, 12, 20), (64, 6, 10), (128, 3, 5)]
    assert float(seen.logits.std((0, 2, 3)).min()) > 0


def test_weights_that_do_not_fit_are_refused(tmp_path) -> None:
    state = small_espnet().state_dict()
    torch.save({name: tensor for name, tensor in state.items() if "bu_dec_l3.br" not in name}, tmp_path / "less.pth")
    torch.save({"step": 3}, tmp_path / "other.pth")
    torch.save(state | {"bu_br_l2.0.bias": torch.full((16,), torch.nan)}, tmp_path / "nan.pth")
    (tmp_path / "torn.pth").write_bytes(b"torn")
    for name in ("less", "other", "nan", "torn", "absent"):
        with pytest.raises(DataError):
            load_named(f"espnetv2:{tmp_path / name}.pth")
    with pytest.raises(UsageError, match="espnetv2:FILE"):
        load_named("resnet")


def write_graph(folder, nodes, weights) -> Path:
    """A TensorFlow.js graph model. weights: arrays by name, stored as they are."""
    constants = [{"name": name, "op": "Const", "attr": {}} for name in weights]
    listed = [{"name": n, "shape": list(w.shape), "dtype": str(w.dtype)} for n, w in weights.items()]
    for entry in listed:
        if entry["dtype"] == "float16":
            entry |= {"dtype": "float32", "quantization": {"dtype": "float16", "original_dtype": "float32"}}
    (folder / "net.bin").write_bytes(b"".join(weight.tobytes() for weight in weights.values()))
    content = {"modelTopology": {"node": [*reversed(nodes), *constants]}}
    content["weightsManifest"] = [{"paths": ["net.bin"], "weights": listed}]
    (folder / "net.json").write_text(json.dumps(content))
    return folder / "net.json"


def convolution(name, operation, inputs, stride, *fused):
    encoded = [base64.b64encode(word.encode()).decode() for word in fused]
    attributes = {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": base64.b64encode(b"SAME").decode()},
        "fused_ops": {"list": {"s": encoded}},
    }
    return {"name": name, "op": operation, "input": inputs, "attr": attributes}


def test_a_graph_of_tensorflow_js_computes_what_its_operations_say(tmp_path) -> None:
    nodes = [
        {"name": "images", "op": "Placeholder"},
        convolution("conv", "_FusedConv2D", ["images", "kernel", "bias"], 2, "BiasAdd", "Relu"),
        convolution("depth", "DepthwiseConv2dNative", ["conv", "factors"], 1),
        {"name": "up", "op": "ResizeBilinear", "input": ["depth", "size"]},
        {"name": "both", "op": "ConcatV2", "input": ["up", "up:0", "axis"]},
        {"name": "scaled", "op": "Mul", "input": ["both", "gains"]},
        {"name": "mean", "op": "Mean", "input": ["scaled", "axes"]},
    ]
    kernel = np.zeros((3, 3, 3, 2), np.float16)
    kernel[:, :, 0, 0] = 1  # sums the first channel; the second output is the bias alone
    weights = {
        "kernel": kernel,
        "bias": np.array([-40, 0.5], np.float32),
        "factors": np.array([2, 4], np.float32).reshape(1, 1, 2, 1),
        "size": np.array([4, 4], np.int32),
        "axis": np.array(3, np.int32),
        "gains": np.array([1, 1, 10, 10], np.float32),
        "axes": np.array([1, 2], np.int32),
    }
    graph = TfjsGraph(write_graph(tmp_path, nodes, weights), ["scaled", "mean"])
    images = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 3, 1, 1).requires_grad_()
    scaled, mean = graph(images)
    sums = np.array([[45, 39], [66, 50]])  # of the windows, with zeros after the last row and column
    corners = 2 * np.maximum(0, sums - 40)
    rows = np.stack([corners[0], corners.mean(0), corners[1], corners[1]])
    doubled = np.stack([rows[:, 0], rows.mean(1), rows[:, 1], rows[:, 1]], 1)
    np.testing.assert_allclose(scaled[0, 0].detach().numpy(), doubled)
    assert torch.equal(scaled[0, 2], 10 * scaled[0, 0])
    assert (scaled[0, 1] == 2).all()
    assert mean.flatten().tolist() == pytest.approx(scaled.mean((2, 3)).flatten().tolist())
    mean.sum().backward()
    assert float(images.grad[:, 0].abs().min()) >= 0 < float(images.grad[:, 0].abs().max())
    nodes[2]["op"] = "Conv3D"
    with pytest.raises(DataError, match="Conv3D"):
        TfjsGraph(write_graph(tmp_path, nodes, weights), ["mean"])
    with pytest.raises(DataError, match="TensorFlow"):
        TfjsGraph(tmp_path / "net.json", ["absent"])
    with pytest.raises(DataError):
        load_named(f"centernet:{tmp_path / 'net.json'}")


def test_names_in_cards_hold_no_folder() -> None:
    assert public_name("espnetv2:/home/somebody/city.pth") == "espnetv2:city.pth"
    assert public_name("mobilenet") == "mobilenet"


def test_teachers_of_all_kinds_take_turns_and_stand_in_the_card(shards, teacher, tmp_path) -> None:  # noqa: F811
    name = f"{__name__}:edges"
    both = train(ONE, Run(tmp_path / "both", shards, (teacher,), perceptual=(name,)), stop_at=2)
    alone = train(ONE, Run(tmp_path / "alone", shards, (teacher,)), stop_at=1)
    first = train(ONE, Run(tmp_path / "first", shards, (teacher,), perceptual=(name,)), stop_at=1)
    assert_same(tensors(alone.model), tensors(first.model))
    one = train(ONE, Run(tmp_path / "alone", shards, (teacher,)), stop_at=2)
    assert not torch.equal(both.model.gie.stem[0].weight, one.model.gie.stem[0].weight)
    train(ONE, Run(tmp_path / "both", shards, (teacher,), perceptual=(name,)))
    card = files.read_card(tmp_path / "both" / "tiny.safetensors").card
    assert card["teachers"] == [teacher.name, name]
    with pytest.raises(UsageError, match="none"):
        train(ONE, Run(tmp_path / "none", shards, (teacher,), perceptual=("none",)))

"""Codec training on a few synthetic frames: losses fall, runs resume exactly, and the weights code images."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_detail import DETAILED
from tiny_profile import TINY

from hsc.codec import HscCodec
from hsc.entropy_coding import layered_stream
from hsc.errors import DataError, UsageError
from hsc.networks.profiles import profile_to_json
from hsc.training.__main__ import main
from hsc.training.bit_prices import Prices
from hsc.training.decoder_stage import draw_light
from hsc.training.initialisation import set_patches
from hsc.training.loop import train
from hsc.training.losses import latent_loss, lattice_loss, pixel_loss, teacher_loss, where_loss
from hsc.training.object_maps import object_divergence, object_loss, object_maps
from hsc.training.patch_critic import PatchCritic, augmented, critic_loss, texture_loss
from hsc.training.recipe import CONFIGS, Recipe, read_recipe, recipe_of
from hsc.training.run_folder import export
from hsc.training.shards import Batch, batch_of, class_weight, object_weight, read_frames
from hsc.training.state import Run
from hsc.training.teacher import train_teacher
from hsc.training.teachers.unet import UNet, load_teacher, save_teacher
from hsc.weights import files

pytestmark = pytest.mark.usefixtures("one_thread")

ONE = Recipe(
    "tiny",
    profile_to_json(TINY),
    seed=3,
    batch=2,
    crop=(48, 64),
    steps=(3, 3, 3),
    rates=(0.2, 0.5),
    image_pixels=64 * 96,
    warmup=2,
    prefix_share=0.4,
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """Six pictures of one bright rectangle on a slope of grey, 64x96, in two shards."""
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(0)
    for shard in range(2):
        images, maps, boxes = [], [], []
        for _ in range(3):
            image = np.repeat(np.linspace(40, 200, 96).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
            x, y = int(random.integers(0, 60)), int(random.integers(0, 30))
            semantic = np.zeros((64, 96), np.uint8)
            image[y : y + 20, x : x + 30] = (220, 40, 40)
            semantic[y : y + 20, x : x + 30] = 1
            images.append(image)
            maps.append(semantic)
            boxes += [[x, y, x + 30, y + 20], [0, 0, 9, 9]]
        np.savez(
            folder / f"{shard}.npz",
            images=np.stack(images),
            semantic=np.stack(maps),
            boxes_xyxy=np.array(boxes, np.float32),
            ignored=np.tile([False, True], 3),
            owner=np.repeat(np.arange(3), 2),
            source=np.array(f"rectangles {shard}"),
        )
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(UNet(2), path, {})
    return path


def tensors(model) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in model.state_dict().items()}


def assert_same(first, second) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_a_run_that_was_cut_gives_the_weights_of_one_that_was_not(shards, teacher, tmp_path) -> None:
    whole = train(ONE, Run(tmp_path / "whole", shards, (teacher,)))
    for stop in (2, 5, 8, None):  # in every stage
        cut = train(ONE, Run(tmp_path / "cut", shards, (teacher,)), stop_at=stop)
    assert whole.step == cut.step == 9
    assert_same(tensors(whole.model), tensors(cut.model))
    assert_same(tensors(whole.averaged), tensors(cut.averaged))
    assert_same(tensors(whole.critic), tensors(cut.critic))
    assert torch.equal(whole.prices.log_prices, cut.prices.log_prices)
    first, second = ((tmp_path / name / "tiny.safetensors").read_bytes() for name in ("whole", "cut"))
    assert len(first) == len(second)


def test_batches_made_ahead_by_other_processes_are_the_same_and_teachers_take_turns(shards, teacher, tmp_path) -> None:
    other = tmp_path / "other.safetensors"
    torch.manual_seed(8)
    save_teacher(UNet(2), other, {})
    both = train(ONE, Run(tmp_path / "both", shards, (teacher, other)), stop_at=3)
    ahead = train(ONE, Run(tmp_path / "ahead", shards, (teacher, other), workers=2), stop_at=1)
    ahead = train(ONE, Run(tmp_path / "ahead", shards, (teacher, other), workers=2), stop_at=3)
    assert_same(tensors(both.model), tensors(ahead.model))
    alone = {path: train(ONE, Run(tmp_path / path.stem, shards, (path,)), stop_at=1) for path in (teacher, other)}
    first = train(ONE, Run(tmp_path / "first", shards, (teacher, other)), stop_at=1)
    assert_same(tensors(first.model), tensors(alone[teacher].model))
    assert any(not torch.equal(t, tensors(alone[other].model)[name]) for name, t in tensors(first.model).items())


def test_the_stage_detail_resumes_and_leaves_the_symbols_alone(shards, teacher, tmp_path) -> None:
    recipe = dataclasses.replace(ONE, profile=profile_to_json(DETAILED), steps=(2, 2, 0), detail_steps=4)
    before = train(recipe, Run(tmp_path / "cut", shards, (teacher,)), stop_at=4)
    kept = {name: t for name, t in tensors(before.model).items() if name.startswith(("gie.", "scn.", "fcn."))}
    for stop in (5, 7, None):
        cut = train(recipe, Run(tmp_path / "cut", shards, (teacher,)), stop_at=stop)
    whole = train(recipe, Run(tmp_path / "whole", shards, (teacher,)))
    assert_same(tensors(whole.model), tensors(cut.model))
    after = tensors(cut.model)
    changed = {name for name, t in kept.items() if not torch.equal(t, after[name])}
    assert changed
    assert all(name.startswith("fcn.synthesis.") for name in changed)
    codec = HscCodec(files.load(str(tmp_path / "whole" / "tiny.safetensors")))
    image = read_frames(shards).images[0]
    assert codec.decode(codec.encode(image, 5.0)).shape == image.shape
    with pytest.raises(UsageError, match="0 for a profile without detail"):
        dataclasses.replace(ONE, detail_steps=4)


def test_the_stage_decoder_resumes_and_files_stay_as_they_are(shards, teacher, tmp_path) -> None:
    initial = tmp_path / "initial.safetensors"
    files.save(files.random_model(TINY, 5), initial)
    recipe = dataclasses.replace(ONE, steps=(0, 0, 0), decoder_steps=5, decoder_rate=1e-2, swapped=0.5)
    whole = train(recipe, Run(tmp_path / "whole", shards, (teacher,), initial))
    for stop in (2, None):
        cut = train(recipe, Run(tmp_path / "cut", shards, (teacher,), initial), stop_at=stop)
    assert_same(tensors(whole.averaged), tensors(cut.averaged))
    first, after = (files.load(str(path)) for path in (initial, tmp_path / "whole" / "tiny.safetensors"))
    changed = {name for name, array in first.arrays().items() if not np.array_equal(array, after.arrays()[name])}
    assert changed
    assert all(name.startswith(("fcn.synthesis.", "generator.")) for name in changed)
    image = read_frames(shards).images[0]
    for quality in (1.0, 3.3, 6.0):
        old, new = (layered_stream.decode(m.entropy, HscCodec(m).encode(image, quality)).layers for m in (first, after))
        assert all(np.array_equal(a.symbols, b.symbols) for a, b in zip(old, new, strict=True))
    with pytest.raises(UsageError, match="--initial"):
        train(recipe, Run(tmp_path / "none", shards, (teacher,)))  # before the first step
    with pytest.raises(UsageError, match="--initial"):
        export(recipe, tmp_path / "whole", tmp_path / "e.safetensors")
    with pytest.raises(UsageError, match="swapped"):
        dataclasses.replace(ONE, swapped=1.5)


def test_w_tells_the_light_of_what_is_made_and_f_what_was_seen() -> None:
    images, relit = torch.zeros(400, 3, 1, 1), torch.ones(400, 3, 1, 1)
    batch = Batch(images, images[:, :1], images[:, 0].long(), images[:, :0], relit)
    lit = draw_light(batch, 0.25, torch.Generator().manual_seed(0))
    differ = (lit.batch.images != lit.source)[:, 0, 0, 0].float()
    assert 0.2 < float(differ.mean()) < 0.3
    assert 0.45 < float(lit.batch.images.mean()) < 0.55
    assert 0.4 < float(lit.source[differ > 0].mean()) < 0.6
    assert torch.equal(*(draw_light(batch, share, torch.Generator().manual_seed(1)).source for share in (0.0, 0.0)))
    same = draw_light(batch, 0.0, torch.Generator().manual_seed(1))
    assert torch.equal(same.source, same.batch.images)


def test_objects_as_maps() -> None:
    boxes = np.array([[8, 8, 24, 40], [12, 16, 20, 32], [90, 0, 110, 8]], np.float32)
    maps = object_maps(boxes, np.array([1, 0, 1]), (64, 96), 2)
    assert maps.shape == (7, 16, 24)
    assert maps[-1].sum() == 1  # two middles fall together, the third lies outside
    row, column = np.argwhere(maps[-1])[0]
    assert (maps[0, row, column], maps[1, row, column]) == (1, 1)
    assert maps[2:6, row, column].tolist() == [1, 2, 1, 2]  # of the smaller, in samples
    wanted = torch.from_numpy(maps)[None]
    sure = torch.where(wanted[:, :2] > 0.999, 9.0, -9.0)
    right_answer = torch.cat([sure, wanted[:, 2:6].clamp(min=0.25).log()], 1)
    assert float(object_loss(right_answer, wanted)) < 1e-2
    assert float(object_loss(-right_answer, wanted)) > 5
    weight = torch.ones(1, 1, 16, 24)
    assert object_divergence(right_answer, right_answer, weight).tolist() == pytest.approx([0], abs=1e-6)
    missed = right_answer.clone()
    missed[:, :, row, column] = -9.0
    apart = object_divergence(missed, right_answer, weight)
    assert apart.item() > 0.02
    assert object_divergence(missed, right_answer, 3 * weight).item() == pytest.approx(3 * apart.item(), rel=1e-5)


def test_a_teacher_of_objects_finds_them(shards, tmp_path) -> None:
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    for path in shards.glob("*.npz"):
        with np.load(path) as file:
            np.savez(kinds / path.name, **file, labels=np.tile([1, 0], 3), classes=np.array(["grey", "red"]))
    path = tmp_path / "teacher.safetensors"
    train_teacher(kinds, path, steps=60, batch=2, crop=(64, 96), rate=1e-2, objects=True)
    judge, frames = load_teacher(path), read_frames(kinds)
    batch = batch_of(frames, seed=9, step=0, batch=6, crop=(64, 96), objects=1.0)  # mirrored, half of them
    logits = judge(batch.images).objects[:, :2]
    middles = batch.objects[:, -1] > 0
    assert logits[:, 1][middles].mean() > logits[:, 1][~middles].mean() + 2
    assert logits[:, 1].mean() > logits[:, 0].mean()
    save_teacher(UNet(2), tmp_path / "plain.safetensors", {})
    with pytest.raises(DataError, match="finds 0 kinds of objects"):
        train_teacher(kinds, tmp_path / "b.safetensors", steps=1, objects=True, initial=tmp_path / "plain.safetensors")
    with pytest.raises(DataError, match="leave out --objects"):
        train_teacher(shards, tmp_path / "b.safetensors", steps=1, objects=True)


def test_its_weights_code_images_and_say_where_they_come_from(shards, teacher, tmp_path) -> None:
    train(ONE, Run(tmp_path, shards, (teacher,)), stop_at=4)
    target = tmp_path / "now.safetensors"
    export(ONE, tmp_path, target)
    card = files.read_card(target).card
    assert (card["steps"], card["licence"], card["data"]) == (4, "Apache-2.0", "rectangles 0; rectangles 1")
    image = read_frames(shards).images[0]
    codec = HscCodec(files.load(str(target)))
    data = codec.encode(image, 1.5)
    assert codec.decode(data).shape == image.shape
    again = train(ONE, Run(tmp_path / "on", shards, (teacher,), initial=target), stop_at=1)
    assert again.step == 1


def test_images_and_rates_come_nearer_to_what_is_asked(shards, tmp_path) -> None:
    recipe = dataclasses.replace(
        ONE, steps=(40, 260, 0), teacher=0.0, prefix_share=0.0, learning_rate=3e-3, rates=(0.5, 1.0)
    )
    train(recipe, Run(tmp_path, shards), stop_at=50)
    train(recipe, Run(tmp_path, shards))
    lines = (tmp_path / "log.csv").read_text().splitlines()
    names = lines[0].split(",")
    first, last = (dict(zip(names, line.split(","), strict=True)) for line in (lines[1], lines[-1]))
    assert float(last["pixel"]) < 0.8 * float(first["pixel"])
    assert float(last["bpp_1"]) < float(last["bpp_2"])
    assert float(last["price_1"]) > float(last["price_2"])


def test_refuses_what_does_not_fit(shards, teacher, tmp_path, capsys) -> None:
    train(ONE, Run(tmp_path, shards, (teacher,)), stop_at=1)
    with pytest.raises(DataError, match=r"another recipe \(objects"):
        train(dataclasses.replace(ONE, objects=3.0), Run(tmp_path, shards, (teacher,)))
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(DataError, match="not a readable checkpoint"):
        train(ONE, Run(tmp_path, shards, (teacher,)))
    with pytest.raises(DataError, match="export-shards"):
        train(ONE, Run(tmp_path / "a", tmp_path / "none", (teacher,)))
    with pytest.raises(DataError, match="not a teacher"):
        train(ONE, Run(tmp_path / "b", shards, (shards / "0.npz",)))
    with pytest.raises(DataError, match="smaller than crops"):
        train(dataclasses.replace(ONE, crop=(128, 128)), Run(tmp_path / "c", shards, (teacher,)))
    with pytest.raises(UsageError, match="the device abacus was asked for"):
        train(ONE, Run(tmp_path / "c", shards, device="abacus"))
    with pytest.raises(UsageError, match="the device abacus was asked for"):
        train_teacher(shards, tmp_path / "t.safetensors", steps=1, device="abacus")
    assert main(["--config", "nowhere", "--out", str(tmp_path)]) == 2
    assert main(["--config", "roadscenes", "--out", str(tmp_path / "d")]) == 2
    assert (
        main(["--config", "roadscenes", "--out", str(tmp_path / "d"), "--export", str(tmp_path / "e.safetensors")]) == 2
    )
    message = capsys.readouterr().err
    assert "roadscenes" in message
    assert "--data is missing" in message


def test_the_configs_in_the_tree_are_recipes() -> None:
    for path in CONFIGS.glob("*.toml"):
        assert read_recipe(path.stem).name == path.stem
    with pytest.raises(UsageError, match="did you mean 'texture'"):
        recipe_of({"name": "x", "textur": 1.0}, "x.toml")
    with pytest.raises(UsageError, match="rising"):
        recipe_of({"name": "x", "rates": [0.2, 0.1]}, "x.toml")
    with pytest.raises(UsageError, match="the profile came as"):
        recipe_of({"name": "x", "profile": "huge"}, "x.toml")


def test_prices_rise_where_bits_are_too_many_and_fall_where_they_are_too_few() -> None:
    prices = Prices((0.1, 0.2, 0.4))
    before = prices.log_prices
    prices.learn(torch.tensor([32, 96]), torch.tensor([0.3, 0.1]))
    assert prices.log_prices[0] > before[0]
    assert prices.log_prices[1] == before[1]
    assert prices.log_prices[2] < before[2]
    assert prices.target(torch.tensor([48])).item() == pytest.approx((0.1 * 0.2) ** 0.5)
    drawn = prices.draw(64, torch.Generator().manual_seed(0))
    assert int(drawn.min()) >= 32
    assert int(drawn.max()) <= 96
    assert len(drawn.unique()) > 30


def test_patches_start_as_principal_components_that_keep_nearly_every_pixel(shards) -> None:
    frames = read_frames(shards)
    images = batch_of(frames, seed=0, step=0, batch=6, crop=(64, 96), objects=1.0).images
    patch, inverse = torch.nn.Conv2d(3, 24, 16, 16), torch.nn.Conv2d(24, 768, 1)
    set_patches(patch, inverse, images)
    feature = patch(images).detach()
    assert feature.mean((0, 2, 3)).abs().max() < 1e-3
    assert feature.var((0, 2, 3)).mean() == pytest.approx(1, rel=0.05)
    rows = feature.permute(0, 2, 3, 1).reshape(-1, 24)
    pixels = torch.nn.functional.unfold(images.contiguous(), 16, stride=16).transpose(1, 2).reshape(-1, 768)
    known = torch.cat([rows, torch.ones(len(rows), 1)], 1)
    left = pixels - known @ torch.linalg.lstsq(known, pixels).solution
    assert left.square().mean() < 0.02 * pixels.var(0).mean()
    again = torch.nn.functional.pixel_shuffle(inverse(feature), 16).detach()
    assert (again - images).square().mean() == pytest.approx(left.square().mean().item(), rel=0.05)


def test_small_objects_count_more_a_pixel_and_the_background_once() -> None:
    weight = object_weight(np.array([[10, 10, 18, 18], [40, 0, 104, 64]], np.float32), (80, 120), 9.0)
    assert weight.min() == 1
    assert weight[14, 14] == pytest.approx(1 + 8 * 1.5)
    assert weight[30, 70] == pytest.approx(1 + 8 * 0.5**0.5)
    assert weight[7, 7] > 1 == weight[6, 6]  # three pixels around
    assert object_weight(np.array([[-50, -50, -20, -20]], np.float32), (8, 8), 9.0).max() == 1


def test_pixels_of_rare_classes_count_more_and_void_once(shards) -> None:
    shares = np.zeros(256)
    shares[[0, 2, 5]] = 0.64, 0.32, 0.04
    assert class_weight(shares, 0.5)[[0, 2, 5]].tolist() == pytest.approx([1, 2**0.5, 4])
    assert set(np.delete(class_weight(shares, 0.5), [2, 5])) == {1}  # labels nobody has, and void
    assert set(class_weight(shares, 0)) == {1}
    frames = read_frames(shards)
    assert frames.shares.sum() == pytest.approx(1)
    even, weighed = (
        batch_of(frames, seed=1, step=4, batch=3, crop=(32, 48), objects=1.0, rarity=rarity) for rarity in (0.0, 1.0)
    )
    assert bool((even.weight == 1).all())
    assert torch.equal(even.images, weighed.images)
    for label in (0, 1):
        expected = frames.shares.max() / frames.shares[label]
        assert weighed.weight[:, 0][weighed.semantic == label].mean().item() == pytest.approx(expected, rel=1e-4)


def test_crops_of_enlarged_images_show_less_of_them_and_take_labels_and_boxes_along(shards) -> None:
    frames = read_frames(shards)
    settings = {"seed": 1, "batch": 3, "crop": (32, 48), "objects": 5.0}
    plain, enlarged = (
        torch.cat([torch.stack([b.semantic == 1, b.weight[:, 0] > 1]) for b in batches], 1).float()
        for batches in ([batch_of(frames, step=step, enlarged=e, **settings) for step in range(12)] for e in (1.0, 4.0))
    )
    object_areas = [maps[0].sum((1, 2))[maps[0].any(2).any(1)].mean() for maps in (plain, enlarged)]
    assert 1.2 < object_areas[1] / object_areas[0] < 16  # crops cut off part of an enlarged object
    assert float(enlarged[1][enlarged[0] > 0].mean()) > 0.99  # the box still covers its object
    exact = batch_of(frames, step=0, enlarged=1.0, **settings)
    assert torch.equal(exact.images, batch_of(frames, step=0, **settings).images)
    batch = batch_of(frames, step=0, enlarged=4.0, **settings)
    assert batch.images.shape == (3, 3, 32, 48)
    assert -1 <= float(batch.images.min()) <= float(batch.images.max()) <= 1


def test_a_teacher_goes_on_from_another_of_the_same_classes(shards, teacher, tmp_path) -> None:
    train_teacher(shards, tmp_path / "a.safetensors", steps=1, batch=2, crop=(32, 48), rate=1e-9, initial=teacher)
    own, first = load_teacher(tmp_path / "a.safetensors"), load_teacher(teacher)
    assert torch.equal(own.classify.weight, first.classify.weight)
    save_teacher(UNet(3), tmp_path / "three.safetensors", {})
    with pytest.raises(DataError, match=r"has 3 classes, the shards in .* have 2"):
        train_teacher(shards, tmp_path / "b.safetensors", steps=1, initial=tmp_path / "three.safetensors")


def test_crops_follow_from_seed_and_step_and_leave_out_ignored_boxes(shards) -> None:
    frames = read_frames(shards)
    assert all(len(boxes) == 1 for boxes in frames.boxes)
    first, second = (batch_of(frames, seed=1, step=4, batch=3, crop=(32, 48), objects=5.0) for _ in range(2))
    assert torch.equal(first.images, second.images)
    other = batch_of(frames, seed=1, step=5, batch=3, crop=(32, 48), objects=5.0)
    assert not torch.equal(first.images, other.images)
    red = first.images[:, 0] > first.images[:, 1] + 0.5
    assert torch.equal(red, first.semantic == 1)  # pixels and labels are cropped and mirrored together
    assert bool((first.weight[:, 0][red] > 1).all())


def test_losses_are_zero_where_nothing_is_lost_and_weigh_by_the_map(teacher) -> None:
    torch.manual_seed(1)
    images = torch.rand(2, 3, 32, 48) * 2 - 1
    weight = torch.ones(2, 1, 32, 48)
    assert pixel_loss(images, images, weight, 1.0).tolist() == [0, 0]
    shifted = images + torch.tensor([0.0, 0.1])[:, None, None, None]
    assert pixel_loss(shifted, images, weight, 1.0).tolist() == pytest.approx([0, 0.1], abs=1e-6)  # no edge has moved
    assert pixel_loss(shifted, images, 3 * weight, 1.0).tolist() == pytest.approx([0, 0.3], abs=1e-6)
    judge = load_teacher(teacher)
    seen = judge(images)
    assert teacher_loss(seen, seen, weight).tolist() == pytest.approx([0, 0], abs=1e-6)
    noisy = teacher_loss(judge(images + 0.3 * torch.randn_like(images)), seen, weight)
    assert bool((noisy > 0.01).all())
    feature = torch.randn(2, 4, 3, 3)
    assert latent_loss(feature + 2, feature, torch.full((4,), 2.0)).tolist() == pytest.approx([1, 1])
    weight[0, :, :16] = 7
    logits = torch.tensor([9.0, -9.0])[None, None, :, None].expand(2, 1, 2, 3)
    right, wrong = where_loss(logits, weight).tolist()
    assert right < 1e-3
    assert wrong == pytest.approx(4.5, abs=1e-2)


def test_the_lattice_loss_counts_steps_at_multiples_of_4_8_and_16_alone() -> None:
    images = torch.zeros(2, 3, 32, 48)
    step = (torch.arange(48) >= torch.tensor([[16], [17]])).float() * 0.6  # at a multiple of 16, and beside one
    decoded = step[:, None, None, :].expand(2, 3, 32, 48)
    assert lattice_loss(images, images).tolist() == [0, 0]
    shares = (1 / 11 + 1 / 5 + 1 / 2) / 6  # of 11, 5 and 2 borders across 48 columns; none down
    assert lattice_loss(decoded, images).tolist() == pytest.approx([0.6 * shares, 0], abs=1e-6)


def test_the_critic_tells_noise_from_smoothness_and_changes_are_shared() -> None:
    torch.manual_seed(0)
    critic = PatchCritic()
    optimizer = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.99))
    for step in range(30):
        real, made = torch.randn(4, 3, 32, 32) * 0.5, torch.zeros(4, 3, 32, 32)
        loss = critic_loss(critic, real, made, step, 0.1 if step % 8 == 0 else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (
        texture_loss(critic, torch.zeros(4, 3, 32, 32), 0).mean()
        > texture_loss(critic, torch.randn(4, 3, 32, 32) * 0.5, 0).mean() + 0.3
    )
    x = torch.rand(2, 3, 16, 24)
    assert torch.equal(*(augmented(x, torch.Generator().manual_seed(5)) for _ in range(2)))


def test_a_teacher_learns_and_comes_back(shards, tmp_path) -> None:
    path = tmp_path / "teacher.safetensors"
    train_teacher(shards, path, steps=60, batch=2, crop=(48, 64), rate=1e-2)
    judge = load_teacher(path)
    frames = read_frames(shards)
    pixels = torch.from_numpy(np.stack(frames.images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = judge(pixels).logits.argmax(1)
    truth = torch.from_numpy(np.stack(frames.semantic))[:, ::2, ::2]
    assert float((labels == truth).float().mean()) > 0.9
    assert not list(tmp_path.glob("*.checkpoint"))


@pytest.mark.slow
def test_two_processes_train_one_model(shards, teacher, tmp_path) -> None:
    """What torchrun starts: both step together, whatever each draws, and one file comes of it."""
    config = tmp_path / "tiny.toml"
    config.write_text(
        f"profile = '{profile_to_json(TINY)}'\nseed = 3\nbatch = 1\ncrop = [48, 64]\nsteps = [2, 4, 2]\nrates = "
        f"[0.2, 0.5]\nprefix_share = 0.5\n"
    )
    arguments = [
        "--config",
        str(config),
        "--data",
        str(shards),
        "--teacher",
        str(teacher),
        "--out",
        str(tmp_path / "run"),
    ]
    environment = os.environ | {
        "GLOO_SOCKET_IFNAME": "lo",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29411",
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "hsc.training", *arguments],
            env=environment | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        _, messages = process.communicate(timeout=120)
        assert process.returncode == 0, messages
    assert files.read_card(tmp_path / "run" / "tiny.safetensors").card["steps"] == 8


def test_images_of_differing_sizes_are_cropped_and_small_ones_go_on_as_their_reflection(tmp_path) -> None:
    small = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) % 251
    large = np.full((64, 96, 3), 255, np.uint8)
    np.savez(tmp_path / "a.npz", images=np.stack([small.astype(np.uint8)] * 3, 2)[None], source=np.array("photos"))
    np.savez(tmp_path / "b.npz", images=large[None], source=np.array("photos"))
    frames = read_frames(tmp_path)
    assert frames.source == "photos"
    crops = batch_of(frames, seed=1, step=0, batch=2, crop=(48, 64), objects=40.0)
    assert (crops.weight == 1).all()
    assert (crops.semantic == 255).all()
    pixels = ((crops.images[:, 0] + 1) * 127.5).round()
    reflected = next(image for image in pixels.numpy() if image.min() < 255)
    padded = np.pad(small, ((8, 8), (16, 16)), mode="reflect")
    places = [(y, x) for y in range(9) for x in range(17)]
    matches = [(reflected == padded[y : y + 48, x : x + 64][:, ::m]).all() for y, x in places for m in (1, -1)]
    assert sum(matches) == 1
    assert sorted(int(image.max()) for image in pixels) == [250, 255]
    with pytest.raises(DataError, match="64x96 and less"):
        batch_of(frames, seed=1, step=0, batch=2, crop=(80, 64), objects=1.0)

"""Training with a coarse map of w: a warm start that changes no picture, stages that resume, files without F."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_coarse_map import MAPPED, QUIET
from test_codec_training import ONE, assert_same, shards, teacher, tensors  # noqa: F401
from tiny_profile import TINY, lively, noise_photo

from hsc.codec import HscCodec
from hsc.errors import UsageError
from hsc.networks.config import DetailConfig
from hsc.networks.profiles import profile_to_json
from hsc.training.coarse_stage import coarse_loss, set_map
from hsc.training.loop import train
from hsc.training.recipe import read_recipe
from hsc.training.shards import Batch
from hsc.training.state import Run, start
from hsc.weights import files

pytestmark = pytest.mark.usefixtures("one_thread")

COARSE_ONE = replace(
    ONE, profile=profile_to_json(MAPPED), steps=(0, 3, 2), semantic_steps=3, drop_share=0.25, semantic_rate=1e-2
)


@pytest.fixture(scope="module")
def initial(tmp_path_factory) -> Path:
    """Weights without a map."""
    path = tmp_path_factory.mktemp("initial") / "initial.safetensors"
    files.save(lively(TINY), path)
    return path


def test_a_new_map_changes_no_picture(initial, shards, tmp_path) -> None:  # noqa: F811
    state = start(COARSE_ONE, Run(tmp_path, shards, initial=initial))
    old, new = HscCodec(files.load(str(initial))), HscCodec(state.model.freeze())
    for size, quality in (((64, 96), 3.0), ((35, 51), 6.0)):
        image = noise_photo(*size, seed=4)
        before, after = old.encode(image, quality), new.encode(image, quality)
        assert np.array_equal(old.decode(before), new.decode(after))
        earlier, later = old.info(before).slices, new.info(after).slices
        assert all(earlier[name] == later[name] for name in earlier if name != "semantic")


def test_gains_above_the_qualities_of_the_initial_weights_continue(initial, shards, tmp_path) -> None:  # noqa: F811
    recipe = replace(COARSE_ONE, rates=(0.1, 0.2, 0.5), initial_qualities=2)
    gains = start(recipe, Run(tmp_path, shards, initial=initial)).model.fcn.quality.log_gain
    slope = gains[2] - gains[1]
    torch.testing.assert_close(gains[3:], gains[2] + torch.arange(1, 7)[:, None] * slope)
    with pytest.raises(UsageError):
        replace(recipe, initial_qualities=4)
    with pytest.raises(UsageError):  # a file's header ends before the eighth whole quality
        replace(recipe, rates=tuple(float(n) for n in range(1, 9)))


def test_initial_weights_may_have_slices_of_f_behind_those_of_the_recipe(initial, shards, tmp_path) -> None:  # noqa: F811
    first = replace(TINY.feature, slices=TINY.feature.slices[:1], hidden=TINY.feature.hidden[:1])
    detail = DetailConfig(channels=5, start=64, width=4, hidden=(8, 8))
    generator = replace(TINY.generator, form="residual")
    path = tmp_path / "initial.safetensors"
    files.save(lively(replace(TINY, generator=generator)), path)
    detailed = replace(TINY, generator=replace(generator, detail=5), feature=first, detail=detail)
    recipe = replace(ONE, profile=profile_to_json(detailed), steps=(0, 1, 0), detail_steps=1)
    photo = noise_photo(64, 96, 4)
    old, new = (
        HscCodec(files.load(str(path))),
        HscCodec(start(recipe, Run(tmp_path, shards, initial=path)).model.freeze()),
    )
    layers = TINY.feature.passes + 1  # w and the first slice
    earlier, later = (codec.read(codec.encode(photo, 1.0)).layers for codec in (old, new))
    assert len(later) == layers < len(earlier)
    assert all(np.array_equal(a.symbols, b.symbols) for a, b in zip(earlier, later, strict=False))
    other = replace(detailed, feature=replace(first, hidden=((6, 6),)))  # another first slice
    with pytest.raises(UsageError):
        start(replace(recipe, profile=profile_to_json(other)), Run(tmp_path, shards, initial=path))


def test_a_wider_last_slice_of_f_changes_no_picture_until_its_channels_are_revived(initial, shards, tmp_path) -> None:  # noqa: F811
    detail = DetailConfig(channels=5, start=64, width=4, hidden=(8, 8))
    narrow = replace(TINY, generator=replace(TINY.generator, form="residual", detail=5), detail=detail)
    path = tmp_path / "initial.safetensors"
    files.save(lively(narrow), path)
    slices = (*TINY.feature.slices[:-1], TINY.feature.slices[-1] + 3)
    wide = replace(narrow, feature=replace(TINY.feature, slices=slices))
    recipe = replace(ONE, profile=profile_to_json(wide), steps=(0, 1, 0))
    old, new = (
        HscCodec(files.load(str(path))),
        HscCodec(start(recipe, Run(tmp_path, shards, initial=path)).model.freeze()),
    )
    for quality in (1.0, 3.0):
        image = noise_photo(64, 96, 4)
        before, after = old.encode(image, quality), new.encode(image, quality)
        assert np.array_equal(old.decode(before), new.decode(after))
        assert [layer.symbols.shape for layer in new.read(after).layers] != [
            layer.symbols.shape for layer in old.read(before).layers
        ]
    for slices in ((TINY.feature.slices[0] + 1, *TINY.feature.slices[1:]), (*TINY.feature.slices[:-1], 1)):
        unfit = replace(narrow, feature=replace(TINY.feature, slices=slices))
        with pytest.raises(UsageError):
            start(replace(recipe, profile=profile_to_json(unfit)), Run(tmp_path, shards, initial=path))


def test_every_stage_resumes_exactly(initial, shards, teacher, tmp_path) -> None:  # noqa: F811
    whole = train(COARSE_ONE, Run(tmp_path / "whole", shards, (teacher,), initial))
    for stop in (1, 4, 7, None):
        cut = train(COARSE_ONE, Run(tmp_path / "cut", shards, (teacher,), initial), stop_at=stop)
    assert whole.step == cut.step == 8
    assert_same(tensors(whole.model), tensors(cut.model))
    assert_same(tensors(whole.averaged), tensors(cut.averaged))
    assert torch.equal(whole.prices.log_prices, cut.prices.log_prices)
    codec = HscCodec(files.load(str(tmp_path / "whole" / "tiny.safetensors")))
    data = codec.encode(noise_photo(64, 96, 1), 3.0)
    assert codec.preview(data).shape == codec.decode(data).shape == (64, 96, 3)
    assert "bits_w" in (tmp_path / "whole" / "log.csv").read_text().splitlines()[0]


def test_the_stage_semantic_trains_the_map_alone(initial, shards, tmp_path) -> None:  # noqa: F811
    first = tensors(start(COARSE_ONE, Run(tmp_path, shards, initial=initial)).model)
    after = tensors(train(COARSE_ONE, Run(tmp_path / "run", shards, (), initial), stop_at=3).model)
    changed = {name for name, tensor in first.items() if not torch.equal(tensor, after[name])}
    assert changed
    assert all(name.startswith("scn.coarse.") for name in changed)
    later = tensors(train(COARSE_ONE, Run(tmp_path / "run", shards, (), initial), stop_at=6).model)
    moved = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, later[name])}
    assert moved == {"gie", "scn", "fcn", "generator"}


def test_without_initial_weights_the_map_is_set_after_the_autoencoder(shards, tmp_path) -> None:  # noqa: F811
    recipe = replace(COARSE_ONE, steps=(2, 2, 0), semantic_steps=1)
    before = tensors(train(recipe, Run(tmp_path, shards), stop_at=2).model)
    after = tensors(train(recipe, Run(tmp_path, shards), stop_at=3).model)
    assert not after["scn.coarse.leave.weight"].equal(before["scn.coarse.leave.weight"])
    assert after["gie.stem.0.weight"].equal(before["gie.stem.0.weight"])


def test_principal_components_restore_what_pictures_share() -> None:
    """Pictures of two numbers each: two coefficients hold them, w alone restores F, and its file is short."""
    model = lively(replace(MAPPED, encoder=replace(MAPPED.encoder, patch=True))).thaw()  # F is linear in pixels
    random = torch.Generator().manual_seed(0)
    slope = torch.linspace(-1, 1, 96).expand(64, 96)
    levels = torch.rand(48, 2, generator=random) - 0.5
    images = (levels[:, :1, None] + levels[:, 1:, None] * slope)[:, None].expand(-1, 3, -1, -1).contiguous()
    batches = [Batch(part, part[:, :1], part[:, 0].long(), part[:, :0], part) for part in images.split(16)]
    set_map(model, batches, predict=True)
    model.freeze()
    with torch.no_grad():
        latents, quality = model.gie(images), torch.full((48,), 96)
        standardised = model.fcn.standard(latents.feature)
        words = model.scn(latents.w_plus, quality, standardised)
        prediction = model.scn.prediction(words.coefficients, (4, 6))
        assert prediction is not None
        error = (prediction.expected - standardised).square().mean()
    assert float(error) < 0.01 * float(standardised.var())
    assert (words.coefficients.std(0) > 0.1).tolist() == [True] * 2 + [False] * 14
    codec = HscCodec(model)
    picture = images[0].add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
    assert len(codec.cut(codec.encode(picture, 3.0), 1)) <= 64


def test_the_coarse_loss_is_blind_to_fine_texture_but_not_to_colour() -> None:
    flat = torch.zeros(1, 3, 32, 32)
    checks = ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 0.2 - 0.1).expand(1, 3, -1, -1)
    brighter = flat + 0.1
    assert float(coarse_loss(checks, flat, 1.0, 1.0)) == pytest.approx(10 * 0.01, rel=1e-4)
    assert float(coarse_loss(brighter, flat, 1.0, 1.0)) == pytest.approx(10 * 0.01 + 0.1 + 0.1, rel=1e-4)
    assert float(coarse_loss(brighter, flat, 1.0, 0.0)) == pytest.approx(10 * 0.01 + 0.1, rel=1e-4)


def test_the_control_trains_without_the_stage(initial, shards, tmp_path) -> None:  # noqa: F811
    recipe = replace(COARSE_ONE, profile=profile_to_json(QUIET), steps=(0, 2, 0), semantic_steps=0, drop_share=0.0)
    train(recipe, Run(tmp_path, shards, (), initial))
    codec = HscCodec(files.load(str(tmp_path / "tiny.safetensors")))
    assert codec.info(codec.encode(noise_photo(64, 96, 1), 3.0)).slices["semantic"] < 0.1


def test_recipes_that_need_a_map_are_refused_without_one() -> None:
    assert read_recipe("roadscenes-coarse").semantic_steps > 0
    pair = [read_recipe(name) for name in ("roadscenes-coarse", "roadscenes-silent")]
    assert pair[0].total == pair[1].total
    assert (pair[0].rates, pair[0].batch, pair[0].crop) == (pair[1].rates, pair[1].batch, pair[1].crop)
    for wrong in ({"semantic_steps": 3}, {"drop_share": 0.25}, {"new_map": True}):
        with pytest.raises(UsageError):
            replace(ONE, **wrong)
    with pytest.raises(UsageError, match="drop_share"):
        replace(COARSE_ONE, drop_share=1.0)

"""Capabilities of heads are asked for by protocol: no base class, no name, and no weights are needed for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from downstream.api import HEADS, AdaptedHead, GivesMasks, HasMeasure, measure_of, routes_of, sees_originals
from downstream.device import device_facts
from downstream.heads._availability import why_not_loadable
from downstream.ops.batching import batches
from hsc.devices import use_device
from hsc.errors import DataError, UnavailableError


class Both:
    """A head of another distribution that reads images and latents."""

    def predict(self, images: Sequence[Any]) -> list[Any]:
        return []

    def predict_latents(self, latents: Sequence[Any]) -> list[Any]:
        return []


class NotCallable:
    predict = None


@pytest.mark.parametrize(
    ("head", "routes"),
    [
        (Both(), ("image", "latent")),
        (NotCallable(), ()),
        (HEADS.build('small(weights="missing.safetensors")'), ("image",)),
        (HEADS.build('latent_detector(weights="missing.safetensors")'), ("latent",)),
        (HEADS.build("psnr"), ("image",)),
    ],
)
def test_routes_follow_from_methods(head: Any, routes: tuple[str, ...]) -> None:
    assert routes_of(head) == routes


def test_fidelity_heads_have_a_measure_and_others_none() -> None:
    for name, measure in (
        ("psnr", "psnr"),
        ("ms_ssim", "ms_ssim"),
        ("lpips", "lpips"),
        ("dists", "dists"),
        ("fid", "fid"),
        ("frechet_mobilenet", "frechet_mobilenet"),
        ("blockiness", "blockiness_16"),
        ("blockiness(period=4, relative=True)", "relative_blockiness_4"),
    ):
        head = HEADS.build(name)
        assert (sees_originals(head), isinstance(head, HasMeasure), measure_of(head)) == (True, True, measure)
        assert (head.regime, head.label_space.classes) == ("reference", ())
    for head in (HEADS.build("small"), Both()):
        assert (sees_originals(head), isinstance(head, HasMeasure), measure_of(head)) == (False, False, "")


def test_adapted_heads_and_heads_with_masks_are_known_by_their_properties() -> None:
    assert isinstance(HEADS.build("small_adapted"), AdaptedHead)
    assert isinstance(HEADS.build('segmenter_adapted(weights="missing.safetensors")'), AdaptedHead)
    assert not isinstance(HEADS.build("small"), AdaptedHead)
    assert not isinstance(HEADS.build("small"), GivesMasks)


@pytest.mark.parametrize("error", [UnavailableError("get it"), DataError("damaged")])
def test_availability_is_the_error_of_loading(error: Exception) -> None:
    def fail() -> None:
        raise error

    assert why_not_loadable(fail) == str(error)
    assert why_not_loadable(object) is None


def test_batches_hold_one_size_each_and_every_index_once() -> None:
    sizes = [(2, 2), (3, 3), (2, 2), (2, 2), (3, 3)]
    assert list(batches(sizes, 2)) == [[0, 2], [3], [1, 4]]
    assert list(batches(sizes, lambda size: 1 if size == (3, 3) else 8)) == [[0, 2, 3], [1], [4]]
    assert list(batches([], 2)) == []


def test_provenance_names_a_device_other_than_the_cpu() -> None:
    for device, facts in (("cpu", {}), ("cuda", {"device": "cuda"}), ("cuda:1", {"device": "cuda"})):
        with use_device(device):
            assert device_facts() == facts

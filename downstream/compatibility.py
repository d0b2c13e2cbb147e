"""Which heads can follow which codecs on which data sets, and why other combinations are not possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from downstream.api import AdaptedHead, LabelledData, LatentHead, Route, routes_of
from hsc.api import DecodesLatents, LatentSpec


def why_not(codec: Any, head: Any, dataset: LabelledData, route: Route | None = None) -> str | None:
    """One sentence on why this head cannot follow this codec on this data set, or None if it can.

    route: the input of the head; the first of ``routes_of(head)`` if it is not given.
    """
    from downstream.class_maps import why_unscored

    space = dataset.label_space(head.output)
    if space is not None and (unscored := why_unscored(head.label_space, space)):
        return unscored
    if (route or routes_of(head)[0]) == "image":
        return _of_another(codec, head) if isinstance(head, AdaptedHead) and head.adapted_to else None
    if reason := head.available() or codec.available():
        return str(reason)
    if space is None:
        return "the data set has no labels, and a head on latents cannot predict pseudo labels from the original images"
    if not isinstance(codec, DecodesLatents):
        return "the codec does not offer latents"
    return why_not_latents(codec, head)


def why_not_latents(codec: DecodesLatents, head: LatentHead) -> str | None:
    """One sentence on why a head cannot read a codec's latents, or None if it can; both must be available."""
    offered = {spec.name: spec for spec in codec.latent_specs()}
    return next((reason for need in head.needs if (reason := _mismatch(need, offered))), None)


def _of_another(codec: Any, head: AdaptedHead) -> str | None:
    """One sentence on why a head that was adapted to one codec does not follow this one, or None if it does."""
    spaces = {spec.space for spec in codec.latent_specs()} if isinstance(codec, DecodesLatents) else set()
    if head.adapted_to in spaces:
        return None
    return (
        f"the head was adapted to images of the codec with the latent space {head.adapted_to[:12]}, and follows no "
        f"other codec"
    )


def _mismatch(need: LatentSpec, offered: Mapping[str, LatentSpec]) -> str | None:
    """One sentence on how the latent that a head needs differs from those a codec offers, or None if it does not."""
    spec = offered.get(need.name)
    if spec is None:
        return f"the head reads the latent {need.name}, the codec offers {', '.join(offered) or 'none'}"
    if (spec.shape, spec.stride) != (need.shape, need.stride):
        return (
            f"the head reads {need.name} of shape {need.shape} at stride {need.stride}, the codec's is {spec.shape} "
            f"at stride {spec.stride}"
        )
    if spec.space != need.space:
        return (
            f"the head was trained in the latent space {need.space[:12]}, the codec's weights have {spec.space[:12]}; "
            "use the codec weights that the head was trained with, or train the head again with these"
        )
    return None

"""Which heads can follow which codecs on which data sets, and why others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from downstream.api import AdaptedHead, LabelledData, LatentHead, Route, routes_of
from hsc.api import DecodesLatents, LatentSpec


def why_not(codec: Any, head: Any, dataset: LabelledData, route: Route | None = None) -> str | None:
    """One sentence on why this head cannot follow this codec on this data set, or None if it can. route: the head's
    first where not given.
    """
    from downstream.class_maps import why_unscored

    space = dataset.label_space(head.output)
    if space is not None and (unscored := why_unscored(head.label_space, space)):
        return unscored
    if (route or routes_of(head)[0]) == "image":
        return _of_another(codec, head) if getattr(head, "adapted_to", "") else None
    if reason := head.available() or codec.available():
        return str(reason)
    if space is None:
        return (
            "the data set has no labels, and a head on latents cannot read the originals that would stand in for them"
        )
    if not isinstance(codec, DecodesLatents):
        return "the codec does not hand out latents"
    return why_not_latents(codec, head)


def why_not_latents(codec: DecodesLatents, head: LatentHead) -> str | None:
    """One sentence on why a head cannot read a codec's latents, both of them being available, or None if it can."""
    offered = {spec.name: spec for spec in codec.latent_specs()}
    return next((reason for need in head.needs if (reason := _mismatch(need, offered))), None)


def _of_another(codec: Any, head: AdaptedHead) -> str | None:
    """Why a head that was adapted to one codec's images does not read another's, or None if it is that codec's."""
    spaces = {spec.space for spec in codec.latent_specs()} if isinstance(codec, DecodesLatents) else set()
    if head.adapted_to in spaces:
        return None
    return (
        f"the head was adapted to the images of a codec whose latent space is {head.adapted_to[:12]}, and to no other's"
    )


def _mismatch(need: LatentSpec, offered: Mapping[str, LatentSpec]) -> str | None:
    """Why what a codec offers is not what a head needs, or None if it is."""
    found = offered.get(need.name)
    if found is None:
        return f"the head reads the latent {need.name}, the codec offers {', '.join(offered) or 'none'}"
    if (found.shape, found.stride) != (need.shape, need.stride):
        return (
            f"the head reads {need.name} of shape {need.shape} at stride {need.stride}, the codec's is {found.shape} "
            f"at stride {found.stride}"
        )
    if found.space != need.space:
        return (
            f"the head was trained in the latent space {need.space[:12]}, the codec's weights make {found.space[:12]}; "
            "use the codec's weights it was trained with, or train it again on these"
        )
    return None

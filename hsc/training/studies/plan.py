"""The networks that a study compares, from a TOML file; ``hsc/training/configs/studies`` has the packaged ones.

recipe ── its profile, with [profile] ──> base ─┬─ [variants.NAME] ──> one variant each            ablations
                                                └─ layers: F at layer n, given w and without w     layers
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from hsc.errors import DataError, UsageError
from hsc.networks.ablation_config import AblationConfig
from hsc.networks.config import Profile
from hsc.networks.profiles import profile_from_json, profile_to_json
from hsc.training import recipe_file
from hsc.training.recipe import CONFIGS, Recipe, read_recipe

STUDIES = CONFIGS / "studies"


class Variant(NamedTuple):
    """Networks of a study. layer: at which F is taken. conditioned: whether F is coded given w."""

    name: str
    profile: Profile

    @property
    def layer(self) -> int:
        return self.profile.generator.layer

    @property
    def conditioned(self) -> bool:
        return self.profile.ablation is None or self.profile.ablation.condition


@dataclass(frozen=True)
class Study:
    """The settings of a study, the same for all of its variants.

    recipe: name or path of a recipe with stages on a frozen generator. frozen_steps: in place of the recipe's, where
    given. images: number of drawn images that are measured. profile: fields of the recipe's profile that all variants
    change. variants: fields that each changes, by its name; the first is what the others are compared with. layers: at
    which F is taken; a study has either variants or layers.

    Raises:
        UsageError: a field is out of its range, or a profile cannot be built.
    """

    name: str
    recipe: str
    frozen_steps: tuple[int, ...] = ()
    images: int = 32
    profile: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.images < 1 or bool(self.variants) == bool(self.layers):
            raise UsageError(
                f"the study {self.name} has {self.images} images, {len(self.variants)} variants and "
                f"{len(self.layers)} layers, expected 1 image or more, and either variants or layers"
            )
        if not all(self.base.frozen_steps[:3]):
            raise UsageError(
                f"the study {self.name} has frozen_steps {list(self.base.frozen_steps)}, expected steps of the stages "
                f"inversion, scn and fcn; give them, and a recipe on a frozen generator such as toy"
            )
        self.all_variants()

    @property
    def base(self) -> Recipe:
        """The recipe with the study's steps and profile."""
        recipe = read_recipe(self.recipe)
        profile = changed(recipe.networks(), self.profile, self.name)
        steps = self.frozen_steps or recipe.frozen_steps
        return replace(recipe, name="study", profile=profile_to_json(profile), frozen_steps=steps)  # type: ignore[arg-type]

    def all_variants(self) -> list[Variant]:
        """The networks to compare, in the order of the table."""
        base = self.base.networks()
        if self.variants:
            return [Variant(name, changed(base, fields, name)) for name, fields in self.variants.items()]
        variants = []
        for layer in self.layers:
            profile = at_layer(base, layer)
            variants.append(Variant(f"layer {layer}", profile))
            alone = replace(profile, ablation=AblationConfig(condition=False))
            variants.append(Variant(f"layer {layer} without w", alone))
        return variants


def read_study(name: str) -> Study:
    """Read a study by the name of a packaged one, or by the path of a TOML file.

    Raises:
        UsageError: there is no such study, it cannot be read, or it has unknown fields.
    """
    return recipe_file.read_recipe(Study, name, STUDIES, "study")


def changed(profile: Profile, fields: Mapping[str, Any], name: str) -> Profile:
    """A profile with some of its fields changed. fields: by part, as ``profile_to_json`` names them.

    Raises:
        UsageError: they do not make a profile. name: for the message.
    """
    whole = json.loads(profile_to_json(profile))
    for part, values in fields.items():
        if not isinstance(values, Mapping) or part not in {*whole, "ablation"}:
            raise UsageError(f"{name} changes {part!r}, expected fields of a part such as feature or ablation")
        whole[part] = {**(whole.get(part) or {}), **values}
    try:
        return profile_from_json(json.dumps(whole))
    except DataError as error:
        raise UsageError(f"the fields of {name} make no profile: {error.__cause__ or error}") from error


def at_layer(profile: Profile, layer: int) -> Profile:
    """A profile with F at another layer: the encoder takes F from the block of that side.

    Raises:
        UsageError: no block of the encoder has the side of that layer's input.
    """
    generator = replace(profile.generator, layer=layer)
    size, side = profile.encoder.input_size or generator.resolution, generator.input_side(layer)
    for block in range(1, 5):
        encoder = replace(profile.encoder, feature_block=block, feature_channels=generator.feature_channels)
        if size == side * encoder.stride:
            return replace(profile, generator=generator, encoder=encoder)
    smallest, largest = (size // replace(profile.encoder, feature_block=block).stride for block in (4, 1))
    raise UsageError(
        f"layer {layer} has an input of {side}x{side}, and the encoder gives {smallest}x{smallest} to "
        f"{largest}x{largest}; leave this layer out"
    )

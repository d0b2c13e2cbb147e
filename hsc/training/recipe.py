"""The recipe of a training as plain data from a TOML file; ``configs/roadscenes.toml`` explains the common fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.errors import DataError, UsageError
from hsc.networks.config import MAX_QUALITY_STEPS, Profile
from hsc.networks.profiles import PROFILES, TRIED, profile_from_json
from hsc.training import recipe_file

CONFIGS = Path(__file__).parent / "configs"
FROZEN_STAGES = ("inversion", "scn", "fcn", "both")
"""The stages on a frozen generator, in order."""
MOST_RATES = MAX_QUALITY_STEPS // QUALITY_STEPS
"""Number of whole qualities from 1 up that a file's header can hold."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    profile: a name, or a custom profile as ``hsc.networks.profiles.profile_to_json`` writes it.
    steps: of the stages autoencoder, codec, adversarial. decoder_steps, detail_steps: of the stages decoder and detail,
    which follow.
    swapped: fraction of the samples of the stage decoder that have the w of another light.
    semantic_steps: of the stage semantic, which comes after autoencoder and needs a coarse map.
    drop_share: fraction of the samples of the stages codec and adversarial without any layer of F. colour: weight of
    the mean colour where w restores the picture alone, in that stage and in those samples. teacher_alone: factor of
    the teacher's weight there.
    rates: bits per pixel of the qualities 1, 2, ... 7 at most; with detail, of those up to its start.
    enlarged: the highest factor by which images are enlarged before crops are taken, 1 for none.
    initial_qualities: for how many of them initial weights were trained, 0 for all: gains continue from there.
    new_map: set the coarse map of initial weights anew, for images of another kind. revived: before the stage codec,
    give channels of y that are never used what decoding loses (``hsc.training.dead_channels``). linear: there, set y
    to principal components of patches (``hsc.training.linear_start``), for new weights. measured_prices: there, set the
    first prices of bits from what the qualities cost and bring (``hsc.training.first_prices``).
    linear_rate, prior_rate: factors of the learning rate for patches and the linear path between F and y, and for the
    integer networks.
    lattice: weight of errors of steps across multiples of 4, 8 and 16 pixels; where it is not 0, training ends with
    ``hsc.training.patch_pattern``.
    frozen_steps: of the stages inversion, scn, fcn and both, which train on a frozen StyleGAN2
    (``hsc.training.generator_stages``); there are then no other stages. generator: sha256 of its file, which
    ``hsc.training.frozen_generator`` fills in, as it does the profile's generator. generated: fraction of the samples
    that are drawn from the generator where there are shards too. words_share: share of the rate that the stage scn
    gives to W+. match, identity, parsing: weights of these losses.

    Raises:
        UsageError: a field is out of its range.
    """

    name: str
    profile: str = "small"
    seed: int = 0
    batch: int = 8
    crop: tuple[int, int] = (128, 192)
    steps: tuple[int, int, int] = (800, 8000, 4000)
    rates: tuple[float, ...] = (0.02, 0.034, 0.059, 0.10, 0.17, 0.30)
    learning_rate: float = 6e-4
    generator_rate: float = 4.0
    linear_rate: float = 1.0
    prior_rate: float = 1.0
    warmup: int = 200
    average: float = 0.999
    image_pixels: int = 98304
    enlarged: float = 1.0
    initial_qualities: int = 0
    new_map: bool = False
    revived: bool = False
    linear: bool = False
    measured_prices: bool = False
    gradient: float = 1.0
    lattice: float = 0.0
    objects: float = 12.0
    rarity: float = 0.0
    teacher: float = 0.02
    latent: float = 0.02
    where: float = 0.0
    texture: float = 0.003
    prefix_share: float = 0.1
    feature_dropout: float = 0.1
    decoder_steps: int = 0
    decoder_rate: float = 4e-4
    swapped: float = 0.0
    detail_steps: int = 0
    detail_rate: float = 4e-4
    semantic_steps: int = 0
    semantic_rate: float = 1e-3
    colour: float = 1.0
    teacher_alone: float = 1.0
    drop_share: float = 0.0
    frozen_steps: tuple[int, int, int, int] = (0, 0, 0, 0)
    generator: str = ""
    generated: float = 0.5
    words_share: float = 0.15
    match: float = 0.01
    identity: float = 0.1
    parsing: float = 0.1
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        profile = self.networks()
        if self.detail_steps < 0 or (self.detail_steps and profile.detail is None):
            raise UsageError(
                f"detail_steps came as {self.detail_steps}, expected 0 or more, and 0 for a profile without detail"
            )
        if self.decoder_steps < 0 or not 0 <= self.swapped <= 1:
            raise UsageError(
                f"decoder_steps and swapped came as {self.decoder_steps} and {self.swapped}, expected 0 or more, and "
                f"0 to 1"
            )
        with_map = profile.coarse_map is not None and not profile.coarse_map.silent
        map_needed = self.semantic_steps > 0 or self.drop_share > 0 or self.new_map
        if self.semantic_steps < 0 or not 0 <= self.drop_share < 1 or (map_needed and not with_map):
            raise UsageError(
                f"semantic_steps, drop_share and new_map came as {self.semantic_steps}, {self.drop_share} and "
                f"{self.new_map}, expected 0 or more, 0 to less than 1, and true or false; for a profile without a "
                f"coarse map 0, 0 and false"
            )
        if self.batch < 1 or min(self.crop) < 32 or any(side % 16 for side in self.crop):
            raise UsageError(
                f"batch and crop came as {self.batch} and {self.crop}, expected 1 or more, and sides that are "
                f"multiples of 16 from 32 up"
            )
        if len(self.steps) != 3 or min(self.steps) < 0 or self.total < 1:
            raise UsageError(f"steps came as {self.steps}, expected three numbers of 0 or more, not all 0")
        self._check_frozen_steps(profile)
        if not 2 <= len(self.rates) <= MOST_RATES or list(self.rates) != sorted(self.rates) or self.rates[0] <= 0:
            raise UsageError(f"rates came as {self.rates}, expected two to {MOST_RATES}, above 0 and rising")
        if self.initial_qualities and not 2 <= self.initial_qualities <= len(self.rates):
            raise UsageError(
                f"initial_qualities came as {self.initial_qualities}, expected 0, or 2 to {len(self.rates)}"
            )
        if self.linear and (not profile.encoder.patch or profile.feature.stride != 1):
            raise UsageError(
                f"linear is for profiles with patches and a y of F's stride, such as small; the profile came as "
                f"{self.profile!r}"
            )
        if min(self.linear_rate, self.prior_rate) < 0:
            raise UsageError(
                f"linear_rate and prior_rate came as {self.linear_rate} and {self.prior_rate}, expected 0 or more"
            )
        if not 1 <= self.enlarged <= 8:
            raise UsageError(f"enlarged came as {self.enlarged}, expected 1 to 8")
        if not 0 <= self.rarity <= 1:
            raise UsageError(f"rarity came as {self.rarity}, expected 0 to 1")
        if not 0 <= self.prefix_share < 1 or not 0 <= self.feature_dropout < 1:
            raise UsageError(
                f"prefix_share and feature_dropout came as {self.prefix_share} and {self.feature_dropout}, expected 0 "
                f"to less than 1"
            )

    def _check_frozen_steps(self, profile: Profile) -> None:
        """Raise UsageError unless the stages on a frozen generator are alone and have the networks that they need."""
        steps = self.frozen_steps
        if len(steps) != 4 or min(steps) < 0 or (any(steps) and self.total > sum(steps)):
            raise UsageError(
                f"frozen_steps came as {steps}, expected four numbers of 0 or more, and no steps of other stages "
                f"beside them (steps = [0, 0, 0])"
            )
        whole = profile.generator.start == "const" and profile.coarse_map is None
        square = (profile.generator.resolution,) * 2
        if any(steps) and (not whole or self.crop != square):
            raise UsageError(
                f"frozen_steps are for a profile with a whole generator, such as faces, and crops of its size; crop "
                f"came as {self.crop}, the generator of the profile {profile.name!r} is {square[0]}x{square[0]}"
            )
        if not 0 <= self.generated <= 1 or not 0 < self.words_share < 1:
            raise UsageError(
                f"generated and words_share came as {self.generated} and {self.words_share}, expected 0 to 1, and "
                f"between 0 and 1"
            )

    def networks(self) -> Profile:
        """The profile of the networks.

        Raises:
            UsageError: there is no such profile.
        """
        named = PROFILES | TRIED
        if self.profile in named:
            return named[self.profile]
        try:
            return profile_from_json(self.profile)
        except DataError as error:
            raise UsageError(
                f"the profile came as {self.profile!r}, expected one of {', '.join(named)}, or one as JSON: {error}"
            ) from error

    @property
    def first(self) -> int:
        """Number of steps of the stages before decoder and detail."""
        return sum(self.steps) + self.semantic_steps

    @property
    def total(self) -> int:
        """Number of steps of all stages."""
        return self.first + self.decoder_steps + self.detail_steps + sum(self.frozen_steps)

    @property
    def on_generator(self) -> bool:
        """Whether the stages are those on a frozen generator."""
        return any(self.frozen_steps)

    @property
    def coding_starts(self) -> int:
        """The first step of the stage codec."""
        return self.steps[0] + self.semantic_steps

    def stage_of(self, step: int) -> str:
        """The name of a step's stage."""
        if self.on_generator:
            return self.frozen_stage(step)[0]
        if step < self.steps[0]:
            return "autoencoder"
        if step < self.coding_starts:
            return "semantic"
        if step >= self.first:
            return "decoder" if step < self.first + self.decoder_steps else "detail"
        return "codec" if step < self.coding_starts + self.steps[1] else "adversarial"

    def frozen_stage(self, step: int) -> tuple[str, int, int]:
        """The name of a step's stage on a frozen generator, the step counted from its start, and its length."""
        first = 0
        for name, length in zip(FROZEN_STAGES, self.frozen_steps, strict=True):
            if step < first + length:
                return name, step - first, length
            first += length
        return name, step - first + length, length


def read_recipe(name: str) -> Recipe:
    """Read a recipe by the name of a packaged one, or by the path of a TOML file.

    Raises:
        UsageError: there is no such recipe, it cannot be read, or it has unknown fields.
    """
    return recipe_file.read_recipe(Recipe, name, CONFIGS)


def recipe_of(fields: dict[str, Any], source: str) -> Recipe:
    """A recipe from plain values. source: for messages. Errors are those of ``read_recipe``."""
    return recipe_file.recipe_of(Recipe, fields, source)

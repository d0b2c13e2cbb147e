"""A rival's training as plain data from a TOML file; ``configs/roadscenes-mse-start.toml`` explains the fields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hsc.errors import UsageError
from hsc.training import recipe_file

CONFIGS = Path(__file__).parent / "configs"
LEVELS = 8
"""Number of gains of CompressAI's variable-rate models, and so of rates."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    loss: ``mse`` (mean square error of pixels), or ``machine`` (weighted absolute error, gradients, teachers: hsc's).
    n, m: channels of the transforms and of their output. rates: bits per pixel of the eight gains, lowest first.
    objects, rarity, gradient, teacher, where: as in ``hsc.training.recipe``, for the loss ``machine``.

    Raises:
        UsageError: a field is out of its range.
    """

    name: str
    loss: str = "mse"
    seed: int = 0
    n: int = 104
    m: int = 144
    batch: int = 8
    crop: tuple[int, int] = (192, 256)
    steps: int = 3000
    rates: tuple[float, ...] = (0.018, 0.027, 0.041, 0.063, 0.096, 0.146, 0.223, 0.34)
    learning_rate: float = 5e-4
    warmup: int = 100
    average: float = 0.998
    gradient: float = 1.0
    objects: float = 40.0
    rarity: float = 0.0
    teacher: float = 0.5
    where: float = 1.0
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        if self.loss not in ("mse", "machine"):
            raise UsageError(f"loss came as {self.loss!r}, expected mse or machine")
        whole = (self.n, self.m, self.batch, self.steps, self.warmup, self.seed + 1)
        if not all(isinstance(number, int) and number >= 1 for number in whole):
            raise UsageError("n, m, batch, steps and warmup must be whole numbers from 1 up, seed from 0 up")
        if len(self.crop) != 2 or min(self.crop) < 64 or any(side % 64 for side in self.crop):
            raise UsageError(f"crop came as {self.crop}, expected two sides that are multiples of 64")
        if len(self.rates) != LEVELS or list(self.rates) != sorted(self.rates) or self.rates[0] <= 0:
            raise UsageError(f"rates came as {self.rates}, expected {LEVELS}, above 0 and rising")
        if not 0 <= self.average < 1 or not 0 <= self.rarity <= 1:
            raise UsageError(f"average and rarity came as {self.average} and {self.rarity}, expected 0 to 1")

    @property
    def enlarged(self) -> float:
        """Rivals are trained on images as they are."""
        return 1.0


def read_recipe(name: str) -> Recipe:
    """Read a recipe by the name of a packaged one, or by the path of a TOML file.

    Raises:
        UsageError: there is no such recipe, it cannot be read, or a field is unknown or out of its range.
    """
    return recipe_file.read_recipe(Recipe, name, CONFIGS)

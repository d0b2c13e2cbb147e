"""The state of a training run: its paths, everything that changes in it, and the losses of a step."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hsc.entropy_coding.gains import QualityTable
from hsc.entropy_coding.integer_nets import IntegerSequence
from hsc.errors import UsageError
from hsc.networks.model import HscModel
from hsc.networks.profiles import profile_from_json
from hsc.training import other_slices
from hsc.training.bit_prices import Prices
from hsc.training.frozen_generator import install
from hsc.training.patch_critic import PatchCritic
from hsc.training.recipe import Recipe
from hsc.weights import files

CRITIC_RATE = 2e-4
_GAINS_RATE = 5.0


@dataclass(frozen=True)
class Run:
    """The paths and the device of a run.

    out: folder of checkpoint.pt, log.csv and <name>.safetensors. data: folder of shards, None where all images are
    drawn from a generator. teachers: weights of teachers, and perceptual: names of further ones as
    ``hsc.training.teachers.named`` has them; all are used in turn, one per step. initial: weights to start from,
    None for random ones. bf16: convolutions in bfloat16. workers: processes that prepare batches in advance.
    generator: file of the frozen generator, for a recipe that trains on one, which ``frozen_generator.fitted`` has
    fitted to it. identity, parsing: networks as ``perception.load_judges`` takes them.
    """

    out: Path
    data: Path | None
    teachers: tuple[Path, ...] = ()
    initial: Path | None = None
    device: str = "cpu"
    bf16: bool = False
    workers: int = 0
    generator: Path | None = None
    perceptual: tuple[str, ...] = ()
    identity: str | None = None
    parsing: str | None = None


@dataclass
class State:
    """Everything that changes during training.

    averaged: the moving average of the model, which is exported. where: predicts from F where objects are.
    """

    model: HscModel
    averaged: HscModel
    optimizer: torch.optim.Optimizer
    critic: PatchCritic
    critic_optimizer: torch.optim.Optimizer
    prices: Prices
    where: nn.Conv2d
    step: int = 0
    seconds: float = 0.0


class Parts(NamedTuple):
    """The losses of decoded images and their rate in bits per pixel (bpp), one number per sample, (B,).

    quality: of each sample in 1/32, (B,) int64. words: bits of W+ and the coarse map. whole: 0 where all of F was
    dropped, else 1. match, identity, parsing: only on a frozen generator.
    """

    quality: Tensor
    pixel: Tensor
    teacher: Tensor
    latent: Tensor
    texture: Tensor
    where: Tensor
    bpp: Tensor
    words: Tensor
    whole: Tensor
    match: Tensor
    identity: Tensor
    parsing: Tensor

    @classmethod
    def of(cls, quality: Tensor, like: Tensor, **terms: Tensor) -> Parts:
        """The given terms; the others are 0, and ``whole`` is 1. like: a tensor of their shape and device."""
        others = dict.fromkeys(cls._fields, torch.zeros_like(like)) | {"whole": torch.ones_like(like)}
        return cls(**(others | {"quality": quality} | terms))


def start(recipe: Recipe, run: Run) -> State:
    """The state before the first step, with random weights from the recipe's seed or those of a weights file.

    Raises:
        UsageError: the initial weights are of another profile, or missing where only the decoder is trained, or no
            encoder is.
    """
    if recipe.on_generator and not recipe.frozen_steps[0] and run.initial is None:
        raise UsageError("no encoder would be trained (frozen_steps starts with 0); give weights with --initial")
    if run.initial is None and recipe.decoder_steps == recipe.total:
        raise UsageError("only the decoder would be trained; give the weights that make the symbols with --initial")
    torch.manual_seed(recipe.seed)
    model = HscModel(recipe.networks())
    if run.initial is not None:
        model = _initial_model(recipe, files.load(str(run.initial)).thaw(), model, run.initial)
        if recipe.initial_qualities:
            continue_gains(model, recipe.initial_qualities)
    if run.generator is not None:
        install(model, run.generator, fresh=run.initial is None)
    model = model.to(run.device).to(memory_format=torch.channels_last).train()
    critic = PatchCritic().to(run.device)
    where = nn.Conv2d(recipe.networks().encoder.feature_channels, 1, 1).to(run.device)
    optimizer = torch.optim.Adam(
        [*_groups(model, recipe), {"params": list(where.parameters()), "factor": 1.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.99),
    )
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=CRITIC_RATE, betas=(0.0, 0.99))
    return State(model, copy.deepcopy(model), optimizer, critic, critic_optimizer, Prices(recipe.rates), where)


def _initial_model(recipe: Recipe, initial: HscModel, fresh: HscModel, path: Path) -> HscModel:
    """The model of initial weights; where they lack the recipe's coarse map, lapped filter or detail, with a new one.

    They may also lack the smoothing of sub-pixel convolutions, which has no weights, and have other slices of F
    (``hsc.training.other_slices``).

    Raises:
        UsageError: they are of another profile in any other way.
    """
    wanted, has = recipe.networks(), initial.profile
    if has == wanted:
        return initial
    generator = replace(
        wanted.generator,
        lapped=wanted.generator.lapped and has.generator.lapped,
        smooth=wanted.generator.smooth and has.generator.smooth,
        detail=has.generator.detail,
    )
    coarse_map = None if has.coarse_map is None else wanted.coarse_map
    detail = None if has.detail is None else wanted.detail
    feature = wanted.feature
    if other_slices.fits(has.feature, feature):
        feature = replace(feature, slices=has.feature.slices, hidden=has.feature.hidden)
    shared = replace(wanted, name=has.name, generator=generator, coarse_map=coarse_map, detail=detail, feature=feature)
    if shared != has:
        raise UsageError(f"{path} is of the profile {has.name!r}, the recipe wants {recipe.profile!r}")
    other_slices.copy_into(fresh, initial)
    return fresh


def continue_gains(model: HscModel, trained: int) -> None:
    """Set the gains and priors of W+ and F above the trained qualities in a straight line through the last two.

    trained: number of trained whole qualities, 2 or more. Untrained rows would give images that fall apart.
    """
    for module in (*model.scn.modules(), *model.fcn.modules()):
        if isinstance(module, QualityTable):
            module.continue_above(trained)


def lacks_map(recipe: Recipe, run: Run) -> bool:
    """Whether the recipe's model has a coarse map in use that comes from no weights."""
    wanted = recipe.networks().coarse_map
    if wanted is None or wanted.silent:
        return False
    if run.initial is None:
        return True
    return profile_from_json(files.read_card(files.find(str(run.initial))).profile).coarse_map is None


def _groups(model: HscModel, recipe: Recipe) -> list[dict[str, Any]]:
    """The model's parameters with the factors of their learning rates.

    The generator stores its weights at unit variance and scales them when used, so it needs much larger steps; gains
    need larger ones. Patches and the linear path between F and y start at their optimum (``hsc.training.linear_start``)
    and may need smaller ones, the integer networks larger ones. Groups that a recipe does not set apart are joined, so
    that the optimizer's state in older checkpoints fits.
    """
    fcn, generator = model.fcn, model.generator
    linear = _ids(model.gie.patch, fcn.analysis.direct, fcn.synthesis.direct, generator.patches, generator.lap)
    priors = _ids(*(module for module in model.modules() if isinstance(module, IntegerSequence)))
    gains = _ids(*(module for module in model.modules() if isinstance(module, QualityTable)))
    of_generator = _ids(generator)
    factors = {"networks": 1.0, "generator": recipe.generator_rate, "gains": _GAINS_RATE}
    apart = {"": 1.0, "linear": recipe.linear_rate, "priors": recipe.prior_rate}
    groups: dict[tuple[str, str], list[nn.Parameter]] = {(kind, ""): [] for kind in factors}
    for parameter in model.parameters():
        number = id(parameter)
        kind = "gains" if number in gains else "generator" if number in of_generator else "networks"
        part = "linear" if number in linear else "priors" if number in priors else ""
        groups.setdefault((kind, part if apart[part] != 1 else ""), []).append(parameter)
    return [
        {"params": parameters, "factor": factors[kind] * apart[part]} for (kind, part), parameters in groups.items()
    ]


def _ids(*modules: nn.Module | None) -> set[int]:
    """What tells the parameters of modules from others."""
    return {id(parameter) for module in modules if module is not None for parameter in module.parameters()}

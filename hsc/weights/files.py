"""Weights files: one safetensors file per model, found by name or path.

    name ──> hsc/pretrained/NAME.safetensors
         └─> hsc/pretrained/NAME.json {url, sha256, size_bytes} ──download──> cache        path ──> itself
    file: float16, int8, int32, uint16 tensors; metadata "hsc": {format, profile, card}

Nothing in such a file is executed. Floats are stored in 16 bits, and integer networks and tables as integers, so a
loaded model equals the saved one bit for bit; the fingerprint that the file states verifies it.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsc.entropy_coding.container import QUALITY_STEPS, weights_mark
from hsc.errors import DataError, UnavailableError, UsageError
from hsc.files.atomic_files import replacing
from hsc.files.file_digests import sha256_of_file
from hsc.files.tensor_files import outline, read_about, read_arrays, require_room, shapes_of
from hsc.networks.config import MAX_QUALITY_STEPS
from hsc.weights.download import cached, fetch_file

if TYPE_CHECKING:
    from hsc.networks.config import Profile
    from hsc.networks.identity import Identity
    from hsc.networks.model import HscModel
    from hsc.networks.relighting import LightNetwork

FORMAT = 1
SUFFIX = ".safetensors"
LIGHT = "-light.safetensors"
FOLDER = Path(__file__).parents[1] / "pretrained"
USUAL_QUALITIES = 6
"""The highest whole quality that weights are trained for unless their card says otherwise."""


class Card(NamedTuple):
    """The metadata of a weights file: profile (JSON), and the makers' card with licence, data, date and training.

    fingerprint: of the model that was saved, in hex; empty where the file states none.
    """

    profile: str
    card: Mapping[str, Any]
    fingerprint: str = ""


def names(folder: Path = FOLDER) -> list[str]:
    """The names of all weights that can be loaded by name."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted({path.stem for path in paths if path.suffix in (SUFFIX, ".json") and not path.name.endswith(LIGHT)})


def here(folder: Path = FOLDER) -> list[str]:
    """The names of packaged weights, which need neither a path nor the network."""
    return [name for name in names(folder) if (folder / f"{name}{SUFFIX}").is_file()]


def why_not(name: str, folder: Path = FOLDER) -> str | None:
    """None if ``find`` would succeed, perhaps after a download, else one sentence with the reason and the cure."""
    if _is_path(name):
        if Path(name).expanduser().is_file():
            return None
        return f"there is no weights file {name}; give the path of a {SUFFIX} file"
    if name in names(folder):
        return None
    known = ", ".join(names(folder)) or "none"
    return f"there are no weights named {name!r} (known: {known}); give one of these, or the path of a {SUFFIX} file"


def find(name: str, folder: Path = FOLDER) -> Path:
    """The file of weights: packaged, downloaded now or before, or a path (ending in .safetensors, or with a slash).

    Raises:
        UnavailableError: there are no weights of that name, or they cannot be downloaded.
    """
    reason = why_not(name, folder)
    if reason:
        raise UnavailableError(reason)
    if _is_path(name):
        return Path(name).expanduser()
    packaged = folder / f"{name}{SUFFIX}"
    if packaged.is_file():
        return packaged
    source = json.loads((folder / f"{name}.json").read_text())
    cache_name = f"weights/{source['sha256'][:16]}-{name}{SUFFIX}"
    path = cached(cache_name)
    return path or fetch_file(source["url"], source["sha256"], cache_name, size_bytes=source.get("size_bytes"))


def maker(data: bytes, folder: Path = FOLDER) -> str | None:
    """The name of the packaged weights that the header of an .hsc file names, None where there are no such weights."""
    mark = weights_mark(data)
    for name in here(folder) if mark else ():
        if bytes.fromhex(read_card(folder / f"{name}{SUFFIX}").fingerprint).startswith(mark):
            return name
    return None


def trained_qualities(name: str, folder: Path = FOLDER) -> int:
    """The highest whole quality that weights were trained for, from 1, by the recipe in their card.

    It is 6 where a card has no recipe, for weights with detail, whose recipe has rates for the lower qualities alone,
    and for weights that are not on this machine or cannot be read.
    """
    path = Path(name).expanduser() if _is_path(name) else folder / f"{name}{SUFFIX}"
    try:
        card = read_card(path)
    except DataError:
        return USUAL_QUALITIES
    recipe = card.card.get("recipe")
    rates = recipe.get("rates") if isinstance(recipe, dict) and '"detail":' not in card.profile else None
    if not isinstance(rates, list) or not 2 <= len(rates) <= MAX_QUALITY_STEPS // QUALITY_STEPS:
        return USUAL_QUALITIES
    return len(rates)


def load(name: str) -> HscModel:
    """Load a frozen model by name or path, on the CPU.

    Raises:
        UnavailableError: there are no such weights.
        DataError: the file is damaged, not one of ours, or describes networks that it does not hold.
    """
    from hsc.networks.model import HscModel
    from hsc.networks.profiles import profile_from_json

    path = find(name)
    card = read_card(path)
    profile = profile_from_json(card.profile)
    require_room(outline(lambda: HscModel(profile), path), shapes_of(path), path)
    model = HscModel(profile).load_arrays(read_arrays(path))
    _require_stated(card, model.fingerprint, path)
    return model


def identity(name: str) -> Identity:
    """What frozen weights are known by, from their file alone where it states its fingerprint: no network is built.

    Raises:
        UnavailableError, DataError: as ``load``, which also tells whether the arrays are those of the profile.
    """
    path = find(name)
    return _identity(path, sha256_of_file(path)) if read_card(path).fingerprint else load(name).identity


@functools.lru_cache(maxsize=16)
def _identity(path: Path, sha256: str) -> Identity:
    """The identity of a file. sha256: of the file, so that a changed one is read again."""
    from hsc.networks.identity import identity_of
    from hsc.networks.profiles import profile_from_json

    card = read_card(path)
    known = identity_of(profile_from_json(card.profile), read_arrays(path))
    _require_stated(card, known.fingerprint, path)
    return known


def _require_stated(card: Card, fingerprint: bytes, path: Path) -> None:
    """Check that the content of a file is what was saved, by the fingerprint that it states. Raises DataError."""
    if card.fingerprint not in ("", fingerprint.hex()):
        raise DataError(
            f"{path} states the fingerprint {card.fingerprint[:12]}, its content has {fingerprint.hex()[:12]}; it is "
            f"damaged: get it again"
        )


def light_for(name: str, model: HscModel) -> LightNetwork | None:
    """The light network of a model, from NAME-light.safetensors beside its weights; None if there is no such file.

    Raises:
        DataError: the file is damaged, or fits another model.
    """
    from hsc.networks.relighting import load_light

    path = find(name)
    light_path = path.with_name(path.name.removesuffix(SUFFIX) + LIGHT)
    if not light_path.is_file():
        return None
    network, encoder = load_light(light_path, model.fingerprint.hex()), model.profile.encoder
    came = (len(network.feature_mean), len(network.word_mean))
    expected = (encoder.feature_channels, encoder.n_styles * encoder.w_dim)
    if came != expected:
        raise DataError(
            f"{light_path.name} reads F and W+ of {came} numbers, the model has {expected}; train one for this model"
        )
    return network


def read_card(path: Path) -> Card:
    """The metadata of a weights file, without its tensors.

    Raises:
        DataError: the file is damaged or not one of ours.
    """
    about = read_about(path, "hsc")
    if about is None or not isinstance(about.get("profile"), str) or not isinstance(about.get("card", {}), dict):
        raise DataError(
            f"{path} holds no hsc model; expected a file of hsc.weights.files.save (a converted generator is for "
            f"training only)"
        )
    if about.get("format") != FORMAT:
        raise DataError(
            f"{path} has the weights format {about.get('format')}, expected {FORMAT}; it needs another version of hsc"
        )
    return Card(about["profile"], about.get("card", {}), str(about.get("fingerprint", "")))


def save(model: HscModel, path: Path, card: Mapping[str, Any] | None = None) -> None:
    """Write a frozen model; the file appears whole or not at all.

    card: plain values for people: licence, training data, steps, scores.

    Raises:
        UsageError: the model is not frozen, or the path does not end in .safetensors.
    """
    from safetensors.numpy import save_file

    from hsc.networks.profiles import profile_to_json

    if path.suffix != SUFFIX:
        raise UsageError(f"the weights' name came as {path.name}, expected one that ends in {SUFFIX}")
    about = {
        "format": FORMAT,
        "profile": profile_to_json(model.profile),
        "card": dict(card or {}),
        "fingerprint": model.fingerprint.hex(),
    }
    with replacing(path) as part:
        save_file(model.arrays(), part, metadata={"hsc": json.dumps(about, sort_keys=True)})


def random_model(profile: Profile, seed: int = 0) -> HscModel:
    """A frozen model with random weights, the same for the same seed: for tests and timing."""
    import torch

    from hsc.networks.model import HscModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HscModel(profile).freeze()


def _is_path(name: str) -> bool:
    return name.endswith(SUFFIX) or "/" in name or os.sep in name

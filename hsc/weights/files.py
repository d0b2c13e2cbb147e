"""Weights files: one safetensors file a model, found by name or path.

    name ──> hsc/pretrained/NAME.safetensors
         └─> hsc/pretrained/NAME.json {url, sha256, size_bytes} ──fetch──> cache        path ──> itself
    file: float16, int8, int32, uint16 tensors; metadata "hsc": {format, profile, card}

Nothing in such a file is executed. Floats are kept in 16 bits, integer networks and tables as the integers they are, so
what is loaded is bit for bit what was saved, and ``HscModel.fingerprint`` says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsc.errors import DataError, UnavailableError, UsageError
from hsc.files.atomic_files import replacing
from hsc.files.tensor_files import outline, read_about, read_tensors, require_room, shapes_of
from hsc.weights.download import cached, fetch_file

if TYPE_CHECKING:
    from hsc.networks.config import Profile
    from hsc.networks.model import HscModel
    from hsc.networks.relighting import LightNetwork

FORMAT = 1
SUFFIX = ".safetensors"
LIGHT = "-light.safetensors"
FOLDER = Path(__file__).parents[1] / "pretrained"


class Card(NamedTuple):
    """What a weights file says of itself: profile (JSON), and what its makers wrote: licence, data, date, training."""

    profile: str
    card: Mapping[str, Any]


def names(folder: Path = FOLDER) -> list[str]:
    """The weights that can be had by name."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted({path.stem for path in found if path.suffix in (SUFFIX, ".json") and not path.name.endswith(LIGHT)})


def here(folder: Path = FOLDER) -> list[str]:
    """The weights that are packaged, so that neither a path nor the network is needed."""
    return [name for name in names(folder) if (folder / f"{name}{SUFFIX}").is_file()]


def why_not(name: str, folder: Path = FOLDER) -> str | None:
    """None if ``find`` would succeed, without the network or after fetching, else one sentence with the reason and the
    cure.
    """
    if _is_path(name):
        return (
            None
            if Path(name).expanduser().is_file()
            else f"there is no weights file {name}; give the path of a {SUFFIX} file"
        )
    if name in names(folder):
        return None
    known = ", ".join(names(folder)) or "none"
    return f"there are no weights named {name!r} (known: {known}); give one of these, or the path of a {SUFFIX} file"


def find(name: str, folder: Path = FOLDER) -> Path:
    """The file of weights: packaged, fetched now or before, or a path (which ends in .safetensors or holds a slash).

    Raises:
        UnavailableError: there are no weights of that name, or they cannot be fetched.
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
    kept = f"weights/{source['sha256'][:16]}-{name}{SUFFIX}"
    return cached(kept) or fetch_file(source["url"], source["sha256"], kept, size_bytes=source.get("size_bytes"))


def load(name: str) -> HscModel:
    """A frozen model, on the CPU, by name or path.

    Raises:
        UnavailableError: there are no such weights.
        DataError: the file is damaged, not one of ours, or describes networks that it does not hold.
    """
    from hsc.networks.model import HscModel
    from hsc.networks.profiles import profile_from_json

    path = find(name)
    profile = profile_from_json(read_card(path).profile)
    require_room(outline(lambda: HscModel(profile), path), shapes_of(path), path)
    tensors = read_tensors(path)
    try:
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    except TypeError as error:  # kinds of numbers that NumPy does not know, such as bfloat16
        raise DataError(f"{path} holds tensors of a kind that no weights file has: {error}; fetch it again") from error
    return HscModel(profile).load_arrays(arrays)


def light_for(name: str, model: HscModel) -> LightNetwork | None:
    """The network that says how F follows w, from the file beside the weights: NAME-light.safetensors; None where there
    is none.

    Raises:
        DataError: it is damaged, or fits another model.
    """
    from hsc.networks.relighting import load_light

    path = find(name)
    beside = path.with_name(path.name.removesuffix(SUFFIX) + LIGHT)
    if not beside.is_file():
        return None
    network, encoder = load_light(beside, model.fingerprint.hex()), model.profile.encoder
    came, expected = (
        (len(network.feature_mean), len(network.word_mean)),
        (encoder.feature_channels, encoder.n_styles * encoder.w_dim),
    )
    if came != expected:
        raise DataError(
            f"{beside.name} reads F and W+ of {came} numbers, the model has {expected}; train one for this model"
        )
    return network


def read_card(path: Path) -> Card:
    """What the file says of itself, without its tensors.

    Raises:
        DataError: it is damaged or not one of ours.
    """
    about = read_about(path, "hsc")
    if about is None or not isinstance(about.get("profile"), str) or not isinstance(about.get("card", {}), dict):
        raise DataError(
            f"{path} holds no hsc model; expected a file of hsc.weights.save (a converted generator is for training "
            f"only)"
        )
    if about.get("format") != FORMAT:
        raise DataError(
            f"{path} is of weights format {about.get('format')}, this reads {FORMAT}; it needs another version of hsc"
        )
    return Card(about["profile"], about.get("card", {}))


def save(model: HscModel, path: Path, card: Mapping[str, Any] | None = None) -> None:
    """Write a frozen model; the file appears whole or not at all.

    card: plain values for people: licence, training data, steps, scores.

    Raises:
        UsageError: the model is not frozen, or the name has another ending.
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

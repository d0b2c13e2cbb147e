"""Weights files: exact bits, names and paths, and clear errors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_profile import TINY, lively, noise_photo, whole_profile

from hsc.codec import HscCodec
from hsc.errors import DataError, UnavailableError, UsageError
from hsc.networks.profiles import SMALL
from hsc.weights import files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    files.save(lively(TINY), path, {"licence": "Apache-2.0"})
    return path


@pytest.mark.parametrize("profile", [TINY, whole_profile()], ids=lambda p: p.name)
def test_what_is_loaded_is_what_was_saved(profile, tmp_path: Path) -> None:
    model = lively(profile)
    files.save(model, tmp_path / "m.safetensors")
    loaded = files.load(str(tmp_path / "m.safetensors"))
    assert loaded.fingerprint == model.fingerprint
    assert loaded.profile == profile
    image = noise_photo(33, 57)
    data = HscCodec(model).encode(image, 4.0)
    assert HscCodec(loaded).encode(image, 4.0) == data
    assert np.array_equal(HscCodec(loaded).decode(data), HscCodec(model).decode(data))


def test_a_seed_is_a_model() -> None:
    assert (
        files.random_model(TINY, 3).fingerprint
        == files.random_model(TINY, 3).fingerprint
        != files.random_model(TINY, 4).fingerprint
    )


def test_the_small_profile_fits_twelve_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    files.save(files.random_model(SMALL), path)
    assert path.stat().st_size < 12e6
    assert [p.name for p in tmp_path.iterdir()] == ["small.safetensors"]


def test_the_card_travels(file: Path) -> None:
    card = files.read_card(file)
    assert card.card == {"licence": "Apache-2.0"}
    assert '"tiny"' in card.profile


def test_the_trained_qualities_are_those_of_the_recipe_in_the_card(tmp_path: Path) -> None:
    model = lively(TINY)
    cards: list[tuple[dict[str, Any], int]] = [
        ({"recipe": {"rates": [0.1, 0.2, 0.3]}}, 3),
        ({"recipe": {"rates": [0.1] * 9}}, 6),
        ({"recipe": "none"}, 6),
        ({}, 6),
    ]
    for number, (card, expected) in enumerate(cards):
        path = tmp_path / f"{number}.safetensors"
        files.save(model, path, card)
        assert files.trained_qualities(str(path)) == expected
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:50])
    assert files.trained_qualities(str(tmp_path / "cut.safetensors")) == 6
    assert files.trained_qualities("no-such-weights") == 6


def test_the_fingerprint_is_of_every_tensor(file: Path) -> None:
    reference = files.load(str(file)).fingerprint
    arrays = load_file(file)
    for name in ("gie.stem.0.bias", "fcn.nets.1.0.bias", "scn.quality.table"):
        changed = {k: v.copy() for k, v in arrays.items()}
        changed[name].reshape(-1)[0] += 1
        assert files.load(str(rewrite(file, changed))).fingerprint != reference


def rewrite(file: Path, arrays: dict) -> Path:
    other = file.with_name("other.safetensors")
    about = {"format": 1, "profile": files.read_card(file).profile}
    save_file(arrays, other, metadata={"hsc": json.dumps(about)})
    return other


def test_foreign_tensors_are_refused(file: Path) -> None:
    arrays = load_file(file)
    cases = [
        ({k: v for k, v in arrays.items() if k != "gie.stem.0.bias"}, "nothing as gie.stem.0.bias"),
        (arrays | {"gie.stem.0.bias": arrays["gie.stem.0.bias"].astype(np.float32)}, "float32"),
        ({k: v for k, v in arrays.items() if k != "tables.widths"}, "widths"),
        ({k: v for k, v in arrays.items() if k != "fcn.nets.0.1.shift"}, "1.shift"),
        (arrays | {"more": np.zeros(3, np.float16)}, "too many"),
        (arrays | {"scn.quality.table": arrays["scn.quality.table"][:9]}, "quality table"),
    ]
    for changed, words in cases:
        with pytest.raises(DataError, match=words):
            files.load(str(rewrite(file, changed)))


def test_damaged_files_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    for data in (b"", whole[:100], whole[:-5]):
        file.write_bytes(data)
        with pytest.raises(DataError, match=r"is not a complete safetensors file.*again"):
            files.load(str(file))
    save_file({"a": np.zeros(3)}, file)
    with pytest.raises(DataError, match="no hsc model"):
        files.load(str(file))


def test_names_are_looked_up(tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "pretrained"
    folder.mkdir()
    assert "known: none" in str(files.why_not("roadscenes", folder))
    with pytest.raises(UnavailableError, match=r"no weights named 'roadscenes'.*give one of these"):
        files.find("roadscenes", folder)
    (folder / "roadscenes.safetensors").write_bytes(file.read_bytes())
    assert files.find("roadscenes", folder) == folder / "roadscenes.safetensors"
    assert files.why_not("roadscenes", folder) is None
    assert files.names(folder) == ["roadscenes"]
    with pytest.raises(UnavailableError, match="no weights file"):
        files.load(str(tmp_path / "nothing.safetensors"))


def test_a_name_may_stand_for_a_url(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "pretrained"
    folder.mkdir()
    source = {
        "url": file.as_uri(),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "size_bytes": file.stat().st_size,
    }
    (folder / "far.json").write_text(json.dumps(source))
    kept = tmp_path / "cache" / f"weights/{source['sha256'][:16]}-far.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(file.read_bytes())
    assert files.find("far", folder) == kept


def test_only_frozen_models_under_a_sane_name_are_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not frozen"):
        files.save(lively(TINY).thaw(), tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="ends in"):
        files.save(lively(TINY), tmp_path / "a.pt")
    diverged = lively(TINY).thaw()
    diverged.gie.stem[0].weight.data[0] = 1e6
    with pytest.raises(DataError, match="finite in 16 bits"):
        diverged.freeze()
    assert list(tmp_path.iterdir()) == []

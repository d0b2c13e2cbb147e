"""Edits of the light, against scenes in that light: with a codec whose semantics are the mean colour, everything can be
foretold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from benchmarks.api import CODECS, DATASETS, Sample
from benchmarks.cli.relighting import main
from benchmarks.studies.relighting import measure
from hsc.api import Image, Latents, LatentSpec
from hsc.errors import UsageError


@dataclass(frozen=True)
class Lamps:
    """Nine flat pictures with one bright corner; the light is what is flat."""

    def __len__(self) -> int:
        return 9

    def load(self, index: int) -> Sample:
        return Sample(str(index), self.relit(index, index))

    def relit(self, index: int, light_of: int) -> Image:
        image = np.full((16, 24, 3), 20 * light_of, np.uint8)
        image[:4, :6] = 200 + index
        return image


@dataclass(frozen=True)
class Flat:
    """Codes the colour of the last pixel and whatever else the image holds; the colour is its semantics."""

    rate_field: ClassVar[str] = ""
    ladder: ClassVar[tuple[int, ...]] = ()

    def encode(self, image: Image) -> bytes:
        return image.tobytes()

    def decode(self, data: bytes) -> Image:
        return np.frombuffer(data, np.uint8).reshape(16, 24, 3)

    def available(self) -> str | None:
        return None

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        return (LatentSpec("w_hat", (1, 1), 0, "x"),)

    def decode_latents(self, data: bytes, names: tuple[str, ...] | None = None) -> Latents:
        return Latents({"w_hat": np.full((1, 1), data[-1], np.float32)}, (16, 24))

    def decode_latents_batch(self, streams: list[bytes], names: tuple[str, ...] | None = None) -> list[Latents]:
        return [self.decode_latents(data) for data in streams]

    def edit(self, data: bytes, direction: npt.ArrayLike, step: float) -> Image:
        image = self.decode(data).copy()
        image[image[..., 0] == data[-1]] = int(data[-1] + step * np.asarray(direction).item())
        return image


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, name, kind in ((DATASETS, "lamps", Lamps), (CODECS, "flat", Flat)):
        registry.names()
        monkeypatch.setitem(registry._classes, name, kind)


def test_an_edit_that_is_right_is_found_right(known: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, scenes = measure(Lamps(), Flat(), 3)
    rows = {
        cells[1].strip(): cells[3:5] for cells in (line.split("|") for line in table.splitlines()) if len(cells) > 4
    }
    assert [cell.strip() for cell in rows["w of another scene in that light"]] == ["inf", "0.0"]
    off = np.mean([abs(20 * ((i + 7) % 9) - 20 * i) for i in range(3)]) * (1 - 24 / 384)
    assert float(rows["as it is"][1]) == pytest.approx(off, abs=0.1)
    assert all(np.array_equal(scene.made[2], scene.wanted) for scene in scenes)
    arguments = ["--dataset", "lamps", "--codec", "flat", "--images", "2", "--shown", "1"]
    assert main([*arguments, "--out", str(tmp_path / "a.md"), "--picture", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.md").read_text() == capsys.readouterr().out
    with PIL.Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 500


def test_refuses_what_cannot_be_shown_or_edited(
    known: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="cannot show its scenes in another light"):
        measure(DATASETS.build("images(path='.')"), Flat(), 1)
    for arguments, cure in (
        (["--dataset", "lamps", "--codec", "jpeg"], "cannot edit its streams; take hsc"),
        (["--dataset", "lamps", "--codec", "flat", "--images", "10"], "has 1 to 9"),
        (["--out", str(tmp_path / "none" / "a.md")], "make it first"),
        (["--images", "2", "--picture", str(tmp_path / "a.png"), "--shown", "2"], "expected scenes from 0 to 1"),
    ):
        assert main(arguments) == 2
        assert cure in capsys.readouterr().err

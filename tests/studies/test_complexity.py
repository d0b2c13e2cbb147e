"""The cost of routes: counts against numbers worked by hand, and a whole measurement of small codecs and heads."""

from __future__ import annotations

import gc
import mmap
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hsc_testkit import Blocks, FindSquares, Squares
from latent_testkit import Grid, GridSquares

from benchmarks.api import CODECS, DATASETS
from benchmarks.cli.complexity import main
from benchmarks.studies.complexity import Case, EncodeCase, measure, run, steps_of
from benchmarks.studies.costs import ENCODE, WHOLE, table
from benchmarks.studies.counters import counted, peak_bytes
from downstream.api import HEADS
from downstream.heads.latent import LatentDetector
from hsc.errors import UsageError
from hsc.networks.config import EncoderConfig, FeatureConfig, GeneratorConfig, Profile, SemanticConfig
from hsc.weights import files

TINY = Profile(
    "cost",
    GeneratorConfig(
        resolution=64, w_dim=8, z_dim=8, mapping_layers=0, channel_base=384, channel_max=12, start="feature", layer=1
    ),
    EncoderConfig(9, 8, 12, None, 4, 2, (6, 8, 10, 12), (1, 1, 1, 1), 3, 1, 1, "none"),
    SemanticConfig("mlp", 6, 12),
    FeatureConfig((2, 4), 3, 1, 8, 1, 4, ((8, 8), (8, 8))),
)


def test_counts_are_those_of_a_convolution_worked_by_hand() -> None:
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(8),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 20, 5),
    )
    layers.eval()

    def work() -> Any:
        with torch.inference_mode():
            return layers(torch.zeros(1, 3, 4, 5))

    answer, macs, parameters = counted(work)
    assert answer.shape == (1, 5)
    assert macs == 9 * 3 * 8 * 20 + 8 * 20 * 5
    assert parameters == 9 * 3 * 8 + 2 * 8 + 8 * 20 * 5 + 5
    assert counted(lambda: 3) == (3, 0, 0)


def test_memory_is_what_the_work_adds() -> None:
    def work() -> int:
        with mmap.mmap(
            -1, 64 << 20
        ) as pages:  # fresh from the system, which an array's memory need not be in a process that did much before
            pages.write(bytes([1]) * len(pages))
            return len(pages)

    gc.collect()
    answer, added = peak_bytes(work)
    assert answer == 64 << 20
    assert added >= 63 << 20  # a busy system takes pages of others back meanwhile


def test_every_stage_of_both_routes_and_the_whole() -> None:
    heads = [("squares", FindSquares()), ("grid_squares", GridSquares())]
    costs = run([Grid(8)], heads, Squares(), batches=[1, 3], threads=1, repeats=2)
    assert [(c.route, c.batch, c.stage) for c in costs] == [
        *((ENCODE, batch, stage) for batch in (1, 3) for stage in ("encode", WHOLE)),
        *(("image", batch, stage) for batch in (1, 3) for stage in ("decode", "head", WHOLE)),
        *(("latent", batch, stage) for batch in (1, 3) for stage in ("latents", "head", WHOLE)),
    ]
    assert all(c.seconds > 0 and (c.macs, c.parameters) == (None, None) for c in costs)
    assert all((c.peak_bytes is not None) == bool(c.energy) == (c.stage == WHOLE) for c in costs)
    assert all((c.joules is None) == c.energy.startswith("n/a: ") for c in costs if c.energy)
    text = table(costs)
    assert "MACs not counted" in text
    assert "1 threads" in text
    with pytest.raises(UsageError, match="batches of at most 6"):
        run([Grid(8)], heads, Squares(), batches=[8], threads=1, repeats=1)
    with pytest.raises(UsageError, match="does not offer latents"):
        run([Blocks(4)], heads[1:], Squares(), batches=[1], threads=1, repeats=1)
    with pytest.raises(UsageError, match="psnr compares with the original"):
        run([Grid(8)], [*heads, ("psnr", HEADS.build("psnr"))], Squares(), batches=[1], threads=1, repeats=1)


@pytest.mark.usefixtures("one_thread")
def test_the_latent_route_of_hsc_leaves_the_generator_out(
    tmp_path: Path, latent_weights: Callable[..., Path], photo: Callable[..., Any]
) -> None:
    files.save(files.random_model(TINY), tmp_path / "tiny.safetensors")
    codec: Any = CODECS.get("hsc")(model=str(tmp_path / "tiny.safetensors"))
    head = LatentDetector(weights=str(latent_weights("detection", "both", codec.latent_specs())))
    data = codec.encode(photo(64, 96))
    costs = measure(Case(codec, head, "latent_detector", "latent", (data, data), codec.encode(photo(16, 16)), 1, 1))
    assert isinstance(costs, list)
    by_stage = {cost.stage: cost for cost in costs}
    assert list(by_stage) == ["entropy", "latents", "head", WHOLE]
    parts = [by_stage[name].macs for name in ("entropy", "latents", "head")]
    assert all(macs for macs in parts)
    assert sum(m for m in parts if m) == pytest.approx(by_stage[WHOLE].macs)
    assert by_stage["head"].parameters == sum(t.numel() for t in head._loaded().network.state_dict().values())
    generator = sum(p.numel() for p in files.load(codec.model).generator.parameters())
    assert (by_stage[WHOLE].parameters or 0) <= sum(by_stage[n].parameters or 0 for n in ("entropy", "latents", "head"))
    image: Any = measure(Case(codec, FindSquares(), "squares", "image", (data,), codec.encode(photo(16, 16)), 1, 1))
    assert [cost.stage for cost in image] == ["entropy", "latents", "synthesis", "head", WHOLE]
    assert image[2].parameters >= generator // 2


@pytest.mark.usefixtures("one_thread")
def test_encoding_by_stages(tmp_path: Path, photo: Callable[..., Any]) -> None:
    files.save(files.random_model(TINY), tmp_path / "tiny.safetensors")
    codec: Any = CODECS.get("hsc")(model=str(tmp_path / "tiny.safetensors"))
    image = photo(40, 72)
    given: Any = image
    for _, step in codec.encode_stages():
        given = step(given)
    assert given == codec.encode(image)
    costs = measure(EncodeCase(codec, (image, image), photo(16, 16), 1, 1))
    assert isinstance(costs, list)
    assert [cost.stage for cost in costs] == ["inversion", "symbols", "entropy", WHOLE]
    by_stage = {cost.stage: cost for cost in costs}
    assert by_stage["entropy"].macs is None
    macs = [by_stage[name].macs or 0.0 for name in ("inversion", "symbols")]
    assert min(macs) > 0
    assert sum(macs) == pytest.approx(by_stage[WHOLE].macs)
    assert by_stage[WHOLE].macs_per_pixel == pytest.approx(sum(macs) / (40 * 72))
    encoder = sum(p.numel() for p in files.load(codec.model).gie.parameters())
    assert (by_stage["inversion"].parameters or 0) >= encoder
    assert {cost.route for cost in costs} == {ENCODE}
    assert "against the first" in table(costs)
    assert "of time" not in table([*costs, *costs])  # encoding is not compared with reading


def test_a_program_is_counted_with_its_memory() -> None:
    def work() -> None:
        subprocess.run([sys.executable, "-c", "import time; b = bytearray(200 << 20); time.sleep(0.05)"], check=True)

    added = peak_bytes(work)[1]
    assert 200 << 20 <= added < 260 << 20  # not with the memory of this process, which starts as its child's
    assert peak_bytes(lambda: None)[1] < 1 << 20  # nor with that of a program that has ended


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--dataset",
        "squares",
        "--codec",
        "grid",
        "--batch",
        "1",
        "--repeats",
        "1",
        "--threads",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert main([*words, "--head", "squares", "--head", "grid_squares"]) == 0
    assert "| grid_squares" in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "cost.csv")["stage"]) == {"encode", "decode", "latents", "head", WHOLE}
    named = ['grid(name="Fine grid")' if word == "grid" else word for word in words]
    assert main([*named, "--head", 'squares(name="Eyes")']) == 0
    shown = (tmp_path / "cost.md").read_text()
    assert "| Fine grid" in shown
    assert "Eyes" in shown
    assert set(pd.read_csv(tmp_path / "cost.csv")["codec"]) == {"grid"}
    assert main([*words, "--head", "no_such_head"]) == 2
    assert "no head is named" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rival", "reader"),
    [("small_adapted(arch=hourglass)", "latent_detector"), ("segmenter_adapted(arch=context)", "latent_segmenter")],
)
def test_heads_on_latents_cost_a_quarter_of_the_way_through_the_image(rival: str, reader: str) -> None:
    """From bytes to answers, in multiplications, on an image of the embedded data set's size."""
    codec: Any = CODECS.build("hsc(quality=4)")
    data = codec.encode(DATASETS.build("roadscenes(split=val, images=1)").load(0).image)
    macs = []
    for spec, route in ((rival, "image"), (reader, "latent")):
        head: Any = HEADS.build(spec)
        given: Any = [data]
        total = 0
        for _, step in steps_of(codec, head, route):  # type: ignore[arg-type]
            given, of_step, _ = counted(lambda step=step, given=given: step(given))  # type: ignore[misc]
            total += of_step
        macs.append(total)
    assert macs[0] >= 4 * macs[1] > 0

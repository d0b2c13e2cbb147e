"""Scores in cards come from runs, of the weights that the card is of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli import model_card
from benchmarks.runs.run_folder import load
from downstream.api import HEADS
from hsc.errors import DataError, UsageError
from tests.run_folders import write_run

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
CARDED = {
    "detection": ("small_adapted(arch=hourglass)", "latent_detector"),
    "segmentation": ("segmenter_adapted(arch=context)", "latent_segmenter"),
}
CARD = "# weights\n\nsha256 " + "abcd" * 16 + "\n\n## Scores\n\nold ones\n\nTrained with\n\n    a command\n"


def test_a_runs_scores_stand_in_the_card(tmp_path: Path) -> None:
    run = load(write_run(tmp_path / "run"))
    scores = model_card.section(run, "squares", "blocks")
    assert len([line for line in scores.splitlines() if line.startswith("| size=")]) == 5
    by_point = {
        row.point: row.value
        for row in run.score_rows
        if row.metric == "ap" and row.codec == "blocks" and not row.ladder and not row.part
    }
    for point, value in by_point.items():
        assert f"| {point} |" in scores
        assert f"| {100 * value:.1f} [" in scores
    new = model_card.into_card(CARD, scores)
    assert new == CARD.replace("old ones\n", f"{scores}\n")
    assert model_card.into_card(new, scores) == new
    assert model_card.into_card("# weights\n", scores) == f"# weights\n\n## Scores\n\n{scores}\n"
    with pytest.raises(UsageError, match="there are squares on blocks"):
        model_card.section(run, "squares", "vvc")


def test_scores_of_other_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run")
    card = tmp_path / "card.md"
    card.write_text(CARD)
    command = [str(folder), "--head", "squares", "--codec", "blocks"]
    assert model_card.main(command) == 0
    assert "| point | bpp | AP |" in capsys.readouterr().out
    assert model_card.main([*command, "--card", str(card)]) == 2
    assert "which the card does not name" in capsys.readouterr().err
    about = json.loads((folder / "run.json").read_text())
    about["heads"][0]["provenance"]["weights_sha256"] = "abcd" * 16
    (folder / "run.json").write_text(json.dumps(about))
    assert model_card.main([*command, "--card", str(card)]) == 0
    assert "old ones" not in card.read_text()
    assert model_card.main([*command, "--card", str(tmp_path / "none.md")]) == 2
    assert "training writes one" in capsys.readouterr().err
    with pytest.raises(DataError, match="unknown"):
        model_card.check_weights(load(folder), "another", CARD)


@pytest.mark.parametrize(("task", "spec"), [(task, spec) for task, specs in CARDED.items() for spec in specs])
def test_packaged_cards_show_what_the_reference_runs_measured(task: str, spec: str) -> None:
    run = load(REFERENCE / task)
    head: Any = HEADS.build(spec)
    card = head._path().with_suffix(".md").read_text("utf-8")
    model_card.check_weights(run, spec, card)
    assert model_card.section(run, spec, "hsc") in card

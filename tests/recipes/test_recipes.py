"""Each recipe on a miniature of its own layout, from its options to the table of published figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from miniatures import IMAGES, celeba, coco_val2017, imagenet, kodak, mpeg_oiv6

from benchmarks.cli.main import main
from benchmarks.cli.run_file import checked
from benchmarks.recipes.recipe_file import FOLDER, find_recipe, names
from benchmarks.reporting.paper.published_references import find_reference
from downstream.api import HEADS

SMALL = "enlarged(of=jpeg, value=[10, 40, 90], short=112, most=400)"
LINES: dict[str, list[str]] = {
    "coco-det": ["--head", "persons", "--codec", SMALL, "--anchor", "enlarged"],
    "coco-seg": ["--head", "persons(masks=True)", "--codec", "jpeg(quality=[10, 90])", "--anchor", "jpeg"],
    "coco-jpeg": ["--head", "persons"],
    "coco-yolo": ["--head", "persons", "--codec", "jpeg(quality=[10, 90])", "--anchor", "jpeg"],
    "oiv6-det": ["--head", "persons", "--codec", "vvc(preset=fast, qp=[47, 37])"],
    "kodak-reconstruction": [
        *["--head", "psnr", "--codec", "jpeg(quality=[10, 50])", "--codec", "bpg(qp=[42, 32])", "--anchor", "jpeg"]
    ],
    "imagenet-cls": ["--head", "left_half", "--codec", "jpeg(quality=[10, 90])", "--anchor", "jpeg"],
    "faces-reconstruction": ["--head", "psnr", "--codec", "vvc(preset=fast, qp=[47, 37])"],
}
"""What stands in for each recipe's heads, whose weights are large, and for the ladders of its codecs."""
COCO = [name for name in LINES if name.startswith("coco")]


def published(folder: Path) -> pd.DataFrame:
    """The published figures beside those of a run, empty numbers and texts as NaN."""
    return pd.read_csv(folder / "published.csv", keep_default_na=False, na_values=[""])


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing of any recipe is, and without a network."""
    monkeypatch.setenv("HSC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HSC_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HSC_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ran(bare: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, pd.DataFrame]]:
    """ran(name): what a recipe's run printed, and its ``published.csv``."""

    def run(name: str, *more: str) -> tuple[str, pd.DataFrame]:
        makers = {"oiv6-det": mpeg_oiv6, "kodak-reconstruction": kodak, "faces-reconstruction": celeba}
        makers["imagenet-cls"] = imagenet
        if name in makers:
            makers[name](bare / "data")
        else:
            coco_val2017(bare / "cache")
        quick = ["--executor", "inline", "--resamples", "40", "--no-noise-floor", "--gallery", "0", "--quiet"]
        assert (
            main(["run", "--recipe", name, *LINES.get(name, ["--head", "persons", "--anchor", "jpeg"]), *quick, *more])
            == 0
        )
        return capsys.readouterr().out, published(Path("results/runs") / Path(name).stem)

    return run


def test_there_is_a_miniature_of_each() -> None:
    assert set(LINES) == set(names())


@pytest.mark.parametrize("name", names())
def test_options_heads_and_references_of_a_recipe_are_known(name: str) -> None:
    recipe = find_recipe(name)
    settings = checked(recipe.run, name)
    assert {"task", "dataset", "head", "codec", "anchor"} <= settings.keys()
    for head in settings["head"]:
        assert HEADS.build(head) is not None
    assert recipe.published
    for published in recipe.published:
        curves = {curve.codec for curve in find_reference(published.reference).curves}
        assert set(published.here) <= curves
        assert published.original or published.here or published.beside
    assert all(need.licence for need in recipe.needs)
    assert all(need.downloads or need.how for need in recipe.needs)


@pytest.mark.parametrize("name", names())
def test_a_bare_machine_is_told_on_one_screen_what_is_missing_and_how_to_get_it(
    name: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--recipe", name, "--dry-run"]) == 2
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) <= 50
    recipe = find_recipe(name)
    for need in recipe.needs:
        assert any(line.startswith("missing") and need.what in line for line in lines)
        assert str(need.path) in shown.out
        for download in need.downloads:
            assert download.url in shown.out
    assert shown.err.count("\n") == 1
    assert not (bare / "results").exists()


@pytest.mark.slow
def test_boxes_of_enlarged_pictures_are_compared_at_rates_over_the_enlarged_pixels(
    ran: Callable[..., tuple[str, pd.DataFrame]],
) -> None:
    text, rows = ran("coco-det")
    scores = pd.read_csv("results/runs/coco-det/scores.csv", keep_default_na=False)
    rates = scores[
        scores["codec"].str.startswith("enlarged") & (scores["point"] == "value=40") & (scores["head"] == "")
    ]
    rates = rates.set_index("metric")["value"].astype(float)
    # 56x144 by the source's rule is 518x1333
    assert rates["bpp_enlarged"] == pytest.approx(rates["bpp"] * 56 * 144 / (518 * 1333))
    assert all(title in text for title in ("published", "here", "difference", "95 % interval"))
    assert set(rows["rate"]) == {"enlarged(short=800, most=1333)"}
    assert set(rows["bits"]) == {"estimated"}
    original = rows[rows["codec"] == "original"].iloc[0]
    assert (original["published"], original["status"]) == (0.402, "ok")
    assert original["difference"] == pytest.approx(original["here"] - 0.402)
    assert "12 images here, 5,000 in the source" in original["reason"]
    assert "the source's head is Faster R-CNN R50-FPN 3x" in original["reason"]
    points = rows[rows["curve"] == "TransTIC"]
    assert points["published_rate"].tolist() == [0.1109, 0.1109, 0.1634, 0.1634]  # beside bpg and vvc


@pytest.mark.slow
def test_a_curve_is_read_at_the_published_rate_between_its_points(
    ran: Callable[..., tuple[str, pd.DataFrame]], tmp_path: Path
) -> None:
    recipe = (FOLDER / "coco-yolo.toml").read_text().replace('beside = ["vvc"]', 'beside = ["jpeg", "vvc"]')
    (tmp_path / "mine.toml").write_text(recipe)
    _, rows = ran("mine.toml", "--codec", "jpeg(quality=[1, 60])")
    scores = pd.read_csv("results/runs/mine/scores.csv", keep_default_na=False)
    jpeg = scores[(scores["codec"] == "jpeg") & (scores["part"] == "")]
    bpp, ap = ([float(v) for v in jpeg[jpeg["metric"] == name]["value"]] for name in ("bpp", "ap"))
    yolo = rows[(rows["reference"] == "coco-saicm-yolo") & (rows["codec"] == "jpeg")]
    assert bpp[0] > 0.244  # noise is dear: the published rates lie before the first point
    assert yolo["status"].eq("n/a").all()
    assert (
        yolo["reason"].str.contains(f"the curve of jpeg goes from {bpp[0]:.4g} to {bpp[1]:.4g} bpp", regex=False).all()
    )
    assert rows[rows["codec"] == "vvc"]["reason"].str.contains("no ap of vvc").all()
    assert ap[1] >= ap[0]


def test_the_same_codec_is_compared_point_by_point_in_score_and_in_rate(
    ran: Callable[..., tuple[str, pd.DataFrame]],
) -> None:
    _, rows = ran("coco-jpeg", "--codec", "jpeg(quality=[10, 20, 30, 50, 75])")
    q20 = rows[rows["point"] == "Q 20"].set_index("metric")
    assert (q20.loc["bpp", "published"], q20.loc["ap", "published"]) == (0.674, 0.23733)
    assert q20.loc["ap", "here_point"] == "quality=20"
    assert q20.loc["ap", "difference"] == pytest.approx(q20.loc["ap", "here"] - 0.23733)
    assert q20.loc["ap", "low"] <= q20.loc["ap", "difference"] <= q20.loc["ap", "high"]
    assert rows[rows["point"] == "Q 96"]["status"].eq("n/a").all()


@pytest.mark.slow
def test_masks_have_their_published_figures(ran: Callable[..., tuple[str, pd.DataFrame]]) -> None:
    _, rows = ran("coco-seg")
    originals = rows[rows["codec"] == "original"].set_index("metric")
    assert originals.loc["mask_ap", "published"] == 0.372
    assert originals.loc["mask_ap", "here"] > 0.9  # the head finds every square of the uncompressed pictures


@pytest.mark.slow
def test_open_images_are_scored_by_their_own_rules(ran: Callable[..., tuple[str, pd.DataFrame]]) -> None:
    _, rows = ran("oiv6-det")
    qp37 = rows[rows["point"] == "QP 37"].set_index("metric")
    assert qp37.loc["oid_map50", "published"] == 0.7425
    assert qp37.loc["oid_map50", "here"] > 0.5
    assert qp37.loc["bpp", "here"] > 0


@pytest.mark.slow
def test_distances_to_originals_have_their_published_figures(ran: Callable[..., tuple[str, pd.DataFrame]]) -> None:
    _, rows = ran("kodak-reconstruction")
    jpeg = rows[(rows["curve"] == "JPEG") & (rows["point"] == "q 50")].set_index("metric")
    bpg = rows[(rows["curve"] == "BPG") & (rows["point"] == "QP 42")].set_index("metric")
    assert (jpeg.loc["psnr", "published"], bpg.loc["psnr", "published"]) == (32.06, 28.68)
    assert jpeg.loc["psnr", "difference"] == pytest.approx(jpeg.loc["psnr", "here"] - 32.06)
    assert rows[rows["curve"] == "HPCM-Base"]["status"].eq("n/a").all()  # vvc was left out


@pytest.mark.slow
def test_faces_have_no_count_of_the_source(ran: Callable[..., tuple[str, pd.DataFrame]]) -> None:
    text, rows = ran("faces-reconstruction")
    assert set(rows["images"]) == {IMAGES}
    assert not rows["reason"].str.contains("in the source").any()
    assert rows["rate"].eq("original_pixels").all()
    assert "payload of the files" in text


@pytest.mark.slow
def test_a_run_of_a_recipe_is_repeated_from_its_folder(
    ran: Callable[..., tuple[str, pd.DataFrame]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = ran("coco-yolo")
    assert main(["rerun", "results/runs/coco-yolo"]) == 0
    again = published(Path("results/runs/coco-yolo-again"))
    pd.testing.assert_frame_equal(rows, again)


@pytest.mark.slow
def test_crops_are_classified_and_their_rates_are_over_the_crop(ran: Callable[..., tuple[str, pd.DataFrame]]) -> None:
    _, rows = ran("imagenet-cls")
    assert set(rows["rate"]) == {"centre_crop(side=256)"}
    original = rows[rows["codec"] == "original"].iloc[0]
    assert (original["published"], original["here"]) == (0.767, 1.0)
    scores = pd.read_csv("results/runs/imagenet-cls/scores.csv", keep_default_na=False)
    rates = scores[(scores["codec"] == "jpeg") & (scores["point"] == "quality=90") & (scores["head"] == "")]
    rates = rates.set_index("metric")["value"].astype(float)
    assert rates["bpp_centre_crop"] == rates["bpp"]  # the data set gives the crops themselves

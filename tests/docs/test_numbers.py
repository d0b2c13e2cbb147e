"""Every number that a page quotes from a tracked run stands in that run's files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from code_blocks import ROOT

REFERENCE = ROOT / "results" / "reference"
CODECS = {
    "HSC (ours, learned on such streets)": "hsc",
    "Rival with HSC's loss, trained on such streets": "compressai(trained=roadscenes, loss=machine)",
    "Rival with the mean square error, likewise": "compressai(trained=roadscenes)",
    "BPG": "bpg",
    "AVIF": "avif",
    "WebP": "webp",
    "JPEG XL": "jpegxl",
    "JPEG 2000": "jpeg2000",
    "JPEG": "jpeg",
}
YOLOX = "onnx(path=yolox_nano.onnx, format=yolox)"
MADE_UP = ["lost", "hallucinated", "new_false"]
CARD = ROOT / "hsc" / "pretrained" / "roadscenes.md"


def comparisons(run: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / run / "comparisons.csv")


def table_rows(path: Path, header: str) -> list[list[str]]:
    """The cells of a page's first table with such a header, without the header."""
    lines = path.read_text("utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(header))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def percent(row: pd.Series) -> str:
    if pd.isna(row.low):
        return f"{row.value:+.1f} % (no interval)"
    return f"{row.value:+.1f} % [{row.low:+.1f}, {row.high:+.1f}]"


def points(value: float, low: float, high: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f} [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def test_readme_shows_the_reference_run() -> None:
    bd = comparisons("detection").query("kind == 'bd_rate' and anchor == 'vvc' and metric == 'ap'")
    rows = {row[0]: row[1:] for row in table_rows(ROOT / "README.md", "| codec | first detector")}
    heads = list(dict.fromkeys(bd["head"]))
    assert rows.pop("VVC (libvvenc, fast)") == ["0", "0"]
    assert set(rows) == set(CODECS)
    for title, cells in rows.items():
        of_codec = bd[bd.codec == CODECS[title]].set_index("head")
        assert cells == [percent(of_codec.loc[head]) for head in heads], title
    values = [bd[(bd.codec == CODECS[title]) & (bd["head"] == heads[0])].value.iloc[0] for title in rows]
    assert values == sorted(values), "the best codec stands first"


def error_cells(run: str, kinds: list[str], head: str, codec: str, other: str) -> list[str]:
    """The cells of a row of errors: shares in percent, false detections an image as they are."""
    table = pd.read_csv(REFERENCE / run / "errors.csv").fillna({"other": ""}).query("by == 'all'")
    rows = table[(table["head"] == head) & (table["codec"] == codec) & (table["other"] == other)].set_index("kind")
    cells = []
    for kind in kinds:
        row, percent, sign = rows.loc[kind], run == "errors_maps" or kind == "lost", "+" if other else ""
        factor, digits, unit = (100, 1, " pp" if other else " %") if percent else (1, 2, "")
        value, low, high = (f"{factor * number:{sign}.{digits}f}" for number in (row.value, row.low, row.high))
        cells.append(f"{value}{unit} [{low}, {high}]")
    return cells


@pytest.mark.parametrize("page", ["FAIRNESS.md", "docs/method/errors.md"])
@pytest.mark.parametrize(
    ("run", "header", "kinds", "heads"),
    [
        ("errors", "| detector |", MADE_UP, [YOLOX, "small", "small(arch=hourglass)"]),
        ("errors_coco128", "| on photos |", MADE_UP, [YOLOX]),
        ("errors_maps", "| segmenter |", ["lost", "gained", "new_false"], ["segmenter", "segmenter(arch=context)"]),
    ],
)
def test_pages_show_the_errors_of_the_reference_runs(
    page: str, run: str, header: str, kinds: list[str], heads: list[str]
) -> None:
    if run == "errors_maps" and page == "FAIRNESS.md":
        assert header not in (ROOT / page).read_text("utf-8")
        return
    rows = table_rows(ROOT / page, header)
    pairs = {"HSC": ("hsc", ""), "VVC": ("vvc", ""), "HSC less VVC": ("hsc", "vvc")}
    names = ["ours, first", "ours, second"]
    titles = dict(zip(["YOLOX-nano", *names] if heads[0] == YOLOX else names, heads, strict=False))
    assert [row[:2] for row in rows] == [[title, pair] for title in titles for pair in pairs]
    for name, pair, *cells in rows:
        assert cells == error_cells(run, kinds, titles[name], *pairs[pair]), (name, pair)


def test_readme_quotes_the_errors_of_the_reference_run() -> None:
    table = pd.read_csv(REFERENCE / "errors" / "errors.csv").query("by == 'all' and other.isna()")
    table = table[table["head"] == YOLOX]
    values = table.set_index(["codec", "kind"])["value"]
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    lost, made_up = ([values[codec, kind] for codec in ("hsc", "vvc")] for kind in ("lost", "hallucinated"))
    assert f"HSC loses {lost[0]:.0%} of the objects, VVC {lost[1]:.0%}, but".replace("%", " %") in text
    assert f"hallucinates {made_up[0]:.2f} an image, VVC {made_up[1]:.2f} " in text


def test_the_sample_of_a_table_is_of_the_reference_run(docs_folder: Path) -> None:
    scores = pd.read_csv(REFERENCE / "detection" / "scores.csv").fillna({"point": "", "part": "", "ladder": ""})
    first = scores["head"].dropna().iloc[0]
    for codec, point, bpp, ap in table_rows(docs_folder / "start" / "reading-a-table.md", "| codec | point | bpp"):
        here = scores[(scores.codec == codec) & (scores.point == point) & (scores.part == "") & (scores.ladder == "")]
        rate = here[here.metric == "bpp"].value.iloc[0]
        score = here[(here.metric == "ap") & (here["head"] == first)].iloc[0]
        assert (bpp, ap) == (f"{rate:.4f}", points(score.value, score.low, score.high))


def test_latents_page_shows_the_reference_runs(docs_folder: Path) -> None:
    rows = {row[0]: row[1:] for row in table_rows(docs_folder / "hsc" / "latents.md", "| score | 0.018")}
    for title, run, metric in (("AP", "detection", "ap"), ("mIoU", "segmentation", "miou")):
        apart = comparisons(run).query(f"kind == 'heads_apart' and metric == '{metric}' and codec == 'hsc'")
        assert rows[title] == [points(row.value, row.low, row.high, "+") for row in apart.itertuples()]


@pytest.mark.parametrize(
    ("page", "source", "numbers"),
    [
        ("hsc/what-it-is.md", REFERENCE / "test_split" / "detection.md", ["-81.1 % [-82.8, -79.3]"]),
        ("hsc/what-it-is.md", REFERENCE / "third_party_heads" / "detection.md", ["-86.0 %"]),
        ("hsc/what-it-is.md", CARD, ["2.6 to 5.4 dB", "0.3 to 0.5 % of the bits"]),
        ("hsc/what-it-is.md", CARD.with_name("camvid.md"), ["-52.0 % [-55.3, -48.4]", "-60.5 % [-64.4, -58.1]"]),
        (
            "hsc/what-it-is.md",
            REFERENCE / "third_party_heads" / "camvid.md",
            ["-55.0 % [-73.6, -27.3]", "38.4", "51.9"],
        ),
        ("hsc/what-it-is.md", CARD.with_name("camvid-coarse.md"), ["97.1 % [96.5, 97.7]", "-55.0 % [-73.6, -27.3]"]),
        ("hsc/latents.md", REFERENCE / "latents" / "complexity-detection.md", ["114.1", "49.6"]),
        ("hsc/encode-preview-edit.md", REFERENCE / "light" / "table.md", ["8.3", "13.5", "1.8", "13.4"]),
    ],
)
def test_a_quoted_number_stands_in_its_source(docs_folder: Path, page: str, source: Path, numbers: list[str]) -> None:
    text = " ".join((docs_folder / page).read_text("utf-8").split())
    origin = " ".join(source.read_text("utf-8").split())
    for number in numbers:
        assert re.search(rf"(?<![\d.]){re.escape(number)}", text), f"{page} does not quote {number}"
        assert number in origin, f"{source.name} does not hold {number}"

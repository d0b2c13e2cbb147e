"""The page as a file: whole, harmless, alone, and made from the folder alone."""

from __future__ import annotations

import ast
import base64
import hashlib
import html.parser
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.cli.report import main
from benchmarks.reporting.figures.codec_styles import styles_of
from benchmarks.reporting.html import write
from benchmarks.reporting.html.document import _ALSO
from benchmarks.reporting.html.markup import element, json_text
from benchmarks.runs.rows import read_comparisons, read_scores
from hsc.errors import ResultsError

EVIL = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>\"&"


class Elements(html.parser.HTMLParser):
    """What a browser would find: every element with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("script", "style"):
            self.inside.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style"):
            tag, attrs, text = self.inside[-1]
            self.inside[-1] = (tag, attrs, text + data)
        else:
            self.words.append(data)

    def data(self, name: str) -> Any:
        return next(json.loads(text) for tag, attrs, text in self.inside if tag == "script" and attrs.get("id") == name)


def page(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture
def copied(detection_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(detection_run, tmp_path / "copy"))


def test_a_run_writes_its_page_and_the_page_needs_the_folder_alone(detection_run: Path, tmp_path: Path) -> None:
    again = write(detection_run, tmp_path / "page.html")
    assert again.read_text("utf-8") == page(detection_run)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_nothing_is_loaded_from_anywhere(detection_run: Path, segmentation_run: Path) -> None:
    for folder in (detection_run, segmentation_run):
        elements = Elements(page(folder))
        for tag, attributes in elements.found:
            assert tag not in ("link", "iframe", "object", "embed", "base"), tag
            for name in ("src", "srcset", "action", "data", "poster", "background"):
                assert name not in attributes, (tag, attributes)
            assert (attributes.get("href") or "#").startswith("#")
        styles = "".join(text for tag, _, text in elements.inside if tag == "style")
        assert "url(" not in styles
        assert "@import" not in styles
        assert "sourceMappingURL" not in page(folder)


def test_the_policy_lets_these_scripts_run_and_no_others(detection_run: Path) -> None:
    elements = Elements(page(detection_run))
    policy = next(
        a["content"] for tag, a in elements.found if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for _, attributes, text in elements.inside:
        if attributes.get("type") != "application/json":
            assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert not [a for _, a in elements.found if "style" in a or any(name.startswith("on") for name in a)]


def test_a_codecs_name_is_never_markup(copied: Path) -> None:
    for name in ("scores.csv", "comparisons.csv"):
        table = pd.read_csv(copied / name, keep_default_na=False, dtype=str)
        table.replace({"blocks": EVIL, "grid_squares": EVIL}).to_csv(copied / name, index=False)
    for name in ("run.json", "gallery.json"):
        text = (copied / name).read_text("utf-8")
        (copied / name).write_text(
            text.replace('"blocks"', json.dumps(EVIL)).replace('"grid_squares"', json.dumps(EVIL)), "utf-8"
        )
    plain, evil = Elements(page(copied)), Elements(write(copied).read_text("utf-8"))
    assert [tag for tag, _ in evil.found] == [tag for tag, _ in plain.found]
    assert EVIL in [codec["label"] for codec in evil.data("data")["codecs"]]
    assert EVIL in "".join(evil.words)
    assert any(tile["codec"] == EVIL for tile in evil.data("gallery-data")["images"][0]["tiles"])


def test_text_and_json_are_escaped() -> None:
    assert element("p", "<b>&\"'", title='"') == '<p title="&quot;">&lt;b&gt;&amp;&quot;&#x27;</p>'
    text = json_text({"<": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"<": "</script><!--\u2028&"}
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))


def test_the_curves_have_every_point_with_its_interval(detection_run: Path) -> None:
    data = Elements(page(detection_run)).data("data")
    scores = read_scores(detection_run / "scores.csv")
    whole = (scores["head"] != "") & (scores["part"] == "") & (scores["ladder"] == "")
    scored = scores[whole & (scores["metric"] == "ap") & (scores["status"] == "ok")]
    assert [reader["route"] for reader in data["readers"]] == ["image", "latent"]
    assert len(data["points"]) == len(scored) == 19
    for point in data["points"]:
        row = scored[
            (scored["head"] == data["readers"][point["r"]]["head"])
            & (scored["codec"] == data["codecs"][point["c"]]["label"])
            & (scored["point"] == point["p"])
        ].iloc[0]
        assert point["m"]["ap"] == [pytest.approx(row[name], rel=1e-4) for name in ("value", "low", "high")]
    assert [metric["name"] for metric in data["classes"]] == ["square", "unseen"]
    assert [metric["label"] for metric in data["classes"]] == ["AP, square [%]", "AP, unseen [%]"]
    styles = styles_of(codec["label"] for codec in data["codecs"])
    for codec in data["codecs"]:  # those of the printed curves
        assert codec["light"] == ("#444444" if codec["label"] == "original" else styles[codec["label"]].colour)
    assert len({codec["light"] for codec in data["codecs"]}) == len(data["codecs"]) == 4


def test_the_tables_show_what_the_run_measured(detection_run: Path) -> None:
    text = " ".join(Elements(page(detection_run)).words)
    for words in (
        "Noise floor",
        "against itself",
        "Verdict (95 % CI)",
        "Method",
        "Status",
        "broken on purpose, with <b>markup</b> & more",
        "its program is not installed",
        "compressed domain",
    ):
        assert words in text


def test_every_difference_of_the_reference_run_stands_on_its_page(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "results" / "reference" / "detection"
    text = " ".join(Elements(write(folder, tmp_path / "page.html").read_text("utf-8")).words)
    comparisons = read_comparisons(folder / "comparisons.csv")
    differences = comparisons[comparisons["kind"].isin(["bd_rate", "noise_floor_rate"])]
    assert len(differences) >= 30
    for row in differences.itertuples():
        assert (f"{row.value:+.1f} %".replace("-", "−") if row.status == "ok" else row.reason) in text
    apart = comparisons[comparisons["kind"] == "heads_apart"]
    assert len(apart) == 6
    for row in apart.itertuples():
        assert f"{100 * row.low:+.1f} to {100 * row.high:+.1f}".replace("-", "−") in text


def test_a_segmentation_run_shows_its_classes_and_maps(segmentation_run: Path) -> None:
    elements = Elements(page(segmentation_run))
    data, gallery = elements.data("data"), elements.data("gallery-data")
    assert data["main"] == "miou"
    assert data["classMetric"]["id"] == "iou"
    assert data["classMetric"]["label"] == "IoU [%]"
    classes = [metric["name"] for metric in data["classes"]]
    assert {"road", "sky", "car"} <= set(classes)
    road = classes.index("road")
    assert all(0 <= point["k"][road] <= 1 for point in data["points"])
    assert gallery["images"][0]["labels"]["map"]
    assert all(tile["found"][0]["map"] for tile in gallery["images"][0]["tiles"])


def test_the_page_is_small(detection_run: Path) -> None:
    size = (detection_run / "report.html").stat().st_size
    pictures = (detection_run / "gallery.json").stat().st_size
    assert size - pictures < 400_000


def test_a_run_without_pictures_has_a_page(copied: Path) -> None:
    (copied / "gallery.json").unlink()
    elements = Elements(write(copied).read_text("utf-8"))
    assert elements.data("gallery-data") is None
    assert "This run kept no images." in " ".join(elements.words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scores.csv", None, "scores.csv is not there"),
        ("scores.csv", "", "is damaged"),
        ("scores.csv", "a,b\n1,2\n", "has the columns a, b"),
        ("comparisons.csv", None, "comparisons.csv is not there"),
        ("comparisons.csv", "", "is damaged"),
        ("comparisons.csv", "a,b\n1,2\n", "has the columns a, b"),
        ("run.json", None, "run.json is not there"),
        ("run.json", "{", "is damaged"),
        ("run.json", "[]", "is not a run's"),
        ("gallery.json", "{}", "it has no images"),
        (
            "gallery.json",
            '{"images": [{"tiles": 3}], "heads": [], "classes": [], "failed": []}',
            "gallery.json is damaged",
        ),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(
    copied: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, words: str
) -> None:
    before = page(copied)
    (copied / name).unlink() if content is None else (copied / name).write_text(content)
    assert main([str(copied)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message
    assert page(copied) == before


def test_the_command_line_says_where_the_page_is(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(copied), "--out", str(tmp_path / "p.html")]) == 0
    assert "p.html: " in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2
    with pytest.raises(ResultsError, match="name another with --out"):
        write(copied, tmp_path / "none" / "p.html")


def test_a_run_of_which_nothing_could_be_scored_has_a_page(copied: Path) -> None:
    scores = pd.read_csv(copied / "scores.csv", keep_default_na=False, dtype=str)
    comparisons = pd.read_csv(copied / "comparisons.csv", keep_default_na=False, dtype=str)
    comparisons.iloc[:0].to_csv(copied / "comparisons.csv", index=False)
    bad = scores[scores["status"] != "ok"]
    assert len(bad)
    bad.to_csv(copied / "scores.csv", index=False)
    elements = Elements(write(copied).read_text("utf-8"))
    assert elements.data("data")["points"] == []
    bad.iloc[:0].to_csv(copied / "scores.csv", index=False)
    assert Elements(write(copied).read_text("utf-8")).data("data")["readers"] == []


def test_the_version_of_a_page_covers_every_module_it_is_made_by() -> None:
    """Only the contracts and the readers of files stay out: they decide whether a page is made, not what it shows."""
    root = Path(__file__).parents[2] / "benchmarks"
    trees = [ast.parse(file.read_text("utf-8")) for file in (root / "reporting" / "html").glob("*.py")]
    imported = {node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules = {
        name.removeprefix("benchmarks.").replace(".", "/") for name in imported if name and "benchmarks." in name
    }
    made_by = {name for name in modules if not name.startswith("reporting/html")}
    assert made_by - {"api", "runs/run_folder", "reporting/images/gallery_file"} <= set(_ALSO)
    assert all((root / f"{name}.py").is_file() for name in _ALSO)

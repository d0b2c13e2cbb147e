"""The paper: bold, separate regimes, refusals, and valid LaTeX and PDF."""

from __future__ import annotations

import ast
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from paper_testkit import ADAPTED, FROZEN, LATENT, Numbers, numbers_of, write_run

from benchmarks.api import RATES, Comparison, MetricFacts
from benchmarks.cli.paper import main
from benchmarks.reporting.figures.rate_curves import readable, styles_of
from benchmarks.reporting.paper.bjontegaard import bd_tables
from benchmarks.reporting.paper.group import groups, names
from benchmarks.reporting.paper.latex import escape
from benchmarks.reporting.paper.operating_points import points_table
from benchmarks.reporting.paper.published import overlays, published_table
from benchmarks.reporting.paper.published_references import find_reference, references
from benchmarks.reporting.paper.rates import rates_table
from benchmarks.runs.rows import frame
from benchmarks.runs.run_folder import load
from hsc.errors import ResultsError

PARTS = ("rates", "bd", "points", "curves")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Detection by a frozen head and two adapted ones, one of them on latents; segmentation by a frozen one. The first
    has a sheet.
    """
    folder = tmp_path_factory.mktemp("runs")
    first = write_run(folder / "one" / "detection", numbers_of("detection", (FROZEN, ADAPTED, LATENT), lead=0.03))
    PIL.Image.new("RGB", (40, 30), (90, 20, 20)).save(first / "sheet.jpg")
    return [first, write_run(folder / "two" / "segmentation", numbers_of("segmentation", (FROZEN,)))]


@pytest.fixture(scope="module")
def paper(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paper") / "out"
    assert main([*map(str, runs), "--out", str(out), "--reference", "coco-jpeg"]) == 0
    return out


def rates_text(tmp_path: Path, numbers: Numbers) -> str:
    return rates_table(groups([load(write_run(tmp_path / "run", numbers))])[0]) or ""


def test_every_file_is_there_and_every_input_leads_to_one(paper: Path) -> None:
    files = {path.name for path in paper.iterdir()}
    expected = {
        f"{group}-{part}.tex"
        for group in ("detection-frozen", "detection-adapted", "segmentation-frozen")
        for part in PARTS
    }
    assert files >= expected | {
        "main.tex",
        "methods.tex",
        "settings.tex",
        "references.bib",
        "published.tex",
        "detection-sheet.jpg",
        "detection-sheet.tex",
    }
    assert not [name for name in files if "part" in name]
    inputs = re.findall(r"\\input\{([^}]+)\}", (paper / "main.tex").read_text())
    assert sorted(f"{name}.tex" for name in inputs) == sorted(
        name for name in files if name.endswith(".tex") and name != "main.tex"
    )
    pictures = {
        name
        for path in paper.glob("*.tex")
        for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", path.read_text())
    }
    assert pictures == {name for name in files if name.endswith((".pdf", ".jpg"))}
    text = "".join(path.read_text() for path in paper.glob("*.tex"))
    labels = re.findall(r"\\label\{([^}]+)\}", text)
    assert len(set(labels)) == len(labels)
    assert set(re.findall(r"\\ref\{([^}]+)\}", text)) <= set(labels)
    assert text.count(r"\includegraphics") == len(pictures)  # each figure once
    cited = {key for keys in re.findall(r"\\cite\{([^}]+)\}", text) for key in keys.split(",")}
    assert cited == set(re.findall(r"@\w+\{([^,]+),", (paper / "references.bib").read_text()))


def test_braces_environments_and_columns_add_up(paper: Path) -> None:
    for path in paper.glob("*.tex"):
        text = path.read_text().replace("\\\\", "\n")
        assert text.isascii(), path.name
        bare = re.sub(r"\\[{}%&#$_]", "", text)
        assert bare.count("{") == bare.count("}"), path.name
        assert not re.findall(r"(?<!\\)[#$]", text), path.name
        open_environments: list[str] = []
        for kind, name in re.findall(r"\\(begin|end)\{([^}]+)\}", text):
            if kind == "begin":
                open_environments.append(name)
            else:
                assert open_environments.pop() == name
        assert not open_environments
        for columns, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
            for line in re.sub(r"\\(top|mid|bottom)rule", "", body).split("\n"):
                if line.strip() and "multicolumn" not in line:
                    assert len(re.split(r"(?<!\\)&", line)) == len(columns), line


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_the_document_compiles(paper: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(paper, folder)
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    for words in (latex, ["bibtex", "main"], latex, latex):
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]
    log = (folder / "main.log").read_text("latin-1")
    assert "undefined" not in log
    assert "multiply defined" not in log


def test_bold_is_the_best_only_where_the_paired_interval_leaves_out_0(tmp_path: Path) -> None:
    """The intervals of the codecs themselves overlap in both cases."""
    assert rates_text(tmp_path / "clear", numbers_of("detection", (FROZEN,), lead=0.03)).count(r"\textbf{40.0}") == 6
    assert r"\textbf" not in rates_text(tmp_path / "close", numbers_of("detection", (FROZEN,), lead=0.01))


@pytest.mark.parametrize(
    ("changed", "bold"), [({}, True), ({"high": 1.0}, False), ({"value": -2.0, "low": -2.5, "high": -1.5}, False)]
)
def test_bold_in_a_bjontegaard_table_needs_the_pair_and_more_than_the_noise_floor(
    tmp_path: Path, changed: dict[str, float], bold: bool
) -> None:
    numbers = numbers_of("detection", (FROZEN,))
    comparisons = [
        replace(row, **changed) if row.kind == "lead_bd_rate" else row  # type: ignore[arg-type]
        for row in numbers.comparisons
    ]
    text = "".join(bd_tables(groups([load(write_run(tmp_path / "run", replace(numbers, comparisons=comparisons)))])[0]))
    assert (r"\textbf{\(-\)20.0}" in text) is bold
    assert r"\(+\)3.0 {" in text  # never where a codec of the column has no number
    assert r"n/a\textsuperscript{2}" in text
    assert "share 9\\% of the test codec's" in text
    assert "noise floor (plain) & " in text
    assert r"\(+\)9.0" in text
    assert "90/80" in text
    assert r"30 of 1000 resamples refused, the others give \(-\)2.0 to +21.0" in text
    assert r"AP at 0.2500 bpp \(-\)4.0" in text
    assert r"\textsuperscript{\dag}" in text.split("odd(")[1]


def test_regimes_never_share_a_table_and_both_routes_are_named(paper: Path) -> None:
    frozen, adapted = (
        ("".join((paper / f"detection-{r}-{part}.tex").read_text() for part in PARTS)) for r in ("frozen", "adapted")
    )
    assert "tuned" not in frozen
    assert "h\\_1" not in adapted
    assert "tuned, compressed domain" in adapted
    assert (paper / "detection-adapted-curves.pdf").is_file()
    assert "Adapted heads, trained on decoded images or latents" in (paper / "methods.tex").read_text()
    assert "Adapted heads were trained on" in (paper / "settings.tex").read_text()


def test_the_settings_say_what_was_used_and_not_where_it_lay(paper: Path) -> None:
    text = " ".join((paper / "settings.tex").read_text().split())
    for said in (
        "turbo 3.2.0",
        r"\texttt{abababababab}",
        "score threshold 0.001",
        "1000 resamples",
        "a CPU",
        "numpy 1.26.4",
        "gone (no such binary: install",
    ):
        assert said in text
    assert "with changes that are not committed" in text
    assert "quality q=0, q=1" in text
    assert "mIoU" in text
    assert "/home" not in text
    assert "a\\_b.toml" in text


def test_fonts_are_embedded_as_truetype_and_curves_are_vectors(paper: Path) -> None:
    for path in paper.glob("*.pdf"):
        data = path.read_bytes()
        assert b"/FontFile2" in data, path.name
        assert b"/CIDFontType2" in data
        assert b"/Type3" not in data
        assert b"/Subtype /Image" not in data


def test_figures_have_the_widths_of_one_column_and_two(paper: Path, runs: list[Path], tmp_path: Path) -> None:
    words = ["--only", "figure", "curves", "--width", "one"]
    assert main([str(runs[0]), "--out", str(tmp_path / "one"), *words]) == 0
    for folder, inches in ((paper, 7.0), (tmp_path / "one", 3.35)):
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", (folder / "detection-adapted-curves.pdf").read_bytes())
        assert box
        assert float(box[1]) / 72 == pytest.approx(inches)
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "main.tex",
        *(f"detection-{regime}-curves.{ending}" for regime in ("frozen", "adapted") for ending in ("tex", "pdf")),
    }


def test_codecs_keep_apart_without_colour_and_one_has_one_style_everywhere() -> None:
    found = styles_of(f"codec {n}" for n in range(30))
    assert len(set(found.values())) == 30
    assert len({style.marker for style in list(found.values())[:10]}) == 10
    assert len({(style.marker, str(style.dashes)) for style in found.values()}) == 30
    assert ":" not in {style.dashes for style in found.values()}  # the fit's


def test_names_are_drawn_as_they_are_and_never_as_formulas() -> None:
    assert readable("fast_$1$ é東") == "fast_$1$ é(U+6771)"


def test_references_are_marked_and_change_no_table_of_ours(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "detection", numbers_of("detection", (FROZEN,))))
    assert main([run, "--out", str(tmp_path / "with"), "--reference", "coco-jpeg"]) == 0
    assert main([run, "--out", str(tmp_path / "without")]) == 0
    with_them, without = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("with", "without"))
    differ = {name for name in with_them if with_them[name] != without.get(name)}
    drawn = {name for name in with_them if name.startswith("detection") and "curves" in name}
    assert differ == drawn | {"published.tex", "main.tex"}
    assert b"Published by others on other data, not measured here" in with_them["published.tex"]
    assert b"published by others on other data" in with_them["detection-frozen-curves.tex"]
    assert b"0.4300 & 10.4" in with_them["published.tex"]


def test_no_difference_can_take_in_a_reference() -> None:
    """Only the paper's own modules know of them, and those compute no difference."""
    root = Path(__file__).parents[2] / "benchmarks"
    known = set()
    for file in root.rglob("*.py"):
        imported = {n.module for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)}
        if "benchmarks.reporting.paper.published_references" in imported:
            known.add(file.relative_to(root).as_posix())
            assert not imported & {
                "benchmarks.stats.bjontegaard",
                "benchmarks.stats.bd_comparison",
                "benchmarks.stats.codec_comparison",
            }, file
    papers = {f"reporting/paper/{name}.py" for name in ("document", "figures", "published")}
    recipes = {f"recipes/{name}.py" for name in ("comparison", "needs_text")}  # on the data of the source, in own files
    assert known == {"cli/paper.py", *papers, *recipes}


def test_every_reference_names_its_source_and_data() -> None:
    assert {"coco-jpeg", "coco-transtic", "imagenet-adapt-icmh", "kodak-illm", "hsc-celeba"} <= set(references())
    for one in references().values():
        assert one.source
        assert one.data
        assert one.bits
        assert RATES.build(one.rate).metric
        assert all(len(curve.points) in (0, len(curve.bpp)) for curve in one.curves)
        assert all(len(values) == len(curve.bpp) for curve in one.curves for values in curve.scores.values())


def test_a_reference_of_another_rate_is_no_curve_on_an_axis_of_ours() -> None:
    assert overlays([find_reference("coco-jpeg")], "ap")
    assert overlays([find_reference("coco-transtic")], "ap") == []
    text = published_table([find_reference("coco-transtic")])
    assert "Rate: enlarged(short=800, most=1333), bits: estimated" in text
    assert "0.1109 & 36.31" in text


def test_a_run_without_common_rates_has_no_table_at_equal_rates_and_an_idle_reference_no_curve_and_both_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = numbers_of("segmentation", (FROZEN,))
    kept = [row for row in numbers.comparisons if not re.match(r"(score|lead)_", row.kind)]
    run = write_run(tmp_path / "run", replace(numbers, comparisons=kept))
    assert main([str(run), "--out", str(tmp_path / "out"), "--reference", "hsc-celeba"]) == 0
    said = capsys.readouterr().err
    assert "no table at equal rates" in said
    assert not (tmp_path / "out" / "run-frozen-rates.tex").exists()
    assert r"\textbf{\(-\)" not in (tmp_path / "out" / "run-frozen-bd.tex").read_text()
    assert "hsc-celeba has no score that a figure" in said
    assert "0.0060 & 0.294 & 0.153 & 17.2" in (tmp_path / "out" / "published.tex").read_text()


def test_a_failed_point_is_marked_with_its_reason(tmp_path: Path) -> None:
    numbers = numbers_of("segmentation", (FROZEN,))
    rows = numbers.scores
    place = next(n for n, row in enumerate(rows) if row.metric == "miou" and row.codec == "plain")
    rows[place] = replace(
        rows[place],
        value=math.nan,
        low=math.nan,
        high=math.nan,
        status="failed",
        reason="1 of 4 images failed: out_of_luck",
    )
    text = points_table(groups([load(write_run(tmp_path / "run", numbers))])[0])
    assert re.search(r"q=0 & \\multicolumn\{\d+\}\{l\}\{failed\}", text)
    assert r"1 of 4 images failed: out\_of\_luck" in text


def test_an_existing_paper_is_not_written_over_unless_asked(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "methods.tex").write_text("mine")
    words = [str(runs[1]), "--out", str(tmp_path)]
    assert main(words) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert (tmp_path / "methods.tex").read_text() == "mine"
    assert main([*words, "--overwrite"]) == 0
    assert (tmp_path / "methods.tex").read_text() != "mine"


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "there is no run folder"),
        (lambda f: [p.unlink() for p in f.iterdir()], "holds no run"),
        (lambda f: (f / "run.json").unlink(), "not finished: run.json is not there"),
        (lambda f: (f / "scores.csv").unlink(), "not finished: scores.csv is not there"),
        (lambda f: (f / "comparisons.csv").unlink(), "not finished: comparisons.csv is not there"),
        (lambda f: (f / "run.json").write_text('{"task": '), "is damaged, it is no JSON"),
        (lambda f: (f / "run.json").write_text("[]"), "is damaged"),
        (lambda f: (f / "scores.csv").write_text(""), "expected the columns cell,task"),
        (
            lambda f: (f / "scores.csv").write_text((f / "scores.csv").read_text().split("\n")[0] + "\n"),
            "columns and no row",
        ),
        (
            lambda f: (f / "scores.csv").write_bytes((f / "scores.csv").read_bytes().rpartition(b'"')[0]),
            "is damaged: unexpected end of data",
        ),
        (lambda f: (f / "scores.csv").write_text((f / "scores.csv").read_text().rsplit(",", 9)[0]), "is cut off"),
        (lambda f: (f / "scores.csv").write_bytes(b"\xff\xfe\x00" * 9), "cannot be read"),
        (lambda f: change(f, "scores.csv", ",24.0,", ",many,"), "column value holds something that is no number"),
        (lambda f: change(f, "scores.csv", ",ok,", ",fine,"), "the status 'fine' is none of"),
        (lambda f: change(f, "scores.csv", "\no,", "\nq,"), "cell q of scores.csv is not in run.json"),
        (lambda f: change(f, "scores.csv", ",12,ok", ",5,ok"), "images is 5 in scores.csv, 12 in run.json"),
        (lambda f: change(f, "scores.csv", "ok,\n", "missing,not read yet\n"), "1 cells were not measured"),
        (
            lambda f: change(f, "run.json", '"name": "segmentation"', '"name": "segmentatoin"'),
            "did you mean segmentation",
        ),
        (lambda f: (f / "sheet.jpg").write_bytes(b"no picture"), "the sheet"),
    ],
)
def test_a_folder_that_is_no_finished_run_is_refused_in_one_sentence(
    runs: list[Path], tmp_path: Path, damage: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[1], folder)
    damage(folder)
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{run}", "{run}", "--out", "x"], "given twice"),
        (["{run}", "--out", "{run}"], "the folder of a run"),
        (["{run}", "--out", "{run}/run.json"], "is a file"),
    ],
)
def test_requests_that_cannot_be_met(
    runs: list[Path], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(run=runs[1]) for word in words]) == 2
    assert said in capsys.readouterr().err


def test_an_unknown_reference_gets_a_near_name(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(runs[1]), "--out", "x", "--reference", "coco_jpeg"]) == 2
    assert "did you mean coco-jpeg?" in capsys.readouterr().err


def test_runs_called_alike_are_told_apart_by_their_folders() -> None:
    assert names([Path("/a/one/detection"), Path("/a/two/detection")]) == ["one-detection", "two-detection"]
    assert names([Path("/a/b/c/détection"), Path("/x/b/c/Détection")]) == ["b-c-de-tection-1", "b-c-de-tection-2"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a&b_c%", r"a\&b\_c\%"),
        ("é ü ø", r"\'{e} \"{u} \o{}"),
        ("東\n京", "(U+6771) (U+4EAC)"),
        ("--", "{-}{-}"),
        ("\x07", "(U+0007)"),
    ],
)
def test_any_text_is_safe_in_latex(text: str, written: str) -> None:
    assert escape(text) == written


def test_a_run_whose_task_is_not_installed_says_so(tmp_path: Path) -> None:
    numbers = numbers_of("detection", (FROZEN,))
    scores = [replace(row, task="dreaming") for row in numbers.scores]
    folder = write_run(tmp_path / "run", replace(numbers, scores=scores))
    with pytest.raises(ResultsError, match="a task that is not installed here"):
        load(folder)


def test_an_unbounded_score_of_which_less_is_better_keeps_its_unit_digits_and_direction(tmp_path: Path) -> None:
    """The numbers of one run, read once as AP and once as an error in objects."""
    numbers = numbers_of("detection", (FROZEN,), lead=0.03)
    run = load(write_run(tmp_path / "run", numbers))
    error = MetricFacts(high=math.inf, higher_is_better=False, unit="objects", percent=False, title="MAE", digits=3)
    worse = replace(run, results=replace(run.results, facts={"ap": error}))
    as_ap, as_error = (rates_table(groups([one])[0]) or "" for one in (run, worse))
    assert as_ap.count(r"\textbf{40.0}") == 6
    assert r"\textbf" not in as_error  # the leader by the least error would have leads below 0
    assert "0.400 {\\scriptsize[0.350, 0.450]}" in as_error
    assert r"\caption{MAE (objects) at equal rates" in as_error
    ahead = [replace(row, value=-row.value, low=-row.high, high=-row.low) if row.kind == "lead_at_rate" else row
             for row in numbers.comparisons]  # fmt: skip
    best = replace(worse, results=replace(worse.results, comparisons=frame(ahead, Comparison)))
    assert (rates_table(groups([best])[0]) or "").count(r"\textbf{0.400}") == 6
    tables = "".join(bd_tables(groups([worse])[0]))
    assert r"\(+\)0.030 {\scriptsize[\(+\)0.020, \(+\)0.040]}" in tables
    assert r"\(-\)20.0" in tables
    assert "BD-MAE" in tables

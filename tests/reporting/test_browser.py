"""The page in a real browser: headless Chromium, offline, from a file."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

PATIENCE_MS = 120_000
"""A machine may be busy with other things; nothing here waits for long otherwise."""
DESKTOP, PHONE = (1280, 900), (360, 740)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
"""Chromium asks its makers' hosts for things at every start, unless told not to."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium: HSC_CHROMIUM, else the first that is installed, else Playwright's own."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright here: pip install 'hsc-bench[browser]'"
    )
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("HSC_CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=found, args=list(QUIET))
        except playwright.Error as error:
            pytest.skip(
                f"no Chromium starts here ({str(error).splitlines()[0]}): install one, or name it in HSC_CHROMIUM"
            )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """opened(folder, size, scheme): the run's page, offline. At the end: whatever it said on the console or asked for
    fails the test.
    """
    complaints: list[str] = []
    contexts = []

    def open_page(folder: Path, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Any:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else complaints.append(f"asked for {request.url}")
            ),
        )
        page.goto((folder / "report.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def column(page: Any, table: str, name: str) -> list[str]:
    """The sort values of a column, shown rows only, top to bottom; "" where there is none."""
    script = """([table, name]) => {
        const heads = [...document.querySelectorAll(`#${table} thead th`)].map((head) => head.innerText.trim());
        const place = heads.indexOf(name);
        const rows = [...document.querySelectorAll(`#${table} tbody tr`)].filter((row) => row.offsetParent);
        return rows.map((row) => row.cells[place].dataset.v ?? "");
    }"""
    values: list[str] = page.evaluate(script, [table, name])
    return values


def head(page: Any, table: str, name: str) -> Any:
    return page.locator(f"#{table} thead th", has_text=name).first


def test_it_opens_and_draws(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    assert page.title() == "detection on squares: HSC-Bench"
    assert page.locator("#panels canvas").count() == 2
    drawn = page.evaluate(
        "report.charts.map((chart) => chart.data.datasets.filter((set) => !set.fit).map((set) => [set.label, "
        "set.data.length]))"
    )
    assert [label for label, _ in drawn[0]] == ["original", "grid", "blocks"]
    assert dict(drawn[0])["blocks"] == 6
    assert [label for label, _ in drawn[1]] == ["grid"]
    assert (
        page.evaluate("""() => { const canvas = document.querySelector('#panels canvas');
        return new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size; }""")
        > 20
    )


def test_the_table_sorts_by_mouse_and_keyboard(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    before = column(page, "points", "bpp")
    title = head(page, "points", "bpp")
    title.locator("button").click()
    assert title.get_attribute("aria-sort") == "ascending"
    rising = [float(v) for v in column(page, "points", "bpp") if v]
    assert rising == sorted(map(float, filter(None, before)))
    title.locator("button").focus()
    page.keyboard.press("Enter")
    assert title.get_attribute("aria-sort") == "descending"
    assert [float(v) for v in column(page, "points", "bpp") if v] == rising[::-1]
    page.keyboard.press("Space")
    assert title.get_attribute("aria-sort") == "none"
    assert column(page, "points", "bpp") == before
    ap = head(page, "points", "AP [%]")
    ap.locator("button").click()
    assert ap.get_attribute("aria-sort") == "descending"  # the best on top
    values = column(page, "points", "AP [%]")
    known = [float(value) for value in values if value]
    assert known == sorted(known, reverse=True)
    assert values[: len(known)] == [value for value in values if value]  # what has no value stands last
    rate = head(page, "differences", "BD-rate")
    rate.locator("button").click()
    assert rate.get_attribute("aria-sort") == "ascending"


def test_a_codec_and_a_head_are_filtered_everywhere(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    page.locator(".chip", has_text="blocks").click()
    assert set(column(page, "points", "Codec")) == {"original", "grid", "broken"}
    assert "blocks" not in page.evaluate(
        "report.charts.flatMap((chart) => chart.data.datasets.map((set) => set.label))"
    )
    assert "blocks" not in page.locator("#class-table thead").inner_text()
    page.locator("[data-all=c]").click()
    page.locator(".chip", has_text="squares · pixel domain").first.click()
    assert set(column(page, "points", "Head")) == {"grid_squares"}
    assert page.locator("#panels canvas").count() == 1
    page.locator("[data-all=r]").click()
    page.locator("#find").fill("size=8")
    assert set(column(page, "points", "Codec")) == {"blocks"}
    page.locator("#find").fill("PIXEL size=8 bl")
    assert set(column(page, "points", "Codec")) == {"blocks"}
    assert "1 of" in page.locator("#count").inner_text()
    page.locator("#find").fill("no such thing")
    assert "Nothing fits" in page.locator("#points tbody").inner_text()
    page.locator("#find").fill("")
    assert "Nothing fits" not in page.locator("#points tbody").inner_text()


def test_another_score_and_a_linear_axis_are_drawn(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    page.locator("#metric").select_option(label="AP, square")
    page.locator("#log").uncheck()
    page.locator("#bands").uncheck()
    assert page.evaluate("[report.charts[0].options.scales.x.type, report.charts[0].options.scales.y.title.text]") == [
        "linear",
        "AP, square [%]",
    ]


def test_the_curves_are_read_by_arrow_keys(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    page.locator("#panels canvas").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    spoken = page.locator("#spoken").inner_text()
    assert spoken.startswith("grid, step=")
    assert "AP " in spoken
    assert "bpp" in spoken
    assert page.evaluate("report.charts[0].tooltip.opacity") == 1


def test_panels_of_a_score_share_their_axes_and_begin_where_the_data_does(
    detection_run: Path, opened: Callable[..., Any]
) -> None:
    page = opened(detection_run)
    ranges = page.evaluate(
        "report.charts.map(({ scales: { x, y } }) => [x.min, x.max, y.min, y.max].map((end) => end.toPrecision(6)))"
    )
    assert len(ranges) == 2
    assert ranges[0][:2] == ranges[1][:2]
    assert ranges[0][2:] == ranges[1][2:]
    lowest = page.evaluate(
        "Math.min(...report.charts.flatMap((chart) => chart.data.datasets.flatMap((set) => set.data.map((dot) => "
        "Math.min(dot.y, dot.low ?? dot.y)))))"
    )
    assert lowest - 12 < float(ranges[0][2]) <= lowest


def test_a_point_of_a_curve_leads_to_its_image(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    place = page.evaluate("""() => {
        const chart = report.charts[0];
        const n = chart.data.datasets.findIndex((set) => set.label === "blocks" && !set.fit);
        const { x, y } = chart.getDatasetMeta(n).data[0];
        return [x, y, chart.data.datasets[n].data[0].x];
    }""")
    page.locator("#panels canvas").first.click(position={"x": place[0], "y": place[1]})
    assert page.locator("#pick-right").input_value() == "blocks"
    assert page.locator("#pick-left").input_value() == "original"
    rates = [float(text.split()[0]) for text in page.locator("#gallery-rate option").all_inner_texts()]
    assert len(rates) == 3
    nearest = min(range(3), key=lambda n: abs(math.log(rates[n] / place[2])))
    assert page.locator("#gallery-rate").input_value() == str(nearest) == "0"
    page.locator("#panels canvas").first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#pick-right").input_value() == "grid"


def test_boxes_are_found_lost_or_false(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    page.locator("#pick-right").select_option("original")
    assert page.locator(".side.right rect[data-kind=found]").count() == 3
    assert page.locator(".side.right rect[data-kind=lost]").count() == 0
    page.locator("#least").fill("0.9")
    assert page.locator(".side.right rect[data-kind=lost]").count() == 3
    assert "0 found, 3 lost, 0 false" in page.locator(".sides .about").nth(1).inner_text()
    assert "lost" in page.locator(".legend").inner_text()
    page.locator("#marks").select_option("original")  # nothing that sure on the original, so nothing is lost
    assert page.locator(".side.right rect").count() == 0


def test_the_slider_moves_by_keys_and_by_hand(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    slider = page.locator("#split")
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "51"
    assert page.evaluate("document.querySelector('.side.right').style.clipPath") == "inset(0px 0px 0px 51%)"
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert abs(int(slider.input_value()) - 25) <= 1
    loaded = page.evaluate(
        "[...document.querySelectorAll('.side img:not(.map)')].map((img) => img.complete && img.naturalWidth)"
    )
    assert loaded == [144, 144]


def test_either_side_shows_any_codec_with_its_boxes(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    page.locator("#pick-left").select_option("grid")
    page.locator("#pick-right").select_option("original")
    page.locator("#marks").select_option("class")
    assert page.locator(".side.right .tag").inner_text().strip() == "original"
    assert page.locator(".side.right rect").count() == 3  # the head sees all squares of an untouched image
    page.locator("#least").fill("0.9")
    assert page.locator(".side.right rect").count() == 0
    page.locator("#over").select_option(label="labels of the data set")
    assert page.locator(".side.left rect").count() == page.locator(".side.right rect").count() == 3
    page.locator("#over").select_option(label="nothing")
    assert page.locator(".side rect").count() == 0
    page.locator("#gallery .picks button").nth(1).click()
    assert page.locator("#gallery .picks button").nth(1).get_attribute("aria-pressed") == "true"


def test_label_maps_and_classes_are_shown(segmentation_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(segmentation_run)
    page.wait_for_function(
        "[...document.querySelectorAll('.side img.map')].every((img) => img.complete && img.naturalWidth === 80)"
    )
    assert page.locator(".side img.map").count() == 2
    assert "road" in page.locator(".legend").inner_text()
    assert {"road", "sky", "car"} <= set(column(page, "class-table", "Class"))
    pixels = dict(zip(column(page, "class-table", "Class"), column(page, "class-table", "Pixels"), strict=True))
    assert int(pixels["road"]) > int(pixels["car"]) > 0
    losses = page.evaluate("""() => [...document.querySelectorAll("#class-table tbody tr")].map((row) =>
        [...row.cells].slice(3).map((cell) => Number(cell.dataset.v)).filter((value) => !Number.isNaN(value)))""")
    means = [sum(row) / len(row) for row in losses if row]
    assert means == sorted(means)  # the worst losses stand on top
    page.locator("#marks").select_option("labels")
    assert "wrong here alone" in page.locator(".legend").inner_text()
    page.locator("#metric").select_option(label="IoU, road")
    assert page.evaluate("report.charts[0].data.datasets.length") == 3


def test_a_cell_leads_to_where_it_comes_from(detection_run: Path, opened: Callable[..., Any]) -> None:
    page = opened(detection_run)
    page.locator("#points .cell").nth(3).click()
    assert page.locator("#cell").is_visible()
    assert '"name": "squares"' in page.locator("#cell pre").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#cell").is_visible()


def test_light_and_dark_by_system_and_by_hand(detection_run: Path, opened: Callable[..., Any]) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(detection_run), opened(detection_run, scheme="dark")
    assert light.evaluate(paper) == "rgb(251, 250, 247)"
    assert dark.evaluate(paper) == "rgb(22, 24, 27)"
    colour = "report.charts[0].data.datasets[1].borderColor"
    assert light.evaluate(colour) != dark.evaluate(colour)
    light.locator("#theme").click()
    assert light.evaluate(paper) == dark.evaluate(paper)
    assert light.evaluate(colour) == dark.evaluate(colour)
    light.reload()
    assert light.evaluate(paper) == dark.evaluate(paper)  # it is remembered


def test_many_classes_are_folded(segmentation_run: Path, tmp_path: Path, opened: Callable[..., Any]) -> None:
    from benchmarks.reporting.html import write

    folder = Path(shutil.copytree(segmentation_run, tmp_path / "copy"))
    path = folder / "scores.csv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    of_road = [line for line in lines if ",road," in line]
    more = [line.replace(",road,", f",road {n},") for n in range(70) for line in of_road]
    path.write_text("".join([*lines, *more]), "utf-8")
    write(folder)
    page = opened(folder)
    assert page.locator("#class-table tbody tr").count() == 12
    page.locator("#class-fold").click()
    assert page.locator("#class-table tbody tr").count() == 81
    page.locator("#class-fold").click()
    assert page.locator("#class-table tbody tr").count() == 12


def test_the_finding_is_on_the_first_screen(detection_run: Path, opened: Callable[..., Any]) -> None:
    for size in (DESKTOP, PHONE):
        page = opened(detection_run, size)
        box = page.locator("header .lead").first.bounding_box()
        assert box["y"] + box["height"] < size[1]
        lead = page.locator("header .lead").first.inner_text()
        assert lead.startswith("grid has the best AP at ")
        assert "no Bjontegaard difference" in page.locator("#finding").inner_text()
        assert "hsc-bench verify" in page.locator("#verified").inner_text()


@pytest.mark.parametrize("task", ["detection_run", "segmentation_run"])
def test_a_narrow_screen_is_filled_and_never_wider(
    task: str, opened: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    page = opened(request.getfixturevalue(task), PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    for part in ("#panels .plot", ".stage", "#points"):
        assert page.locator(part).first.is_visible()
    score = "BD-AP" if task == "detection_run" else "BD-mIoU"
    for table, name in (("points", score[3:]), ("differences", "BD-rate"), ("differences", score)):
        cell = head(page, table, name).bounding_box()
        assert cell["x"] + cell["width"] <= PHONE[0] + 8, (table, name)
    scroll = page.locator(".scroll", has=page.locator("#points"))
    assert "right" in scroll.get_attribute("class")
    scroll.locator(".frame").evaluate("(frame) => { frame.scrollLeft = frame.scrollWidth; }")
    page.wait_for_function("!document.querySelector('#points').closest('.scroll').classList.contains('right')")
    assert page.locator(".stage").bounding_box()["width"] >= PHONE[0] - 40


def test_a_hostile_name_does_nothing(detection_run: Path, tmp_path: Path, opened: Callable[..., Any]) -> None:
    from benchmarks.reporting.html import write

    evil = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    folder = Path(shutil.copytree(detection_run, tmp_path / "copy"))
    for name in ("scores.csv", "comparisons.csv", "run.json", "gallery.json"):
        text = (folder / name).read_text("utf-8")
        (folder / name).write_text(text.replace(",blocks,", f",{evil},").replace('"blocks"', f'"{evil}"'), "utf-8")
    write(folder)
    page = opened(folder)
    page.locator("#pick-right").select_option(evil)
    page.locator("#panels canvas").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.hacked") is None
    assert evil in page.locator(".chip").all_inner_texts()

"""The drawn figure is what its script draws."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def test_the_tracked_figure_is_the_scripts_output(docs_folder: Path) -> None:
    drawing = runpy.run_path(str(docs_folder / "figures" / "hsc.py"))["drawing"]()
    assert (docs_folder / "figures" / "hsc.svg").read_text("utf-8") == drawing


def test_boxes_lie_inside_and_apart(docs_folder: Path) -> None:
    root = ElementTree.fromstring((docs_folder / "figures" / "hsc.svg").read_text("utf-8"))
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    boxes = [
        tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
        if "rx" in rect.attrib
    ]
    assert len(boxes) == 22
    for i, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
        for x2, y2, w2, h2 in boxes[i + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y

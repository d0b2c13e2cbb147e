"""What the engineer brings: a detector of two classes as an ONNX file, photos, and their labels as COCO JSON.

The photos show red apples and blue plums, more or less ripe, on textured ground. The detector is one convolution: it
averages the colours of each cell of 16x16 pixels, so it loses pale fruit where a codec spends few bits on colour.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from toy_onnx import cell_detector

CELL, ROWS, COLUMNS = 16, 6, 8
CLASSES = ("apple", "plum")
COLOURS = np.array([[90.0, -40.0, -40.0], [-40.0, -40.0, 90.0]])
"""What each class adds to the grey ground where it is ripest, in levels of R, G and B."""


def write_detector(path: Path) -> None:
    """The file of the detector, in the layout of YOLOv8: one candidate a cell, two class scores each."""
    weights = np.array([[1.0, -0.5, -0.5], [-0.5, -0.5, 1.0]]) * 30
    path.write_bytes(cell_detector(weights, np.full(2, -5.0), (ROWS * CELL, COLUMNS * CELL), CELL))


def write_photos(folder: Path, images: int, seed: int = 0) -> None:
    """``folder``/photos/*.png and ``folder``/labels.json: each photo shows six fruits and six leaves of paler colours.

    images: how many.
    """
    rng = np.random.default_rng(seed)
    (folder / "photos").mkdir()
    listed, labels = [], []
    for number in range(1, images + 1):
        name = f"tree{number:02}.png"
        cells = rng.permutation(ROWS * COLUMNS)
        picture = np.full((ROWS * CELL, COLUMNS * CELL, 3), 118.0) + rng.normal(0, 14, (ROWS * CELL, COLUMNS * CELL, 1))
        for place, cell in enumerate(cells[:12]):
            fruit, kind = place < 6, int(rng.integers(2))
            ripe = rng.uniform(0.05, 0.3) if fruit else rng.uniform(0.0, 0.06)
            top, left = CELL * (cell // COLUMNS), CELL * (cell % COLUMNS)
            picture[top : top + CELL, left : left + CELL] += ripe * COLOURS[kind]
            if fruit:
                box = [int(left), int(top), CELL, CELL]
                known = {"id": len(labels) + 1, "image_id": number, "category_id": kind + 1, "iscrowd": 0}
                labels.append(known | {"bbox": box, "area": CELL * CELL})
        Image.fromarray(picture.round().clip(0, 255).astype(np.uint8)).save(folder / "photos" / name)
        listed.append({"id": number, "file_name": name, "width": COLUMNS * CELL, "height": ROWS * CELL})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    coco = {"images": listed, "categories": categories, "annotations": labels}
    (folder / "labels.json").write_text(json.dumps(coco), "utf-8")

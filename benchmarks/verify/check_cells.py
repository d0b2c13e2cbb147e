"""The cells of ``run.json``: every score row belongs to one, every cell has rows, each id follows from its content."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.api import ScoreRow
from benchmarks.harness.keys import key_of, prediction_keys, read_keys, stream_keys
from benchmarks.runs.run_folder import Run
from benchmarks.verify.check_scores import named
from benchmarks.verify.verdict import Verdict, verdicts

MAX_THRESHOLD = 0.05
"""The highest score threshold of a head; detections below a higher one would have counted."""


def check_cells(run: Run) -> Iterator[Verdict]:
    """Every row belongs to a cell, every cell has rows over all images, and each id follows from the cell's content."""
    wrong = []
    rows_of_cell: dict[str, list[ScoreRow]] = defaultdict(list)
    for row in run.score_rows:
        rows_of_cell[row.cell].append(row)
        if row.cell and row.cell not in run.about["cells"]:
            wrong.append(f"{named(row)} belongs to the cell {row.cell}, which run.json does not have")
        if row.images != len(run.images):
            wrong.append(f"{named(row)} is over {row.images} images, the run has {len(run.images)}")
    for cell_id, cell in run.about["cells"].items():
        if not rows_of_cell[cell_id]:
            wrong.append(f"{cell['curve']} {cell['point']}: the cell {cell_id} has no row, not even a reason")
    if not any(cell["codec"]["name"] == "original" for cell in run.points.values()):
        wrong.append("there is no row of the originals, the upper limit in every table")
    if repeated := [image for image, count in Counter(run.images).items() if count > 1]:
        wrong.append(f"the image {repeated[0]} stands twice in run.json")
    wrong += _wrong_ids(run)
    rows, cells = len(run.score_rows), len(run.about["cells"])
    yield from verdicts("cells", wrong, f"all {rows} rows belong to one of {cells} cells over {len(run.images)} images")


def _wrong_ids(run: Run) -> Iterator[str]:
    pixels = run.about["dataset"].get("pixels_sha256")
    if pixels is None:
        return
    regions = run.about["dataset"].get("regions_sha256", ())
    for cell_id, cell in run.about["cells"].items():
        streams = stream_keys(pixels, cell["codec"])
        keys: Sequence[str] = streams
        if "head" in cell:
            read = read_keys(streams, regions) if cell.get("regions") else streams
            keys = prediction_keys(read, cell["route"], cell["head"])
        if key_of(list(keys))[:12] != cell_id:
            yield (
                f"{cell['curve']} {cell['point']}: run.json has other settings or versions than the cell {cell_id} was "
                f"made with (its id would be another)"
            )


def check_thresholds(run: Run) -> Iterator[Verdict]:
    """Heads return all their detections: their score threshold is about 0."""
    heads = {str(cell["head"]): cell["head"] for cell in run.about["cells"].values() if "head" in cell}
    thresholds = [(head.get("name"), head.get("config", {}).get("score_threshold")) for head in heads.values()]
    stated = [
        (name, value) for name, value in thresholds if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    wrong = [
        f"the head {name} leaves out detections with scores under {value:g}, which costs AP; the rule is about 0 "
        f"(0.001), {MAX_THRESHOLD:g} at the most"
        for name, value in stated
        if value > MAX_THRESHOLD
    ]
    if stated:
        yield from verdicts("thresholds", wrong, ", ".join(f"{name} {value:g}" for name, value in stated))

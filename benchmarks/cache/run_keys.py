"""The keys of the records that finished runs were made from, computed again from their ``run.json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.keys import key_of, prediction_key, read_keys, stream_key
from benchmarks.runs import run_json
from hsc.errors import ResultsError, UsageError


def run_folders(folders: Sequence[Path]) -> list[Path]:
    """The folders of finished runs among these and right below them.

    Raises:
        UsageError: there is none, so that nothing would be kept.
    """
    places = [place for folder in folders for place in (folder, *sorted(folder.glob("*")))]
    runs = [place for place in dict.fromkeys(places) if (place / run_json.FILE).is_file()]
    if not runs:
        raise UsageError(
            f"no finished run was found in {', '.join(map(str, folders))}; name folders of runs, or --all to remove "
            f"everything"
        )
    return runs


def keys_of_run(folder: Path) -> Iterator[str]:
    """The keys of a run's streams and predictions.

    Raises:
        ResultsError: the folder holds no run that can be read, or one that does not say from which records it was made.
    """
    about = run_json.read(folder / run_json.FILE)
    pixels = about["dataset"].get("pixels_sha256") or []
    for number, cell in about["cells"].items():
        keys = [stream_key(sha256, cell["codec"]) for sha256 in pixels]
        if "head" in cell and cell.get("regions"):
            keys = [*read_keys(keys, about["dataset"].get("regions_sha256", ()))]
        if "head" in cell:
            keys = [prediction_key(key, cell.get("route", "image"), cell["head"]) for key in keys]
        if key_of(keys)[:12] != number:  # the id of a cell is a hash of its keys
            raise ResultsError(
                f"the run in {folder} does not say from which records it was made, so they cannot be told from others; "
                f"run it again with this version, or leave its folder out"
            )
        yield from keys

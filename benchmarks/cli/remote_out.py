"""``--out`` as a URI: the run's folder is made on this machine, and copied there at the end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.files.remote_paths import is_remote, last_name
from benchmarks.files.upload import read_at, upload
from benchmarks.harness.config import Config
from benchmarks.runs import earlier_run, prediction_files, run_json
from benchmarks.runs.folder_files import MAX_BYTES
from hsc.errors import HscError, ResultsError
from hsc.weights.fetching import FetchDisplay


def local_folder(out: Path | str) -> Path:
    """Where the files of a run lie on this machine. out: of ``--out``, a path or a URI."""
    return Path("results/runs", last_name(str(out))) if is_remote(out) else Path(out)


def why_not_into(uri: str, config: Config) -> str | None:
    """As ``earlier_run.why_not_into``, of a folder at a URI.

    Raises:
        HscError: it cannot be reached.
    """
    data = read_at(uri, run_json.FILE, MAX_BYTES)
    if data is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, run_json.FILE).write_bytes(data)
        return earlier_run.why_not_into(Path(folder), config, name=uri)


def copy(folder: Path, uri: str, progress: FetchDisplay | None) -> int:
    """Copy a finished run's folder to its URI; returns the number of files. Files of an earlier run there go.

    Raises:
        ResultsError: it could not be copied; the folder stays as it is.
    """
    try:
        return upload(folder, uri, run_json.FILE, _of_a_run, progress)
    except (HscError, OSError) as error:
        raise ResultsError(
            f"the run was not copied to {uri}: {error}; it is whole in {folder}: run the same line again, which "
            f"measures nothing again, or copy that folder there yourself"
        ) from error


def _of_a_run(name: str) -> bool:
    pictures = (earlier_run.SHEET, earlier_run.GALLERY)
    return name in earlier_run.WRITTEN or name in pictures or name.startswith(f"{prediction_files.FOLDER}/")

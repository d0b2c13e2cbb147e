"""The documentation builds without a warning, wherever Sphinx is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_documentation_builds_without_a_warning(docs_folder: Path, tmp_path: Path) -> None:
    for package in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(docs_folder), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    for page in ("index", "start/notebook", "reference/cli/run", "reference/plugins/heads", "method/rules"):
        assert (tmp_path / f"{page}.html").is_file()
    rules = (tmp_path / "method" / "rules.html").read_text("utf-8")
    assert 'id="rate"' in rules

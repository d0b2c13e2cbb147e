"""Where the documentation lies."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def docs_folder() -> Path:
    """The folder of the documentation's sources."""
    return ROOT / "docs"

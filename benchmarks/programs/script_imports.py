"""The Python files beside a script that it imports, and what those import, found without running any."""

from __future__ import annotations

import modulefinder
from pathlib import Path

from benchmarks.files.kept_listings import Listing, kept_while_unchanged

_INSTALLED = ("site-packages", "dist-packages")


@kept_while_unchanged(256)
def imported_beside(script: Path) -> Listing[tuple[Path, ...]]:
    """Modules and packages in the script's folder that it imports, directly or by way of one another: their files,
    sorted.

    What is imported by a name made at run time is not seen, nor are data files. Beside an installed module nothing is
    looked for.
    """
    folder = script.parent
    if any(part in _INSTALLED for part in folder.parts):
        return Listing((), frozenset({script}))
    finder = modulefinder.ModuleFinder(path=[str(folder)])
    try:
        finder.run_script(str(script))
    except Exception:  # a damaged script or neighbour may raise anything; what imports it says so when it runs
        return Listing((), frozenset({script, folder}))
    named = (Path(file) for module in finder.modules.values() if (file := getattr(module, "__file__", None)))
    files = sorted({file for file in named if file != script})
    return Listing(tuple(files), frozenset({script, folder, *files, *(file.parent for file in files)}))

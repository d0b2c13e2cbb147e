"""The Python files beside a script that it imports, directly or indirectly, found without running any of them."""

from __future__ import annotations

import modulefinder
from pathlib import Path

from benchmarks.files.kept_listings import Listing, kept_while_unchanged

_INSTALLED = ("site-packages", "dist-packages")


@kept_while_unchanged(256)
def imported_beside(script: Path) -> Listing[tuple[Path, ...]]:
    """The sorted files of modules and packages in the script's folder that it imports, directly or indirectly.

    Imports by a name made at run time and data files are not found. For an installed module the result is empty.
    """
    folder = script.parent
    if any(part in _INSTALLED for part in folder.parts):
        return Listing((), frozenset({script}))
    finder = modulefinder.ModuleFinder(path=[str(folder)])
    try:
        finder.run_script(str(script))
    except Exception:  # a damaged script or neighbour may raise anything; the script itself reports it when it runs
        return Listing((), frozenset({script, folder}))
    module_files = (Path(file) for module in finder.modules.values() if (file := vars(module).get("__file__")))
    files = sorted({file for file in module_files if file != script})
    return Listing(tuple(files), frozenset({script, folder, *files, *(file.parent for file in files)}))

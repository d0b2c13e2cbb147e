"""Import of mmsegmentation, with or without mmcv's compiled operations, and the configs that it ships."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from hsc.errors import UnavailableError

INSTALL = "pip install 'hsc-bench[mmseg]'"
PACKAGES = ("mmseg", "mmengine", "mmcv", "ftfy", "regex")
_EXTENSION = "mmcv._ext"


def require_packages() -> None:
    """Raise UnavailableError with the install line if a package is missing; nothing is imported."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; {INSTALL}")


def versions() -> dict[str, str]:
    """The versions of the installed packages that decide a network's answers, by distribution."""
    names = ("mmsegmentation", "mmengine", "mmcv-lite", "torch")
    return {name: importlib.metadata.version(name) for name in names if _is_installed(name)}


def import_mmseg() -> None:
    """Import mmsegmentation, with a stand-in if mmcv's compiled operations are not installed."""
    if _EXTENSION not in sys.modules and importlib.util.find_spec(_EXTENSION) is None:
        sys.modules[_EXTENSION] = StandIn(_EXTENSION)
    try:
        from mmseg.utils import register_all_modules
    except ImportError as error:  # commonly OpenCV without libGL
        cure = (
            "pip install opencv-python-headless in place of opencv-python, or install libgl1"
            if "libGL" in str(error)
            else INSTALL
        )
        raise UnavailableError(f"mmsegmentation cannot be imported: {error}; {cure}") from error
    except AssertionError as error:  # it asserts the versions of its dependencies
        raise UnavailableError(f"mmsegmentation cannot be imported: {error}; {INSTALL}") from error
    register_all_modules(init_default_scope=True)


class StandIn(ModuleType):
    """A stand-in for the compiled part of mmcv: every operation can be imported, and raises when it is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # without a loader, mmengine knows that nothing is compiled

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def operation(*arguments: Any, **options: Any) -> Any:
            raise UnavailableError(
                f"this network needs mmcv's compiled operation {name}, which mmcv-lite does not have; "
                "build mmcv 2.1.0 with its operations in place of mmcv-lite"
            )

        return operation


def config_path(config: str) -> Path:
    """The file of that name, else the config of that name that mmsegmentation ships."""
    package = importlib.util.find_spec("mmseg")
    shipped = Path(package.origin or "").parent / ".mim" / "configs" if package else Path()
    for path in (Path(config), shipped / config):
        if path.is_file():
            return path
    raise UnavailableError(
        f"the config {config} is missing; give its path, or a name such as "
        f"pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py"
    )


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

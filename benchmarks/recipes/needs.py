"""What of a recipe's files is on this machine, and fetching of those that may be fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.api import DATASETS
from benchmarks.recipes.recipe import Need, Recipe
from downstream.api import HEADS
from hsc.errors import DataError, HscError, UnavailableError
from hsc.files.file_digests import sha256_of_file
from hsc.weights.download import Algorithm, cache_folder, cached, fetch_file, offline
from hsc.weights.fetching import Fetches

Status = Literal["here", "other", "missing"]


class Found(NamedTuple):
    """The state of a need. status: "other" where a file of another checksum lies there. text: says so."""

    need: Need
    status: Status
    text: str = ""


def found(recipe: Recipe) -> list[Found]:
    """The state of every need of a recipe. Nothing is fetched."""
    return [_state(need) for need in recipe.needs]


def _state(need: Need) -> Found:
    if not need.path.exists() or (need.path.is_dir() and not any(need.path.iterdir())):
        return Found(need, "missing")
    (download, *others) = need.downloads or (None,)
    if download is None or others or need.convert or not need.path.is_file() or not download.sha256:
        return Found(need, "here")
    try:
        digest = sha256_of_file(need.path)
    except OSError as error:
        return Found(need, "other", f"it cannot be read: {error.strerror}")
    if digest.startswith(download.sha256):
        return Found(need, "here")
    return Found(need, "other", f"its sha256 is {digest}, the published one begins with {download.sha256}")


def may_be_fetched(need: Need) -> bool:
    """Whether ``fetch`` brings it: by the plug-in that needs it, or where each file has a published checksum."""
    return need.means == "run" or (
        need.means == "url" and bool(need.downloads) and all(download.checkable for download in need.downloads)
    )


def fetch(recipe: Recipe, tell: Callable[[str], None]) -> list[str]:
    """Fetch what is missing and may be fetched; downloads that were interrupted go on where they stopped.

    tell: is given a sentence on each step. Returns the sentences of what failed.

    Raises:
        UnavailableError: HSC_OFFLINE forbids the network, and something would have to be fetched.
    """
    missing = [state.need for state in found(recipe) if state.status == "missing"]
    wanted = [need for need in missing if may_be_fetched(need)]
    if wanted and offline():
        raise UnavailableError(
            f"HSC_OFFLINE is set, so nothing of {recipe.name} is fetched; unset it, or put the files where "
            f"hsc-bench recipes {recipe.name} says"
        )
    failed = []
    for need in wanted:
        try:
            tell(f"fetching {need.what}")
            if need.means == "run":
                _by_plugins(recipe, need)
            else:
                _by_address(need, tell)
        except HscError as error:
            failed.append(f"{need.what}: {error}")
    return failed


def _by_plugins(recipe: Recipe, need: Need) -> None:
    """Let the recipe's data set and heads fetch what they lack, until the need is there.

    Raises:
        UnavailableError: none of them brings it.
    """
    for plugin in plugins(recipe):
        if isinstance(plugin, Fetches) and plugin.unfetched():
            try:
                plugin.fetch()
            except UnavailableError:
                if not need.path.exists():
                    raise
        if need.path.exists():
            return
    raise UnavailableError(f"no data set or head of {recipe.name} fetches {need.path}; put it there yourself")


def plugins(recipe: Recipe) -> Iterator[object]:
    """The data set and the heads of a recipe that can be built here."""
    specs = [(DATASETS, recipe.run.get("dataset")), *((HEADS, head) for head in recipe.run.get("head", ()))]
    for registry, spec in specs:
        if spec:
            yield registry.build(spec)


def _by_address(need: Need, tell: Callable[[str], None]) -> None:
    """Download a need's files, and convert the last one where that is asked.

    Raises:
        DownloadError: a download failed, or its checksum differs.
        DataError: the file cannot be converted.
    """
    target = need.path
    for download in need.downloads:
        name = _cache_name(need, download.url)
        algorithm: Algorithm = "sha256" if download.sha256 else "md5"
        digest, size_bytes = download.sha256 or download.md5, download.size_bytes or None
        file = fetch_file(download.url, digest, name, size_bytes=size_bytes, algorithm=algorithm)
        if need.convert:
            tell(f"converting {file.name}")
            convert(need.convert, file, target)
        elif file != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)


def _cache_name(need: Need, url: str) -> str:
    """Where a download lies below the cache folder: as ``path`` if that is there, else by the file's own name."""
    own, folder = Path(url).name, cache_folder()
    if not need.convert and need.path.is_relative_to(folder):
        return need.path.relative_to(folder).as_posix()
    return f"recipes/{own}"


def downloaded(need: Need) -> Path | None:
    """The download that ``path`` is to be made from, if it is here."""
    return cached(_cache_name(need, need.downloads[0].url)) if need.convert and need.downloads else None


def convert(name: str, source: Path, target: Path) -> None:
    """Make a need's file from its download.

    Raises:
        DataError: the file is damaged or of another kind, or the converter is not known.
    """
    if name != "detectron2":
        raise DataError(f"no converter is named {name!r}; there is detectron2")
    from downstream.networks.rcnn.convert import convert as convert_detectron2

    target.parent.mkdir(parents=True, exist_ok=True)
    convert_detectron2(source, target)


def total_bytes(needs: Sequence[Need]) -> int:
    """Bytes to be downloaded, as far as sizes are published."""
    return sum(need.size_bytes for need in needs)

"""Where the weights of a learned codec are: published by CompressAI, trained here, or a user's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.learned.checkpoints import SUFFIX, stated_architecture
from benchmarks.learned.package import why_not
from benchmarks.learned.zoo import ARCHITECTURES, Architecture, Metric, Published, published
from hsc.errors import DataError, UnavailableError
from hsc.weights.download import cached, fetch_file
from hsc.weights.fetching import would_download

FOLDER = Path(__file__).parent / "weights"
QUALITY = "{quality}"
"""Stands for the quality in the path of a user's weights."""

_DEFAULT = "mbt2018-mean"
_DEFAULT_TRAINED = "mbt2018-mean-vbr"


def trained_names(folder: Path = FOLDER) -> list[str]:
    """The names of the weights that were trained here, without their losses."""
    return sorted({file.stem.rpartition("-")[0] for file in folder.glob(f"*-*{SUFFIX}")})


@dataclass(frozen=True)
class WeightsSource:
    """Where the weights of one codec configuration come from.

    asked: the architecture that the user named, empty for none. weights: a path, or empty. trained, loss: weights that
    were trained here, or empty. metric: of published weights, used where neither of the others is given.
    """

    asked: str
    weights: str
    trained: str
    loss: str
    metric: Metric

    @property
    def architecture(self) -> Architecture:
        """The named architecture, else what the file states, else a default."""
        name = self.asked
        if not name and (file := self._own_file(1)) is not None and file.is_file():
            try:
                name = stated_architecture(file)
            except DataError:
                name = ""  # loading the file will say what is wrong with it
        return ARCHITECTURES[name or (_DEFAULT_TRAINED if self.trained else _DEFAULT)]

    @property
    def one_rate(self) -> bool:
        """Whether there is only one network, for one rate."""
        own_file = bool(self.trained or self.weights) and QUALITY not in self.weights
        return own_file and not self.architecture.variable_rate

    def why_not(self, quality: int) -> str | None:
        """None if the network of a quality can be loaded, perhaps after a download, else the reason and the cure."""
        if reason := why_not():
            return reason
        file = self._own_file(quality)
        if file is None:
            try:
                self._published(quality)
            except UnavailableError as error:
                return str(error)
            return None
        if file.is_file():
            return None
        if self.weights:
            return f"there is no weights file {file}; give the path of a checkpoint or of a {SUFFIX} file"
        known = ", ".join(trained_names()) or "none"
        return f"no weights named {file.stem} were trained here (names: {known}); give weights=FILE"

    def unfetched(self, quality: int) -> str:
        """What loading a network would download; empty if nothing is missing or it cannot be downloaded."""
        if self.why_not(quality) or self._own_file(quality) is not None:
            return ""
        file = self._published(quality)
        return "" if cached(file.cache_name) else would_download(1e6 * file.size_mb, file.url)

    def path(self, quality: int) -> Path:
        """The file of a quality's network; published weights are downloaded once.

        Raises:
            UnavailableError: the file is missing, or cannot be downloaded.
        """
        if reason := self.why_not(quality):
            raise UnavailableError(reason)
        if (own := self._own_file(quality)) is not None:
            return own
        file = self._published(quality)
        return cached(file.cache_name) or fetch_file(file.url, file.sha256, file.cache_name)

    def _own_file(self, quality: int) -> Path | None:
        """The file that is not published, whether it exists or not; None for published weights."""
        if self.weights:
            return Path(self.weights.replace(QUALITY, str(quality))).expanduser()
        return FOLDER / f"{self.trained}-{self.loss}{SUFFIX}" if self.trained else None

    def _published(self, quality: int) -> Published:
        return published(self.architecture.name, self.metric, quality)

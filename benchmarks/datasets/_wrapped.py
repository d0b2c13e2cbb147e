"""Another data set that a data set is made from: built once, with what follows from it alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from benchmarks.api import DATASETS, Dataset
from hsc.registry import parse_spec
from hsc.weights.fetching import Fetches, unfetched


class WrappedDataset:
    """Base class of data sets that are made from another one. of: its spec, a field of the subclass.

    A subclass defines what differs from that data set: images, labels, provenance. It also states ``data_only`` itself,
    since what a base class says of that does not count.
    """

    of: str

    @property
    def wrapped(self) -> Dataset:
        """The data set itself."""
        return built(self.of)

    @property
    def split(self) -> str:
        return self.wrapped.split

    @property
    def revision(self) -> str:
        return self.wrapped.revision

    def __len__(self) -> int:
        return len(self.wrapped)

    def image_ids(self) -> Sequence[str]:
        return self.wrapped.image_ids()

    def unfetched(self) -> str:
        """The download that use of the data set would start."""
        return unfetched(self.wrapped)

    def fetch(self) -> None:
        """Bring the data set here. Raises UnavailableError where it cannot be fetched."""
        dataset = self.wrapped
        if isinstance(dataset, Fetches):
            dataset.fetch()

    def available(self) -> str | None:
        return self.wrapped.available()


@functools.lru_cache(maxsize=16)
def built(of: str) -> Dataset:
    """The data set of a spec, kept: it is asked at every image."""
    return DATASETS.build(parse_spec(of))

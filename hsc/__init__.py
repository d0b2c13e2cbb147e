"""HSC, Hierarchical Semantic Compression: the codec core, and the contracts that every codec of the suite fulfils."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hsc-bench")
except PackageNotFoundError:
    __version__ = "0+source"

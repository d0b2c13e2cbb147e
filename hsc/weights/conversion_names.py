"""The names that a converter of weights is given: its input and the safetensors file that it writes."""

from __future__ import annotations

from pathlib import Path

from hsc.errors import UsageError


def check_names(source: Path, target: Path, overwrite: bool) -> None:
    """Check, before anything is read, that a converter can write its output and would not write over its input.

    Raises:
        UsageError: the names do not fit, or ``target`` exists and ``overwrite`` is False.
    """
    if not source.is_file():
        raise UsageError(f"there is no file {source}")
    if target.suffix != ".safetensors":
        raise UsageError(f"the output came as {target.name}, expected a name that ends in .safetensors")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}; make it first")
    if target.exists() and target.samefile(source):
        raise UsageError(f"the output {target} is the input; name another file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists; name another file, or replace it with --overwrite")

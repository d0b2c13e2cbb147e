"""The identity of a learned codec's weights: hashes and widths that name its streams and latents.

network ──> Identity        packaged file ──read_arrays──> the same, without CompressAI, torch and a network
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.learned.checkpoints import renamed, widths
from benchmarks.learned.tables import stored_tables
from benchmarks.learned.zoo import ARCHITECTURES, Architecture
from hsc.api import LatentSpec
from hsc.entropy_coding.cdf_tables import CdfTables
from hsc.files.tensor_files import read_arrays

Y_STRIDE, Z_STRIDE = 16, 64
"""Pixels of the image per sample of y and of z."""
TABLES = ("_quantized_cdf", "_cdf_length", "_offset", "scale_table")
"""Ends of the names of tensors that hold probability tables, which are no parameters."""

_DERIVED = re.compile(r"(\.bound|\.pedestal|\.target|\.mask|\.scale_bound)$")
"""Other tensors of a state dict that are no parameters."""


class Identity(NamedTuple):
    """What the weights of a learned codec are known by.

    fingerprint: the sha256 of the architecture and all parameters as float32, 32 bytes; tables are not part of it.
    tables_sha256: hash of the tables of y, 64 hex digits. widths: N and M, the channels of z and of y.
    """

    architecture: Architecture
    fingerprint: bytes
    tables_sha256: str
    widths: tuple[int, int]

    def latent_specs(self) -> tuple[LatentSpec, ...]:
        """y_hat and, with a hyperprior, z_hat; their space is the fingerprint."""
        space, (n, m) = self.fingerprint.hex(), self.widths
        y_hat = LatentSpec("y_hat", (m, None, None), Y_STRIDE, space)
        z_hat = LatentSpec("z_hat", (n, None, None), Z_STRIDE, space)
        return (y_hat, z_hat) if self.architecture.hyperprior else (y_hat,)


def fingerprint_of(architecture: str, parameters: Iterable[tuple[str, npt.NDArray[Any]]]) -> bytes:
    """The sha256 of an architecture's name and its parameters as float32, 32 bytes."""
    digest = hashlib.sha256(architecture.encode())
    for name, array in sorted(parameters, key=lambda named: named[0]):
        digest.update(f"\n{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).astype("<f4").tobytes())
    return digest.digest()


def tables_sha256_of(tables: CdfTables) -> str:
    """The hash of probability tables, 64 hex digits."""
    return hashlib.sha256(tables.frequencies.tobytes()).hexdigest()


@functools.lru_cache(maxsize=16)
def packaged_identity(path: Path, architecture: str, sha256: str) -> Identity | None:
    """The identity of a safetensors file that holds a whole state dict, probability tables included; None where it
    holds no tables of y, which a network must then compute.

    sha256: of the file, so that a changed one is read again.

    Raises:
        DataError: the file is damaged, or of another architecture.
    """
    state: Mapping[str, npt.NDArray[Any]] = renamed(read_arrays(path))
    tables = stored_tables({name: array for name, array in state.items() if array.size}, "gaussian_conditional")
    if tables is None:
        return None
    known = ARCHITECTURES[architecture]
    parameters = ((name, array) for name, array in state.items() if not name.endswith(TABLES))
    fingerprint = fingerprint_of(known.name, (named for named in parameters if not _DERIVED.search(named[0])))
    return Identity(known, fingerprint, tables_sha256_of(tables), widths(known, state, path))

"""``examples/codec_server``: a torch model behind a server keeps the whole contract of a codec."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.api import CODECS
from benchmarks.codecs.command import load_codec_file
from benchmarks.conformance.checks import examine
from benchmarks.conformance.codec_rules import CONTRACT
from benchmarks.programs.codec_server import end_servers
from hsc.api import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "codec_server"


def blocks(device: str = "cpu") -> Any:
    """The example's model in this process."""
    spec = importlib.util.spec_from_file_location("example_block_dct", EXAMPLE / "block_dct.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BlockDct(device)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's codec, with this Python in the place of "python"."""
    CODECS.names()
    monkeypatch.setattr(CODECS, "_classes", dict(CODECS._classes))
    for name in ("server.py", "block_dct.py"):
        shutil.copy(EXAMPLE / name, tmp_path)
    text = (EXAMPLE / "block_dct.toml").read_text()
    (tmp_path / "block_dct.toml").write_text(text.replace('"python"', f'"{sys.executable}"'))
    yield CODECS.build(load_codec_file(tmp_path / "block_dct.toml")[0])
    end_servers()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 50)])
def test_the_model_codes_any_size(size: tuple[int, int], photo: Callable[[int, int], Image]) -> None:
    import torch

    model, image = blocks(), photo(*size)
    data = model.encode(torch.from_numpy(image).permute(2, 0, 1), step=1)
    decoded = model.decode(data).permute(1, 2, 0).numpy()
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).max() <= 4
    for damaged in (data[:-1], data[:5], b"BLK2" + data[4:]):
        with pytest.raises(ValueError, match=r"cut|not a stream"):
            model.decode(damaged)


@pytest.mark.slow
def test_behind_its_server_it_keeps_the_contract(served: Any) -> None:
    assert served.available() is None
    findings = [examine(served, check) for check in CONTRACT]
    assert [finding for finding in findings if finding.state == "failed"] == []
    assert sum(finding.state == "passed" for finding in findings) >= 15


@pytest.mark.slow
def test_the_server_gives_the_bytes_of_the_model(served: Any, photo: Callable[[int, int], Image]) -> None:
    import torch

    image = photo(40, 56)
    data = served.encode(image)
    with torch.inference_mode():
        assert data == blocks().encode(torch.from_numpy(image).permute(2, 0, 1), step=12)
    assert np.array_equal(served.decode(data), blocks().decode(data).permute(1, 2, 0).numpy())
    assert served.provenance()["server:server.py_sha256"]
    assert served.provenance()["files_sha256"]

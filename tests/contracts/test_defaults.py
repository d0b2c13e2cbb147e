"""Every plug-in of the tree without arguments: it works, or says what it lacks, and that is never a file we ought to
have shipped.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.api import CODECS, DATASETS, METRICS, RATES, TASKS
from downstream.api import HEADS
from hsc.errors import SpecError
from hsc.weights.fetching import nothing_fetched, unfetched

REGISTRIES: tuple[Any, ...] = (CODECS, HEADS, DATASETS, METRICS, RATES, TASKS)
ASKS = {"precomputed", "onnx", "tflite", "mmseg", "huggingface", "images", "folders"}
ASKS |= {"onnx_classifier", "tflite_classifier", "detectron2"}
"""What needs files of the user's and has no default."""
INCLUDED = {
    *("avif", "bpg", "cut", "heic", "hsc", "jpeg", "jpeg2000", "jpegxl", "original", "vvc", "webp"),
    *("small", "small_adapted", "segmenter", "segmenter_adapted", "latent_detector", "latent_segmenter", "psnr"),
    "classifier",
    *("roadscenes", "mismatched", "object_crops"),
}
"""What the README calls included, or comes with the packages this project needs."""


def in_tree() -> list[tuple[Any, str]]:
    own = ("benchmarks.", "downstream.")
    return [
        (registry, name)
        for registry in REGISTRIES
        for name in registry.names()
        if registry.get(name).__module__.startswith(own)
    ]


@pytest.mark.parametrize(("registry", "name"), [pytest.param(*pair, id=pair[1]) for pair in in_tree()])
def test_a_name_alone_works_or_says_what_the_user_must_bring(registry: Any, name: str) -> None:
    if name in ASKS:
        with pytest.raises(SpecError, match="needs"):
            registry.build(name)
        return
    with nothing_fetched():
        item = registry.build(name)
        reason = unfetched(item) or (item.available() if hasattr(item, "available") else None)
    if name in INCLUDED or registry in (METRICS, RATES, TASKS):
        assert reason is None
    else:
        assert reason is None or "safetensors" not in reason

"""HSC, Hierarchical Semantic Compression: the codec core, and the contracts that every codec of the suite fulfils.

import hsc
codec = hsc.load("roadscenes", quality=4)
data = codec.encode(image)                            # uint8 (H, W, 3) RGB -> bytes
again, latents = codec.decode(data), codec.decode_latents(data)
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hsc.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hsc.api import (
        Codec,
        DataOnly,
        DecodesLatents,
        Edits,
        EstimatesBits,
        Image,
        Latents,
        LatentSpec,
        Layered,
        Ranged,
        Staged,
        StagedEncoding,
        StagedLatents,
    )
    from hsc.codec import HscCodec, Info, LayerInfo
    from hsc.devices import current_device, use_device
    from hsc.errors import (
        AnnotationError,
        BitstreamError,
        CodecError,
        DataError,
        DownloadError,
        HeadError,
        HscError,
        ImageError,
        PluginError,
        ProcessError,
        ResultsError,
        SpecError,
        UnavailableError,
        UnknownNameError,
        UsageError,
    )
    from hsc.networks.network_holder import held

__all__ = [
    "AnnotationError",
    "BitstreamError",
    "Codec",
    "CodecError",
    "DataError",
    "DataOnly",
    "DecodesLatents",
    "DownloadError",
    "Edits",
    "EstimatesBits",
    "HeadError",
    "HscCodec",
    "HscError",
    "Image",
    "ImageError",
    "Info",
    "LatentSpec",
    "Latents",
    "LayerInfo",
    "Layered",
    "PluginError",
    "ProcessError",
    "Ranged",
    "ResultsError",
    "SpecError",
    "Staged",
    "StagedEncoding",
    "StagedLatents",
    "UnavailableError",
    "UnknownNameError",
    "UsageError",
    "__version__",
    "current_device",
    "held",
    "load",
    "use_device",
]

_ELSEWHERE = {
    **dict.fromkeys(("HscCodec", "Info", "LayerInfo"), "hsc.codec"),
    **dict.fromkeys(("current_device", "use_device"), "hsc.devices"),
    "held": "hsc.networks.network_holder",
    **{name: "hsc.errors" for name in __all__ if name.endswith("Error")},
}
_HOMES = {name: _ELSEWHERE.get(name, "hsc.api") for name in __all__ if name not in ("__version__", "load")}

try:
    __version__ = version("hsc-bench")
except PackageNotFoundError:
    __version__ = "0+source"

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load(weights: str = "roadscenes", *, quality: float = 3.0, device: str | None = None) -> HscCodec:
    """The HSC codec with its networks on a device, ready to encode and decode.

    weights: the name of packaged or published weights ("roadscenes", "camvid"), or the path of a .safetensors file.
    quality: of ``encode`` where none is given there, 0 (small) to 7.96875; weights are trained for 1 to 6 or 7. device:
    "cpu", "cuda" or "cuda:N"; by default the current device of ``use_device``, else HSC_DEVICE, else "cpu".

    Raises:
        UsageError: the quality is out of range, or this machine does not have the device.
        UnavailableError: there are no such weights, or they cannot be downloaded.
        DataError: the file of weights is damaged.
    """
    from hsc.codec import HscCodec
    from hsc.devices import check_device, current_device
    from hsc.weights import files

    device = current_device() if device is None else device
    check_device(device)
    model = files.load(weights)
    return HscCodec(model, quality=quality, device=device, light=lambda: files.light_for(weights, model))

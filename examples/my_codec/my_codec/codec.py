"""The codec: what the benchmark asks of one, around the networks of ``network.py``.

stream = "MYC1", height, width, quality (2 + 2 + 1 bytes), then the symbols, deflated
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks import CODECS
from hsc import BitstreamError, CodecError, Image, ImageError, Latents, LatentSpec, current_device, held

if TYPE_CHECKING:
    from my_codec.network import Network

WEIGHTS = Path(__file__).with_name("weights.safetensors")
HEADER = struct.Struct("<4sHHB")
MAGIC = b"MYC1"
BLOCK, CHANNELS = 8, 96
LARGEST = 32767
"""Symbols are clipped to -32767 to 32767, two bytes each before they are deflated."""


@CODECS.register("my_codec")
@dataclass(frozen=True)
class MyCodec:
    """A learned transform of 8x8 blocks. quality: 1 (small) to 6.

    weights: a file of ``python -m my_codec.train``, empty for the packaged one.
    """

    quality: int = 4
    weights: str = ""

    rate_field: ClassVar[str] = "quality"  # what varies along the curve
    ladder: ClassVar[tuple[int, ...]] = (1, 2, 3, 4, 5, 6)  # smallest file first

    def __post_init__(self) -> None:
        if self.quality not in self.ladder:
            raise ValueError(f"quality is {self.quality!r}, expected 1 to 6")

    def encode(self, image: Image) -> bytes:
        """A stream of the image. Raises ImageError for what is no image of at most 65535 pixels a side."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size > 0:
            raise ImageError(f"the image came as {image.dtype} {image.shape}, expected uint8 (H, W, 3)")
        height, width = image.shape[:2]
        if max(height, width) > 65535:
            raise ImageError(f"the image has {height}x{width} pixels, expected at most 65535 a side")
        import torch

        padded = np.pad(image, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="edge")
        with torch.inference_mode():
            y = self._network.encode(_as_tensor(padded), step_of(self.quality))
            symbols = y.round().clamp(-LARGEST, LARGEST)[0].to("cpu", torch.int16).numpy()
        planes = symbols.astype("<i2").reshape(-1, 1).view(np.uint8).T  # all low bytes, then all high bytes
        return HEADER.pack(MAGIC, height, width, self.quality) + zlib.compress(planes.tobytes(), 9)

    def decode(self, data: bytes) -> Image:
        """The image, from the bytes alone. Raises BitstreamError for anything that is no stream."""
        import torch

        symbols, (height, width), quality = _read(data)
        with torch.inference_mode():
            tensor = torch.from_numpy(symbols[None]).to(current_device())
            x = self._network.decode(tensor, step_of(quality))[0, :, :height, :width]
            pixels = (x + 128).round().clamp(0, 255).permute(1, 2, 0)
            return np.ascontiguousarray(pixels.to("cpu", torch.uint8).numpy())

    def available(self) -> str | None:
        """None if the weights are here, else a sentence with the cure."""
        if self._path.is_file():
            return None
        return f"the weights {self._path} are not here; train some with python -m my_codec.train --out {self._path}"

    def provenance(self) -> Mapping[str, str]:
        """Everything beside the fields that decides the bytes, so that no old measurement stands for a new codec."""
        import torch

        device = current_device().partition(":")[0]
        return {"code": "my_codec-1", "weights": _sha256(self._path), "torch": torch.__version__, "device": device}

    @classmethod
    def data_only(cls, settings: Mapping[str, Any]) -> str | None:
        """Whether a folder of strangers may name these settings: with packaged weights, yes."""
        return f"it would read the weights {settings['weights']}" if settings.get("weights") else None

    # From here on the capability of giving latents, which a codec may leave out.

    def latent_specs(self) -> Sequence[LatentSpec]:
        """One map, "y_hat"; its space is that of the weights, so a head trained with others refuses it."""
        return (LatentSpec("y_hat", (CHANNELS, None, None), BLOCK, _sha256(self._path)),)

    def decode_latents(self, data: bytes, names: Sequence[str] | None = None) -> Latents:
        """The dequantised symbols, float32 (96, H/8, W/8); no image is made."""
        symbols, image_hw, quality = _read(data)
        gain = self._network.log_gain.detach().exp().cpu().numpy()[0]
        return Latents({"y_hat": (symbols * gain * step_of(quality)).astype(np.float32)}, image_hw)

    def decode_latents_batch(self, streams: Sequence[bytes], names: Sequence[str] | None = None) -> list[Latents]:
        """Those of several streams."""
        return [self.decode_latents(data, names) for data in streams]

    @property
    def _path(self) -> Path:
        return Path(self.weights) if self.weights else WEIGHTS

    @property
    def _network(self) -> Network:
        if reason := self.available():
            raise CodecError(reason)
        return _load(str(self._path), _sha256(self._path), current_device())


def step_of(quality: int) -> float:
    """The quantiser's step in grey levels: 400 at quality 1, 53 at quality 6."""
    return 600.0 / 1.5**quality


def _read(data: bytes) -> tuple[np.ndarray, tuple[int, int], int]:
    """A stream's symbols, float32 (96, H/8, W/8), its image's height and width, and its quality."""
    try:
        magic, height, width, quality = HEADER.unpack_from(data)
        if magic != MAGIC or not height * width or quality not in MyCodec.ladder:
            raise ValueError("it does not begin as one")
        shape = (CHANNELS, -(-height // BLOCK), -(-width // BLOCK))
        expected = 2 * shape[0] * shape[1] * shape[2]
        unpacker = zlib.decompressobj()
        planes = unpacker.decompress(data[HEADER.size :], expected + 1)  # never more than the image has
        if len(planes) != expected or not unpacker.eof or unpacker.unused_data:
            raise ValueError(f"it holds {len(planes)} bytes of symbols or more, expected {expected}")
    except (struct.error, zlib.error, ValueError) as error:
        raise BitstreamError(f"the bytes are no stream of my_codec: {error}") from error
    symbols = np.frombuffer(planes, np.uint8).reshape(2, -1).T.copy().view("<i2").reshape(shape)
    return symbols.astype(np.float32), (height, width), quality


def _as_tensor(image: np.ndarray) -> Any:
    """uint8 (H, W, 3) -> float32 (1, 3, H, W), -128 to 127, on the current device."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(image)).to(current_device())
    return tensor.permute(2, 0, 1)[None].float() - 128


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@held  # kept in memory between images; every argument is part of its key
def _load(path: str, sha256: str, device: str) -> Network:
    import torch
    from safetensors.torch import load_file

    from my_codec.network import Network

    network = Network().eval()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    # In channels_last a sum of floats does not depend on the number of threads, nor do the pixels.
    return network.to(device=device, memory_format=torch.channels_last)

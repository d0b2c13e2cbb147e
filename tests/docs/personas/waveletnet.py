"""The student's codec: a wavelet as a network whose filters are read from a file."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from benchmarks import CODECS
from benchmarks.imaging.image_arrays import require_image
from downstream.weights.file_hash import sha256_of
from hsc import BitstreamError, current_device, held

WEIGHTS = Path(__file__).with_name("waveletnet.pt")
LEVELS, SIDE = 3, 8


class Wavelet(torch.nn.Module):
    """One level: planes (N, 1, H, W) to bands (N, 4, H/2, W/2), of which the first is the small plane, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis = torch.nn.Conv2d(1, 4, 2, stride=2, bias=False)
        self.synthesis = torch.nn.ConvTranspose2d(4, 1, 2, stride=2, bias=False)


@held
def network(path: str, sha256: str, device: str) -> Wavelet:
    wavelet = Wavelet()
    wavelet.load_state_dict(torch.load(path, weights_only=True))
    return wavelet.to(device).eval()


@CODECS.register("waveletnet")
@dataclass(frozen=True)
class WaveletNet:
    """Three levels of a wavelet network, rounded and deflated. step: size of a quantiser step."""

    step: int = 24

    rate_field: ClassVar[str] = "step"
    ladder: ClassVar[tuple[int, ...]] = (160, 96, 64, 40, 24, 12)
    citation: ClassVar[str] = "@mastersthesis{me2026wavelet, author = {Me}, title = {Wavelet Networks}, year = {2026}}"

    def encode(self, image: np.ndarray) -> bytes:
        height, width = require_image(image).shape[:2]
        padded = np.pad(image, ((0, -height % SIDE), (0, -width % SIDE), (0, 0)), mode="edge")
        bands = []
        with torch.inference_mode():
            plane = torch.tensor(padded, device=current_device()).permute(2, 0, 1)[:, None].float() - 128
            for _ in range(LEVELS):
                level = self._network().analysis(plane)
                plane, details = level[:, :1], level[:, 1:]
                bands.append(details)
            symbols = torch.cat([(band / self.step).round().flatten() for band in (*bands, plane)])
        packed = zlib.compress(symbols.cpu().numpy().astype("<i2").tobytes(), 9)
        return struct.pack("<HHH", height, width, self.step) + packed

    def decode(self, data: bytes) -> np.ndarray:
        try:
            height, width, step = struct.unpack_from("<HHH", data)
            rows, columns = -(-height // SIDE) * SIDE, -(-width // SIDE) * SIDE
            symbols = np.frombuffer(zlib.decompress(data[6:]), "<i2").astype("f4")
            if not step or not symbols.size or symbols.size != 3 * rows * columns:
                raise ValueError(f"{symbols.size} symbols for {width}x{height} pixels")
        except (struct.error, zlib.error, ValueError) as error:
            raise BitstreamError(f"not a waveletnet stream: {error}") from error
        shapes = [(3, 3, rows >> level, columns >> level) for level in range(1, LEVELS + 1)]
        shapes.append((3, 1, rows // SIDE, columns // SIDE))
        with torch.inference_mode():
            values = torch.tensor(symbols, device=current_device()) * step
            parts = values.split([int(np.prod(shape)) for shape in shapes])
            *bands, plane = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
            for details in reversed(bands):
                plane = self._network().synthesis(torch.cat([plane, details], 1))
        image = (plane[:, 0] + 128).round().clamp(0, 255).permute(1, 2, 0).byte().cpu().numpy()
        return np.ascontiguousarray(image[:height, :width])

    def _network(self) -> Wavelet:
        return network(str(WEIGHTS), sha256_of(WEIGHTS), current_device())

    def available(self) -> str | None:
        return None if WEIGHTS.is_file() else f"{WEIGHTS.name} is not there; train it first"

    def provenance(self) -> dict[str, str]:
        return {"weights": sha256_of(WEIGHTS), "torch": torch.__version__, "device": current_device()}

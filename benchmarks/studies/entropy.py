"""What F costs with and without w, on real symbols: ``hsc-bench entropy --help``.

    pictures ──encode──> bits of w                          H(w)
                         bits of F, by layer                H(F | w)
    the same values of F, coded by the context of another picture's w, or of the mean w     H(F), two ways
    the same pictures, coded by weights of the profile "silent", which code F alone         H(F), where there are such

All are ideal lengths by the coder's integer tables; the bytes of whole files stand beside them. Each is a
cross-entropy, the length of a code that the networks give, so it is not below the entropy of what is coded:

- H(w) and H(F | w) are upper bounds of the entropy of w's symbols, and of F's given them.
- F coded by a context that tells nothing of the picture is a code for F without w, so its length is an upper bound of
  the entropy of F's symbols. The mean w is that of the prior, the same for all pictures. Another picture's w tells
  nothing where the two pictures are independent; frames of one drive are not.
- The difference of the two is what this coder saves by reading w: an estimate of the mutual information I(F; w), and
  a bound of it in neither direction. Networks that were never trained without w may do badly with a w that is not the
  picture's, and then the estimate is too high. A control that was trained without w has no such excuse, but its F is
  another one: read its bits beside its PSNR.
- With a coarse map (``hsc.networks.coarse_map``), w also predicts F before it is analysed. A context leaves that
  prediction as it is; a whole file on another w goes without it, and restores another picture.

Source of the argument: Li et al. 2025, "Hierarchical Semantic Compression for Consistent Image Semantic Restoration":
H(F | S) < H(F).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.api import DATASETS, Dataset
from benchmarks.harness.progress import Progress, Silent
from benchmarks.imaging.image_arrays import pixels_sha256
from benchmarks.imaging.psnr import psnr
from hsc.entropy_coding.container import QUALITY_STEPS
from hsc.errors import UsageError

if TYPE_CHECKING:
    from hsc.api import Image
    from hsc.codec import HscCodec
    from hsc.entropy_coding.layered_stream import Layer
    from hsc.networks.symbol_costs import CodedPicture

OWN, OTHER, MEAN, CONTROL = "w", "other", "mean", "control"
OTHER_FILE, MEAN_FILE = "other_file", "mean_file"
GIVEN = {
    OWN: "given w",
    OTHER: "context of another w",
    MEAN: "context of the mean w",
    OTHER_FILE: "file on another w",
    MEAN_FILE: "file on the mean w",
    CONTROL: "control without w",
}
"""What is known of w where F is coded, by the name in ``entropy.csv``, and its title in tables and figures."""
SEMANTIC, FEATURE, DETAIL, FILE = "w", "F", "E", "file"
"""Layers beside the slices of F: w, all slices of F together, E, and the bytes of the whole file."""
_LAYERS = {"semantic": SEMANTIC, "detail": DETAIL}


class Point(NamedTuple):
    """A quality, and what is known of w there: a key of ``GIVEN``."""

    quality: float
    given: str


class Part(NamedTuple):
    """A layer of a point: one of the four above, or a slice of F by its name."""

    point: Point
    layer: str


@dataclass
class Measured:
    """What was measured, picture by picture.

    pixels_sha256, pixels: of each picture, its hash and its number of pixels. bits: of each part, one number a picture.
    psnr_db: of the points that are whole files, the same.
    """

    pixels_sha256: list[str] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)
    bits: dict[Part, list[float]] = field(default_factory=dict)
    psnr_db: dict[Point, list[float]] = field(default_factory=dict)

    def add(self, part: Part, bits: float) -> None:
        """Append one picture's bits."""
        self.bits.setdefault(part, []).append(bits)

    def points(self) -> list[Point]:
        """All points, by quality and then in the order of ``GIVEN``."""
        order = list(GIVEN)
        return sorted({part.point for part in self.bits}, key=lambda point: (point.quality, order.index(point.given)))

    def slices(self, point: Point) -> list[str]:
        """The slices of F of a point, in coding order."""
        layers = [part.layer for part in self.bits if part.point == point]
        return [layer for layer in layers if layer not in (SEMANTIC, FEATURE, DETAIL, FILE)]


def measure(
    codec: HscCodec,
    dataset: Dataset,
    images: int,
    qualities: Sequence[float],
    *,
    control: HscCodec | None = None,
    whole: bool = False,
    progress: Progress | None = None,
) -> Measured:
    """Cost of w and F over the first ``images`` pictures of a data set.

    The other w is that of the picture half the set further on. control: weights that code F without w. whole: also
    code whole files on the other w and on the mean w, so that w is missed by all that reads it.

    Raises:
        UsageError: the data set has fewer pictures, there are fewer than two, a quality is out of range, or the control
            codes w.
        ImageError, CodecError: as ``HscCodec.encode``.
    """
    if not 2 <= images <= len(dataset):
        count = f"{DATASETS.spec(dataset)} has {len(dataset)}"
        raise UsageError(f"{images} images were asked for, expected 2 or more, so that there is another w; {count}")
    if control is not None and not control.model.scn.silent:
        raise UsageError("the control codes w in its files; give weights of the profile silent, which code F alone")
    study = _Study(codec, dataset, images, steps_of(qualities), control, whole)
    progress = progress or Silent()
    progress.begin("w of all pictures", images)
    for index in range(images):
        study.read_semantics(index)
        progress.advance(str(index), 1)
    progress.begin("F of all pictures", images)
    for index in range(images):
        study.add_picture(index)
        progress.advance(str(index), 1)
    progress.end()
    return study.measured


def steps_of(qualities: Sequence[float]) -> list[int]:
    """Qualities as a file's header holds them, in 1/32, each once.

    Raises:
        UsageError: one is out of range, or there are none.
    """
    steps = list(dict.fromkeys(round(quality * QUALITY_STEPS) for quality in qualities))
    if not steps or not all(0 <= step <= 255 for step in steps):
        raise UsageError(f"qualities came as {list(qualities)}, expected some from 0 to {255 / QUALITY_STEPS}")
    return steps


class _Study:
    """The work of ``measure``, a picture at a time."""

    def __init__(
        self,
        codec: HscCodec,
        dataset: Dataset,
        images: int,
        steps: Sequence[int],
        control: HscCodec | None,
        whole: bool,
    ) -> None:
        self.codec, self.dataset, self.images, self.steps = codec, dataset, images, steps
        self.control, self.whole = control, whole
        self.measured = Measured()
        self.semantics: list[dict[int, Layer]] = []

    def read_semantics(self, index: int) -> None:
        """Keep the layer of w of a picture at every quality."""
        from hsc.networks import symbol_costs

        model, image = self.codec.model, self.dataset.load(index).image
        inverted = symbol_costs.inversion(model, image, self.codec.tile)
        self.semantics.append(
            {step: symbol_costs.code_semantic(model, image, step, inverted, self.codec.tile) for step in self.steps}
        )

    def add_picture(self, index: int) -> None:
        """Code a picture in all ways at every quality, and add what it costs."""
        from hsc.networks import symbol_costs

        image = self.dataset.load(index).image
        self.measured.pixels_sha256.append(pixels_sha256(image))
        self.measured.pixels.append(image.shape[0] * image.shape[1])
        other = self.semantics[(index + self.images // 2) % self.images]
        for codec, given in ((self.codec, OWN), (self.control, CONTROL)):
            if codec is None:
                continue
            inverted = symbol_costs.inversion(codec.model, image, codec.tile)
            for step in self.steps:
                picture = symbol_costs.code_picture(codec.model, image, step, inverted, codec.tile)
                self._add_file(codec, Point(step / QUALITY_STEPS, given), picture, picture.layers)
                if given == OWN:
                    self._add_contexts(picture, other[step])

    def _add_contexts(self, picture: CodedPicture, other: Layer) -> None:
        """What F costs by the contexts of the other w and of the mean w, and where asked for the files on them."""
        from hsc.networks import symbol_costs

        model, quality = self.codec.model, picture.header.quality / QUALITY_STEPS
        mean = symbol_costs.mean_semantic(model, picture.header)
        for semantic, given, given_file in ((other, OTHER, OTHER_FILE), (mean, MEAN, MEAN_FILE)):
            layers = symbol_costs.in_context(model, picture, semantic)
            self._add_layers(Point(quality, given), symbol_costs.bits_by_slice(model, layers, first=1))
            if self.whole:
                layers = symbol_costs.on_semantic(model, picture, semantic, self.codec.tile)
                self._add_file(self.codec, Point(quality, given_file), picture, layers)

    def _add_file(self, codec: HscCodec, point: Point, picture: CodedPicture, layers: Sequence[Layer]) -> None:
        """The bits of a file's layers and of the file itself, and the PSNR of what it restores."""
        from hsc.entropy_coding import layered_stream
        from hsc.networks import symbol_costs

        data = layered_stream.write(codec.entropy, picture.header, layers)
        self._add_layers(point, symbol_costs.bits_by_slice(codec.model, layers))
        self.measured.add(Part(point, FILE), 8 * len(data))
        self.measured.psnr_db.setdefault(point, []).append(_psnr(codec.decode(data), picture.image))

    def _add_layers(self, point: Point, bits: dict[str, float]) -> None:
        named = {_LAYERS.get(name, name): value for name, value in bits.items()}
        for layer, value in named.items():
            self.measured.add(Part(point, layer), value)
        feature = sum(value for layer, value in named.items() if layer not in (SEMANTIC, DETAIL))
        self.measured.add(Part(point, FEATURE), feature)


def _psnr(image: Image, original: Image) -> float:
    """PSNR in dB, infinite for equal images."""
    value = psnr(image, original)
    return float(np.inf) if value is None else value

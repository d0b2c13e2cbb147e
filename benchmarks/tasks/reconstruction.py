"""Reconstruction: what people see, and whether a machine sees in a decoded image what it saw in the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.api import TASKS
from downstream.api import Detections, FeaturePair, Fidelity, Prediction, SegmentationMap


@TASKS.register("reconstruction")
@dataclass(frozen=True)
class Reconstruction:
    """Fidelity to the original: PSNR of the set, MS-SSIM, LPIPS, DISTS, FID, and the agreement of heads with themselves
    on the originals.

    By default our generated road scenes, the judges whose packages and weights are here (the others are skipped with
    the reason), and the agreement of our two small detectors; labels are never read. BD numbers against VVC and JPEG.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = Fidelity
    outputs: ClassVar[tuple[type[Prediction], ...]] = (Fidelity, FeaturePair, Detections, SegmentationMap)
    against_originals: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("likeness", "frechet", "box_agreement", "map_agreement")
    main_metric: ClassVar[str] = "psnr"
    columns: ClassVar[tuple[str, ...]] = ("psnr", "ms_ssim", "lpips", "dists", "fid", "agreement")
    dataset: ClassVar[str] = "roadscenes"
    heads: ClassVar[tuple[str, ...]] = ("psnr", "ms_ssim", "lpips", "dists", "fid", "small", "small(arch=hourglass)")
    codecs: ClassVar[tuple[str, ...]] = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", "vvc", "hsc")
    anchors: ClassVar[tuple[str, ...]] = ("vvc", "jpeg")

"""Reconstruction: fidelity for people, and agreement of a head's answers on decoded and original images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.api import TASKS
from downstream.api import Classification, Detections, FeaturePair, Fidelity, Prediction, SegmentationMap


@TASKS.register("reconstruction")
@dataclass(frozen=True)
class Reconstruction:
    """Fidelity to the original: PSNR of the set, MS-SSIM, LPIPS, DISTS, Frechet distances, blockiness, and the
    self-consistency of heads.

    Self-consistency is the agreement of a head's answers on decoded images with its answers on the originals. Defaults:
    our generated road scenes; the fidelity heads with packages and weights here (the others are skipped with the
    reason); the self-consistency of our two small detectors. Blockiness is measured where its head is named. Labels are
    never read. BD numbers against VVC and JPEG.
    """

    version: ClassVar[str] = "1"
    output: ClassVar[type[Prediction]] = Fidelity
    outputs: ClassVar[tuple[type[Prediction], ...]] = (
        Fidelity,
        FeaturePair,
        Detections,
        SegmentationMap,
        Classification,
    )
    against_originals: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("likeness", "frechet", "box_agreement", "map_agreement", "class_agreement")
    main_metric: ClassVar[str] = "psnr"
    columns: ClassVar[tuple[str, ...]] = (
        "psnr",
        "ms_ssim",
        "lpips",
        "dists",
        "fid",
        "frechet_mobilenet",
        "blockiness_16",
        "blockiness_8",
        "blockiness_4",
        "relative_blockiness_16",
        "relative_blockiness_8",
        "relative_blockiness_4",
        "agreement",
    )
    dataset: ClassVar[str] = "roadscenes"
    heads: ClassVar[tuple[str, ...]] = (
        "psnr",
        "ms_ssim",
        "lpips",
        "dists",
        "fid",
        "frechet_mobilenet",
        "small",
        "small(arch=hourglass)",
    )
    codecs: ClassVar[tuple[str, ...]] = ("jpeg", "webp", "avif", "jpegxl", "jpeg2000", "bpg", "vvc", "hsc")
    anchors: ClassVar[tuple[str, ...]] = ("vvc", "jpeg")

"""What a metric's numbers mean: their bounds, which way is better, and how people read them."""

from __future__ import annotations

import math
from typing import NamedTuple

HEADS_APART = "d_head("
"""How the metric of rows begins that tell heads on the same bytes apart (``same_bytes``); what is compared follows."""
LESS_ROUTE = "less the head of the "
"""How the part of these rows begins; the route of the head that is compared with follows, whose name is their
``anchor``.
"""


class Scale(NamedTuple):
    """low, high: what the metric can be. sign: 1 where more is better, -1 where less is. unit: of its rows. percent:
    shown times 100.
    """

    low: float = 0.0
    high: float = 1.0
    sign: int = 1
    unit: str = "1"
    percent: bool = True

    @property
    def bounds(self) -> tuple[float, float]:
        """Of ``sign * value``, in rising order, for curves that rise with quality."""
        low, high = sorted((self.sign * self.low + 0.0, self.sign * self.high))
        return low, high


SHARE = Scale()
"""Of every metric that is not named here: 0 to 1, more is better, read in percent."""

_SCALES = {
    "psnr": Scale(high=math.inf, unit="dB", percent=False),
    "ms_ssim": Scale(percent=False),
    "lpips": Scale(high=math.inf, sign=-1, percent=False),
    "dists": Scale(high=math.inf, sign=-1, percent=False),
    "fid": Scale(high=math.inf, sign=-1, percent=False),
}


def scale_of(metric: str) -> Scale:
    """The scale of a metric, or of a difference in it such as ``bd_psnr``, of what is read from its curves such as
    ``at_rate(psnr)``, or of what heads are apart such as ``d_head(ap)``.

    >>> scale_of("ap").bounds, scale_of("lpips").bounds, scale_of("bd_psnr").unit
    ((0.0, 1.0), (-inf, 0.0), 'dB')
    """
    named = (
        metric.removeprefix("d_").removeprefix("bd_").removeprefix("at_rate(").removeprefix("head(").removesuffix(")")
    )
    return _SCALES.get(named, SHARE)


TITLES = {
    "bpp": "bpp",
    "size_kb": "kB/image",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "APs",
    "ap_medium": "APm",
    "ap_large": "APl",
    "mask_ap": "mask AP",
    "mask_ap50": "mask AP50",
    "mask_ap75": "mask AP75",
    "mask_ap_small": "mask APs",
    "mask_ap_medium": "mask APm",
    "mask_ap_large": "mask APl",
    "miou": "mIoU",
    "pixel_accuracy": "pixel acc.",
    "fw_iou": "fwIoU",
    "iou": "IoU",
    "psnr": "PSNR dB",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
    "dists": "DISTS",
    "fid": "FID",
    "agreement": "agreement",
    "encode_s": "encode s",
    "decode_s": "decode s",
    "head_s": "head s",
}


DIGITS = {
    "bpp": 4,
    "size_kb": 2,
    "psnr": 2,
    "ms_ssim": 4,
    "lpips": 4,
    "dists": 4,
    "fid": 2,
    "encode_s": 4,
    "decode_s": 4,
    "head_s": 4,
}

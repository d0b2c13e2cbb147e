"""The operating point of each codec that is nearest to one rate, where a figure or table shows one point a codec."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.reporting.figures.confusion_change import common_rate


def common_points(bpp_of: Mapping[tuple[str, str], float]) -> dict[str, str]:
    """The point of each codec nearest to ``common_rate``, by ratio; codecs of a point without a name are lossless
    and left out. bpp_of: bits per pixel by codec and point.

    >>> common_points({("a", "q=1"): 0.1, ("a", "q=2"): 0.4, ("b", "q=9"): 0.38, ("original", ""): 24.0})
    {'a': 'q=2', 'b': 'q=9'}
    """
    ladders: dict[str, dict[str, float]] = {}
    for (codec, point), bpp in bpp_of.items():
        if point and bpp > 0:
            ladders.setdefault(codec, {})[point] = bpp
    if not ladders:
        return {}
    rate = common_rate({codec: list(own.values()) for codec, own in ladders.items()})
    return {
        codec: min(own, key=lambda point: max(own[point] / rate, rate / own[point])) for codec, own in ladders.items()
    }

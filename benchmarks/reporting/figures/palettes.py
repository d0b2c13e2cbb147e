"""The colours of label maps: those that the data sets' publishers use, else PASCAL VOC's rule.

camvid11      Brostow, Fauqueur, Cipolla 2009, with SegNet's colour for pavement
cityscapes19  Cordts et al. 2016
others        Everingham et al. 2015: the bits of the class' number, dealt to red, green and blue, highest bit first
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from downstream.api import VOID, LabelSpace
from downstream.label_spaces import BACKGROUND

Colours = npt.NDArray[np.uint8]

_MERGED = (160, 160, 160)
"""The colour of a class into which several of the data set were merged."""

_PUBLISHED: dict[str, dict[str, tuple[int, int, int]]] = {
    "camvid11": {
        "sky": (128, 128, 128),
        "building": (128, 0, 0),
        "pole": (192, 192, 128),
        "road": (128, 64, 128),
        "pavement": (60, 40, 222),
        "tree": (128, 128, 0),
        "sign": (192, 128, 128),
        "fence": (64, 64, 128),
        "car": (64, 0, 128),
        "pedestrian": (64, 64, 0),
        "bicyclist": (0, 128, 192),
    },
    "cityscapes19": {
        "road": (128, 64, 128),
        "sidewalk": (244, 35, 232),
        "building": (70, 70, 70),
        "wall": (102, 102, 156),
        "fence": (190, 153, 153),
        "pole": (153, 153, 153),
        "traffic light": (250, 170, 30),
        "traffic sign": (220, 220, 0),
        "vegetation": (107, 142, 35),
        "terrain": (152, 251, 152),
        "sky": (70, 130, 180),
        "person": (220, 20, 60),
        "rider": (255, 0, 0),
        "car": (0, 0, 142),
        "truck": (0, 0, 70),
        "bus": (0, 60, 100),
        "train": (0, 80, 100),
        "motorcycle": (0, 0, 230),
        "bicycle": (119, 11, 32),
    },
}


def palette(space: LabelSpace, scored: Sequence[str]) -> Colours:
    """The colour of each scored class: uint8 (256, 3) by label, black for void and labels without a class.

    space: the data set's classes; their numbers decide the colours. scored: the scored classes in label order, which
    are classes of ``space`` or classes that several of them were merged into.
    """
    table = np.zeros((256, 3), np.uint8)
    for label, name in enumerate(scored):
        table[label] = _colour(space, name)
    table[VOID] = 0
    return table


def _colour(space: LabelSpace, name: str) -> tuple[int, int, int]:
    if name not in space.classes:
        return _MERGED
    published = _PUBLISHED.get(space.name, {}).get(name)
    return published or _dealt(space.classes.index(name) + (space.classes[0] != BACKGROUND))


def _dealt(number: int) -> tuple[int, int, int]:
    """The colour of a class' number by PASCAL VOC's rule; 0 is black.

    >>> _dealt(1), _dealt(15)
    ((128, 0, 0), (192, 128, 128))
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (number >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]

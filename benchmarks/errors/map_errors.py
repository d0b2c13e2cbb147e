"""Label maps of a coded image beside those of the same head on the original, both judged by the labels.

                       right on the coded image    wrong there
    right on original  kept                        lost
    wrong on original  gained                      missed

Each labelled pixel has one of the four kinds. A wrong pixel that is given a class, and not void, is a false one of that
class: it was false already where the original's map has the same class there, else it is new.

The distance of a pixel is that to the nearest pixel at a class boundary of the labels, which has a neighbour (above,
below, left or right) of another label; void is a label, too. Errors by distance: Kohli, Ladický, Torr, "Robust Higher
Order Potentials for Enforcing Label Consistency", IJCV 2009, section 6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.errors.kinds import DISTANCE_EDGES, DISTANCES
from downstream.api import VOID

Labels = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
_BANDS = len(DISTANCES)


class MapErrors(NamedTuple):
    """Pixels of one image by class and band of distance, int64 (kinds, C, 3) each.

    true: kept, missed, gained and lost pixels by their label. false: already false and new ones by the class given to
    them on the coded image. cured: (1, C, 3), false on the original and not on the coded image, by the class given to
    them on the original.
    """

    true: Ints
    false: Ints
    cured: Ints


def bands(labels: Labels) -> Labels:
    """The band of distance of each pixel: uint8 (H, W), the number of it in ``DISTANCES``. labels: uint8 (H, W)."""
    from scipy import ndimage

    boundary = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    boundary[:, 1:] |= across
    boundary[:, :-1] |= across
    boundary[1:] |= down
    boundary[:-1] |= down
    if not boundary.any():
        return np.full(labels.shape, _BANDS - 1, np.uint8)
    distance = ndimage.distance_transform_edt(~boundary)
    return np.asarray(np.searchsorted(DISTANCE_EDGES, distance, side="right"), np.uint8)


def kinds_of(labels: Labels, original: Labels, coded: Labels) -> Labels:
    """The kind of each pixel: uint8 (H, W), 0 kept, 1 missed, 2 gained, 3 lost, 4 without a label."""
    before, after = original == labels, coded == labels
    kinds = np.select([labels == VOID, before & after, before, after], [4, 0, 3, 2], 1)
    return np.asarray(kinds, np.uint8)


def compare(labels: Labels, band: Labels, original: Labels, coded: Labels, classes: int) -> MapErrors:
    """The errors of one image. labels, band, original, coded: uint8 (H, W); labels are below ``classes``, or void."""
    labelled = labels != VOID
    right_before, right = original == labels, coded == labels
    kind = kinds_of(labels, original, coded)
    true = _counted(kind, labels, band, labelled, 4, classes)
    wrong = labelled & ~right & (coded != VOID)
    false = _counted(np.where(coded == original, 0, 1), coded, band, wrong, 2, classes)
    wrong_before = labelled & ~right_before & (original != VOID) & (coded != original)
    cured = _counted(np.zeros_like(kind), original, band, wrong_before, 1, classes)
    return MapErrors(true, false, cured)


def _counted(
    kind: npt.NDArray[np.integer[Any]],
    labels: Labels,
    band: Labels,
    where: npt.NDArray[np.bool_],
    kinds: int,
    classes: int,
) -> Ints:
    """The pixels of ``where`` by kind, label and band: int64 (kinds, classes, 3)."""
    places = (kind[where].astype(np.int64) * classes + labels[where]) * _BANDS + band[where]
    return np.bincount(places, minlength=kinds * classes * _BANDS).reshape(kinds, classes, _BANDS).astype(np.int64)

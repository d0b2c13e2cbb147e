"""A filter across the borders of patches, so that an image made of patches shows no lattice.

    image of patches ──rows around each border * matrix──> ──columns around each border * matrix──> image

Half a patch on either side of a border is replaced by linear combinations of its pixels, along columns and then along
rows, with the same two matrices at every border. Each sample of F then has a patch of twice the side, which overlaps
its neighbours, for the price of two small matrices. They start as identities.

Source: the post-filter of a time-domain lapped transform, Tran, Liang and Tu 2003, "Lapped transform via time-domain
pre- and post-filtering"; ours has no pre-filter, since the encoder is not linear, and its matrices are learned.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LappedFilter(nn.Module):
    """The filter for patches of an even side, at first the identity."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.eye(side))
        self.across = nn.Parameter(torch.eye(side))

    def forward(self, image: Tensor) -> Tensor:
        """An image of whole patches, (B, C, H, W) float32, filtered; the outermost half patches stay as they are."""
        with torch.autocast(image.device.type, enabled=False):
            filtered = _along_rows(image, self.down)
            return _along_rows(filtered.transpose(2, 3), self.across).transpose(2, 3)

    @torch.no_grad()
    def undone(self, pattern: Tensor) -> Tensor:
        """The patch that becomes this one, (C, side, side), where all patches of an image are alike, by the filter."""
        down, across = (self._around(matrix.double()) for matrix in (self.down, self.across))
        columns = torch.linalg.solve(down, pattern.double())
        undone: Tensor = torch.linalg.solve(across, columns.transpose(1, 2)).transpose(1, 2)
        return undone.to(pattern)

    @staticmethod
    def _around(matrix: Tensor) -> Tensor:
        """The filter of a border's two halves as one of a patch's own rows, whose neighbours repeat them."""
        half = len(matrix) // 2
        return matrix.roll((half, half), (0, 1))


def _along_rows(image: Tensor, matrix: Tensor) -> Tensor:
    """Filter across the borders between rows of patches: (B, C, H, W) -> the same shape. matrix: (side, side)."""
    side, half = len(matrix), len(matrix) // 2
    if image.shape[2] <= side:
        return image
    count, channels, _, width = image.shape
    around = image[:, :, half:-half].reshape(count, channels, -1, side, width)  # one part per border
    return torch.cat([image[:, :, :half], (matrix @ around).flatten(2, 3), image[:, :, -half:]], 2)

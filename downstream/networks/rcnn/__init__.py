"""Faster and Mask R-CNN with a feature pyramid by the conventions of Detectron2, made of torchvision's modules.

Detectron2's weights lose accuracy in torchvision's own models, which differ in the strides of the trunk, the
normalisation of the input, the rounding of anchors, the grid of anchors at the coarsest level, and the alignment of
pooled regions. These are set as Detectron2 has them (Wu, Kirillov, Massa, Lo, Girshick, "Detectron2", 2019,
Apache-2.0); the rest is torchvision's (BSD-3-Clause).

picture --resize, normalise, pad--> trunk, pyramid --> proposals --> pooled regions --> classes, boxes, masks
"""

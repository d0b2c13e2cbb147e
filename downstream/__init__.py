"""Heads: the detectors and segmenters whose work on coded images is the quality we measure."""

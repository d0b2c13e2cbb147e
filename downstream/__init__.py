"""Heads: detectors, segmenters and fidelity measures. Their results on decoded images are the quality we measure."""

"""Training of our own detectors and segmenters, on clean images alone: ``python -m downstream.training --help``."""

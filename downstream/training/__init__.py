"""Training of the small detectors, on clean images alone: ``python -m downstream.training --help``."""

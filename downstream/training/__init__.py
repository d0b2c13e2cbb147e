"""Training of our own heads, on clean or coded images: ``python -m downstream.training --help``."""

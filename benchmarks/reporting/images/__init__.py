"""Pictures of what codecs leave and what heads see there."""

GALLERY_IMAGES = 3
"""Scenes of the gallery by default."""

"""Pictures of what codecs leave and what heads see there."""

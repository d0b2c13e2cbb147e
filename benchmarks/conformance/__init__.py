"""Codecs held to their contract."""

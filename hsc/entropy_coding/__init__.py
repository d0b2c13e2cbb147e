"""Integers to bytes and back: container, coder, CDF tables, integer networks, gains."""

"""Weights files: reading, downloading, converting checkpoints of others."""

"""Advice on settings: the smallest that keeps enough of a head's score, or the best within a size."""

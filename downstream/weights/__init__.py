"""Weights of our heads, with their cards, and the code that reads weights files."""

"""Recipes of the rivals' training, as TOML files."""

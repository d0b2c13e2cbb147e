"""A run's folder, written and read back: rows, records, tables, provenance."""

RUN_FILE = "run.toml"
"""The settings of a run as its user gave them, for ``hsc-bench rerun``."""

"""A run's folder, written and read back: rows, records, tables, provenance."""

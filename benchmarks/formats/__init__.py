"""File formats and bit streams that plug-ins read and write: no codec or data set itself, and nothing of the harness."""

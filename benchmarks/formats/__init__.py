"""File formats and bit streams that plug-ins read and write; no codec, no data set, and nothing of the harness."""

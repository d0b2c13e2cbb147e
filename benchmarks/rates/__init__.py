"""Rate definitions: the picture whose pixels a file's bits are divided by; one a file."""

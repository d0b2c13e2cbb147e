"""The harness: codec x quality x data set x head, measured, kept, scored."""

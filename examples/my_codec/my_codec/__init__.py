"""A worked example for HSC-Bench: a PyTorch codec with weights, a head, a metric and a data set. See README.md."""

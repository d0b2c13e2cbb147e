"""Tables, figures and text for a paper, from finished runs alone: ``python -m benchmarks.paper --help``."""

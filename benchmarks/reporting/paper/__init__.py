"""Tables, figures and text for a paper, from finished runs alone: ``hsc-bench paper --help``."""

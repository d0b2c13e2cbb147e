"""Studies beside the benchmark: the complexity of the routes, relighting in the bitstream, the entropy of w and F."""

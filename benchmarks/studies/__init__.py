"""Studies beside the benchmark: the complexity of the routes, and relighting in the bitstream."""

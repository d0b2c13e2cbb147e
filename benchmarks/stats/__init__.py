"""Statistics of finished scores: bootstrap, Bjontegaard differences, paired comparisons."""

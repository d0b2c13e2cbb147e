"""A finished run checked: its sums from its records, its scores from its bitstreams."""

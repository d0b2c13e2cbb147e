"""Checks of a finished run: its rates from its records, its scores from its bitstreams."""

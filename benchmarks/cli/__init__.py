"""Doors: one file a command, each with ``parser()`` and ``main(argv) -> exit code``."""

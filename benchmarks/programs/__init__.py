"""External programs: run with time limits and ended with all their children; the files that decide their results."""

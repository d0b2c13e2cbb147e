"""External programs: run, timed out and ended with all they started; what they read beside their arguments."""

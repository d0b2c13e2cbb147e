"""Plan, measure, score: what a run codes and reads, where that work runs, and what is kept of it."""

"""What people read of a run: figures, pictures, the page, the paper's tables."""

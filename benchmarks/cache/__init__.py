"""What a cache holds, what of it can go, and whether it is sound."""

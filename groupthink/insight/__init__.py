"""What the figures of a run mean: whether it is well, and if not, why."""

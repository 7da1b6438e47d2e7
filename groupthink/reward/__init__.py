"""Step 2: a reward for each response, by rules."""

"""Step 1: several responses to each problem."""

"""Step 5: move the policy towards the better responses, held by KL divergence to the reference."""

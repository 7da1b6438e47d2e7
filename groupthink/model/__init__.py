"""What rollout and policy share: loading, the chat template, attention, log-probabilities of tokens."""

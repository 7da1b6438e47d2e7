"""The OpenAI-compatible server: requests join the engine's running batch, and reasoning comes apart from the answer."""

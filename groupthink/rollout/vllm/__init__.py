"""vLLM as an engine: within this process, or as one of its own, of any Python that has it."""

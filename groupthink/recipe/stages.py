"""The kinds of stages: those that learn from rewards, those that learn from what they draw, and all."""

BY_REWARDS = ("grpo", "grpo_async")
BY_SAMPLES = (*BY_REWARDS, "distill")
STAGES = (*BY_SAMPLES, "sft", "sample", "evaluate")

"""The kinds of stages, by what they learn from."""

BY_REWARDS = ("grpo", "grpo_async")
BY_SAMPLES = (*BY_REWARDS, "distill")
STAGES = (*BY_SAMPLES, "sft", "sample", "evaluate")

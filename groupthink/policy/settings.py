"""The table [policy] of a recipe."""

from dataclasses import dataclass

from groupthink.policy.schedule import SCHEDULES

OPTIMIZERS = ("adamw", "adamw8bit")
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """How the policy learns from a batch."""

    optimizer: str = "adamw"  # or "adamw8bit": its moments in 8 bits, by bitsandbytes
    learning_rate: float = 3e-4  # AdamW's, at its highest
    warmup_steps: int = 5  # steps over which the learning rate rises to that
    schedule: str = "linear"  # how it falls afterwards: "linear", "cosine", or "constant" (not at all)
    final_share: float = 0.1  # the share of it that is left at the last step
    beta1: float = 0.9  # AdamW's memory of gradients
    beta2: float = 0.99  # AdamW's memory of their squares
    weight_decay: float = 0.0  # for matrices; norms and biases are never decayed
    max_grad_norm: float = 1.0  # gradients longer than this are scaled down to it
    minibatches: int = 1  # updates made in one pass over a batch
    epochs: int = 1  # passes over a batch
    micro_batch_tokens: int = 16384  # tokens computed at a time; bounds memory, does not change the gradient
    processes: int = 0  # that learn side by side; 0: as many as draw fastest, which is measured at the first start
    dtype: str = "float32"  # of the weights while they are computed with; or "bfloat16": its masters stay in float32
    recompute_layers: bool = False  # in the backward pass, in place of keeping what is inside them: memory for time
    threads: int = 0  # of each of them; 0: likewise
    traced_groups: int = 1  # groups of a step whose change in log-probability is measured

    def __post_init__(self) -> None:
        for name in ("learning_rate", "max_grad_norm"):
            self._require(name, getattr(self, name) > 0, "set it above 0")
        self._require("final_share", 0 <= self.final_share <= 1, "set it between 0 and 1")
        for name in ("beta1", "beta2"):
            self._require(name, 0 <= getattr(self, name) < 1, "set it to at least 0 and below 1")
        for name in ("warmup_steps", "weight_decay", "processes", "threads", "traced_groups"):
            self._require(name, getattr(self, name) >= 0, "set it to at least 0")
        for name in ("minibatches", "epochs", "micro_batch_tokens"):
            self._require(name, getattr(self, name) >= 1, "set it to at least 1")
        self._require("optimizer", self.optimizer in OPTIMIZERS, f"choose one of {', '.join(OPTIMIZERS)}")
        self._require("dtype", self.dtype in DTYPES, f"choose one of {', '.join(DTYPES)}")
        self._require("schedule", self.schedule in SCHEDULES, f"choose one of {', '.join(SCHEDULES)}")

    def _require(self, name: str, holds: bool, cure: str) -> None:
        if not holds:
            raise ValueError(f"policy.{name} is {getattr(self, name)!r}: {cure}")

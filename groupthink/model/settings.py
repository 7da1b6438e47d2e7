"""The table [lora] of a recipe."""

from dataclasses import dataclass

ALL_LINEAR = "all-linear"
"""Stands for every linear layer but the output head, as in peft."""


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Which additions to the model learn in place of the model itself. They have no dropout."""

    rank: int = 0  # of each addition; 0: none, and every weight of the model learns
    alpha: int = 32  # an addition is multiplied by alpha / rank
    targets: tuple[str, ...] = (ALL_LINEAR,)  # names of linear layers, such as "q_proj"; "all-linear": all but the head
    quantised: bool = False  # whether the model beneath is held in 4 bits (QLoRA); needs bitsandbytes

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ValueError(f"lora.rank is {self.rank}: set it to at least 1, or to 0 to train every weight")
        if self.alpha < 1:
            raise ValueError(f"lora.alpha is {self.alpha}: set it to at least 1")
        if not self.targets:
            raise ValueError(f'lora.targets is empty: name linear layers, or give ["{ALL_LINEAR}"]')
        if self.quantised and not self.rank:
            raise ValueError(
                "lora.quantised is true and lora.rank is 0: weights of 4 bits cannot learn; set a rank, 16 for instance"
            )

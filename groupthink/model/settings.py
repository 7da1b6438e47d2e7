"""The tables [chat] and [lora] of a recipe."""

from dataclasses import dataclass

from groupthink.nearest import nearest

AUTO, MODEL, PLAIN = "auto", "model", "plain"
TEMPLATES = (AUTO, MODEL, PLAIN)
ON, OFF = "on", "off"
THINKING = (MODEL, ON, OFF)

ALL_LINEAR = "all-linear"
"""Stands for every linear layer but the output head, as in peft."""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    r"""In which words a problem is put to the model.

    ChatSettings(thinking="on", instruction="Put your final answer within \\boxed{}.")
    """

    template: str = "auto"  # model: its chat template; plain: R1-Zero's "User: ... Assistant:"; auto: plain without one
    system: str = ""  # before problems that bring no system message themselves; plain: in place of R1-Zero's own words
    instruction: str = ""  # on a line of its own after the problem: "Put your final answer within \\boxed{}."
    thinking: str = "model"  # as the template has it; "on", "off": what it is told as enable_thinking (Qwen3)
    open_think: bool = False  # whether the prompt ends with <think> where the template does not end so itself

    def __post_init__(self) -> None:
        for name, choices in (("template", TEMPLATES), ("thinking", THINKING)):
            value = getattr(self, name)
            if value not in choices:
                raise ValueError(
                    f"chat.{name} is {value!r}: did you mean {nearest(value, choices)}? "
                    f"(there are: {', '.join(choices)})"
                )
        if self.template == PLAIN and self.thinking != MODEL:
            raise ValueError(
                f'chat.thinking is "{self.thinking}", which only a chat template can be told, and chat.template is '
                '"plain": leave thinking at "model"'
            )
        if self.open_think and self.thinking == OFF:
            raise ValueError(
                'chat.open_think begins the reasoning, and chat.thinking="off" leaves it out: set one of the two only'
            )


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

"""Settings of the stages themselves: the tables [evaluate], [sft] and [distill] of a recipe."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """[evaluate]: held-out problems, before, after and, if asked for, during a run.

    A run that has finished and is taken up again has its patience anew, from there on.
    """

    problems: int = 200  # held-out problems
    samples: int = 4  # responses to each, at temperature 1
    base_samples: int = 16  # responses to each for the model before training: maj@k and pass@k are its ceiling
    every: int = 0  # steps between evaluations during the run; 0: only before and after
    patience: int = 0  # evaluations during the run, none better than one before them, after which it ends; 0: never

    def __post_init__(self) -> None:
        for name in ("problems", "samples", "base_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} must be at least 1, not {getattr(self, name)}")
        if self.every < 0:
            raise ValueError(f"evaluate.every must be 0 or more steps, not {self.every}")
        if self.patience < 0 or (self.patience and not self.every):
            raise ValueError(
                f"evaluate.patience is {self.patience}: give a number of evaluations during the run, and in "
                "evaluate.every the steps between them; 0: it never ends early"
            )


@dataclass(frozen=True, slots=True)
class SftSettings:
    """[sft]: supervised fine-tuning on a task's own demonstrations. Optimizer settings are in [policy]."""

    tasks: tuple[str, ...] = ("quadratics", "arithmetic")  # where demonstrations come from
    shares: tuple[float, ...] = (0.85, 0.15)  # how often each of them is drawn
    examples_per_step: int = 64  # demonstrations a step
    from_scratch: bool = False  # take only the architecture and the tokenizer of `model`, not its weights
    layers: int = 0  # from scratch: so many of the architecture's layers, for a smaller student; 0: all of them
    careful_share: float = 1.0  # this share of the steps, from the first on, sees flawless work; the rest haste
    hasty_share: float = 1.0  # after that, this share of a step's demonstrations is hasty

    def __post_init__(self) -> None:
        if len(self.tasks) != len(self.shares):
            raise ValueError(
                f"sft.shares needs a share for each of sft.tasks {list(self.tasks)}, not {list(self.shares)}"
            )
        if min(self.shares, default=0) < 0 or not sum(self.shares) > 0:
            raise ValueError(f"sft.shares are {list(self.shares)}: give none below 0 and at least one above")
        if self.examples_per_step < 1:
            raise ValueError(f"sft.examples_per_step must be at least 1, not {self.examples_per_step}")
        for name in ("careful_share", "hasty_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"sft.{name} must lie in 0 to 1, not {getattr(self, name)}")
        if self.layers < 0 or (self.layers and not self.from_scratch):
            raise ValueError(
                f"sft.layers is {self.layers}: give a number of layers, with sft.from_scratch=true (some layers of a "
                "trained model are none); 0: all of them"
            )


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """[distill]: on-policy distillation. `model` is the student; what is sampled and learned is set as for grpo."""

    teacher: str = ""  # whom the student is to write like: nano, a run, a checkpoint, a local folder or a hub id

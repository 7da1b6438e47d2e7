"""Settings of the stages themselves: the tables [evaluate], [sft], [distill] and [sample] of a recipe."""

from dataclasses import dataclass

from groupthink.nearest import nearest
from groupthink.reward.language import SCRIPTS


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


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """[sample]: rejection sampling. Right chains of `model` become a data set.

    The problems are the first ones that [task] trains on (`task.pool`, `task.rounds` and `task.raise_at` say nothing
    here), the responses are drawn as [rollout] says. What is dropped, and in which order: `stage/sample/filters.py`.
    """

    problems: int = 1000  # training problems; of a finite task, each at most once
    responses: int = 4  # to each problem
    keep: int = 0  # chains of a problem, at most: those of the highest score, then the shortest; 0: all that are left
    repeated: float = 0.5  # the share of its runs of 8 tokens that came before, above which a chain is dropped; 1: off
    script: str = ""  # in which the reasoning is to be written, as of reward.script; empty: in any
    in_script: float = 1.0  # the share of its words that must be
    shortest: int = 0  # tokens of a response, its end included
    longest: int = 0  # tokens of a response; 0: as long as rollout.max_tokens allows
    paragraph: int = 2000  # characters of the reasoning without a line break, at most; 0: off
    code_blocks: bool = False  # whether the reasoning may hold blocks of code between ```
    wording: float = 0.01  # the share of the problems above which 10 words are the task's wording and tell no problem
    similar: float = 0.8  # the share of common runs of 8 characters from which on two chains are one; 0: off

    def __post_init__(self) -> None:
        for name in ("problems", "responses"):
            if getattr(self, name) < 1:
                raise ValueError(f"sample.{name} must be at least 1, not {getattr(self, name)}")
        for name in ("keep", "shortest", "longest", "paragraph"):
            if getattr(self, name) < 0:
                raise ValueError(f"sample.{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("repeated", "in_script", "wording", "similar"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"sample.{name} must lie in 0 to 1, not {getattr(self, name)}")
        if self.longest and self.longest < self.shortest:
            raise ValueError(f"sample.longest={self.longest} is below sample.shortest={self.shortest}: nothing is kept")
        if self.script and self.script not in SCRIPTS:
            raise ValueError(
                f"sample.script is {self.script!r}: did you mean {nearest(self.script, SCRIPTS)}? "
                f"(there are: {', '.join(SCRIPTS)})"
            )

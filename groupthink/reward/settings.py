"""The tables [reward], [code] and [judge] of a recipe."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from groupthink.nearest import nearest
from groupthink.reward.language import SCRIPTS
from groupthink.reward.model_judge import FAILURES, PROMPT, Server, require_prompt
from groupthink.reward.sandbox import SANDBOXES, Confinement

ALWAYS = ("accuracy", "format", "brevity")
OPTIONAL = ("environment", "majority", "format_answer", "format_boxed", "repetition", "language", "code", "judge")
"""Rewards that are computed where they weigh something."""


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """[reward]: how much each reward weighs.

    RewardSettings(accuracy=0.6, format=0.2, brevity=0.2, functions={"rewards.py:no_shouting": 0.1})
    """

    accuracy: float = 0.6  # weight: the answer is right
    format: float = 0.2  # weight: one <think>...</think>, an answer after it, ended by the policy itself
    brevity: float = 0.2  # weight: a right answer in few tokens
    brief: int = 128  # tokens; brevity is 1 up to here ...
    long: int = 192  # tokens; ... and falls linearly to 0 here
    environment: float = (
        0.0  # weight: what an environment of `verifiers` gives the response, of which it may be the task
    )
    majority: float = 0.0  # weight: the answer that most of the group gave, where nobody knows the right one
    format_answer: float = 0.0  # weight: format, and the answer stands in one <answer>...</answer>
    format_boxed: float = 0.0  # weight: format, and the answer has one \boxed{...}
    repetition: float = 0.0  # weight: minus the share of runs of tokens that came before
    repetition_n: int = 8  # tokens of such a run
    language: float = 0.0  # weight: the share of the reasoning's words that are written in ...
    script: str = "latin"  # ... this script: latin, cyrillic, chinese, ...
    code: float = 0.0  # weight: the program in the answer passes the problem's tests; see [code]
    judge: float = 0.0  # weight: the number that another model gives the answer; see [judge]
    patience: float = 600.0  # seconds that a call of a function of one's own may take
    functions: Mapping[str, float] = field(default_factory=dict)  # "module:function" or "file.py:function" -> weight

    def __post_init__(self) -> None:
        for name, weight in {**{name: getattr(self, name) for name in OPTIONAL}, **self.weights}.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                raise ValueError(f"reward.{name} is {weight!r}: give it a finite number, the weight of this reward")
        for name in self.functions:
            place, colon, function = name.rpartition(":")
            if not (place and colon and function.isidentifier()):
                raise ValueError(f"reward.{name}: name a function as 'module:function' or 'file.py:function'")
        if not 0 <= self.brief < self.long:
            raise ValueError(
                f"reward.brief={self.brief} and reward.long={self.long}: "
                "brevity falls from brief to long, so set 0 <= brief < long"
            )
        if not 0 < self.patience < math.inf:
            raise ValueError(f"reward.patience is {self.patience}: give seconds above 0")
        if self.repetition_n < 1:
            raise ValueError(f"reward.repetition_n is {self.repetition_n}: a run has at least 1 token")
        _require_one_of("reward.script", self.script, tuple(SCRIPTS))

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each reward that is computed, by the name that its part of a score has."""
        optional = {name: getattr(self, name) for name in OPTIONAL}
        return {
            **{name: getattr(self, name) for name in ALWAYS},
            **{name: weight for name, weight in optional.items() if weight},
            **self.functions,
        }


@dataclass(frozen=True, slots=True)
class CodeSettings:
    """[code]: how programs are run that a problem has tests for, by `reward.code` and in evaluations."""

    partial: bool = False  # reward.code is the share of the tests that are passed; else 1 for all of them, and 0
    sandbox: str = "bubblewrap"  # where they run; none: with the rights of the user, on a machine to be ruined
    seconds: int = 6  # of processor time, for one input or for all calls; all inputs together have a bound, too
    memory: int = 1024  # MiB

    def __post_init__(self) -> None:
        _require_one_of("code.sandbox", self.sandbox, SANDBOXES)
        _require_at_least("code.seconds", self.seconds, 1)
        _require_at_least("code.memory", self.memory, 64)

    @property
    def confinement(self) -> Confinement:
        """Where programs run, and what each may use."""
        return Confinement(self.sandbox, self.seconds, self.memory)


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """[judge]: the other model that `reward.judge` asks."""

    url: str = ""  # of an OpenAI-compatible server, such as http://localhost:8000/v1
    model: str = ""  # its name there
    prompt: str = PROMPT  # with {problem}, {reference}, {answer}, {reasoning}, {response}
    key: str = "OPENAI_API_KEY"  # the environment variable that holds the key; not set: none is sent
    seconds: float = 60.0  # for one try
    tries: int = 4
    at_once: int = 16  # questions
    range: tuple[float, ...] = (0.0, 1.0)  # what its number may be; another one is a failure
    failure: str = "none"  # a response that could not be judged: none (does not count), error (ends the run)

    def __post_init__(self) -> None:
        _require_one_of("judge.failure", self.failure, FAILURES)
        _require_at_least("judge.seconds", self.seconds, 0.1)
        _require_at_least("judge.tries", self.tries, 1)
        _require_at_least("judge.at_once", self.at_once, 1)
        if len(self.range) != 2 or not self.range[0] < self.range[1]:
            raise ValueError(f"judge.range is {list(self.range)}: give the lowest number and the highest")
        require_prompt(self.prompt)

    def require_server(self) -> None:
        """Raise ValueError where no other model is named."""
        if not self.url.startswith(("http://", "https://")) or not self.model:
            raise ValueError(
                f"reward.judge asks another model, and judge.url is {self.url!r}, judge.model {self.model!r}: name a "
                "server, such as http://localhost:8000/v1, and a model that it has"
            )

    @property
    def server(self) -> Server:
        """Where the other model is asked. Raises ValueError where none is named."""
        self.require_server()
        low, high = self.range
        return Server(self.url, self.model, self.key, self.seconds, self.tries, self.at_once, (low, high), self.failure)


def _require_one_of(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(
            f"{name} is {value!r}: did you mean {nearest(value, choices)}? (there are: {', '.join(choices)})"
        )


def _require_at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise ValueError(f"{name} is {value}: take at least {least}")

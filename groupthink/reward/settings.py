"""The table [reward] of a recipe."""

import math
from collections.abc import Mapping
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
    """How much each reward weighs.

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
    functions: Mapping[str, float] = field(default_factory=dict)  # "module:function" or "file.py:function" -> weight

    code: float = 0.0  # weight: the program in the answer passes the problem's tests
    code_partial: bool = False  # the share of the tests that it passes; else 1 for all of them, and 0
    code_sandbox: str = "bubblewrap"  # where it runs; none: with the rights of the user, on a machine to be ruined
    code_seconds: int = 6  # of processor time, for one input or for all calls; of the clock, three times as many
    code_memory: int = 1024  # MiB

    judge: float = 0.0  # weight: the number that another model gives the answer
    judge_url: str = ""  # of an OpenAI-compatible server, such as http://localhost:8000/v1
    judge_model: str = ""  # its name there
    judge_prompt: str = PROMPT  # with {problem}, {reference}, {answer}, {reasoning}, {response}
    judge_key: str = "OPENAI_API_KEY"  # the environment variable that holds the key; not set: none is sent
    judge_seconds: float = 60.0  # for one try
    judge_tries: int = 4
    judge_at_once: int = 16  # questions
    judge_range: tuple[float, ...] = (0.0, 1.0)  # what its number may be; another one is a failure
    judge_failure: str = "none"  # a response that could not be judged: none (does not count), error (ends the run)

    def __post_init__(self) -> None:
        self._require_code_and_judge()
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
        if self.repetition_n < 1:
            raise ValueError(f"reward.repetition_n is {self.repetition_n}: a run has at least 1 token")
        if self.script not in SCRIPTS:
            raise ValueError(
                f"reward.script is {self.script!r}: did you mean {nearest(self.script, SCRIPTS)}? "
                f"(there are: {', '.join(SCRIPTS)})"
            )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each reward that is computed, by the name that its part of a score has."""
        optional = {name: getattr(self, name) for name in OPTIONAL}
        return {
            **{name: getattr(self, name) for name in ALWAYS},
            **{name: weight for name, weight in optional.items() if weight},
            **self.functions,
        }

    @property
    def confinement(self) -> Confinement:
        """Where programs of the policy's run, and what each may use."""
        return Confinement(self.code_sandbox, self.code_seconds, self.code_memory)

    @property
    def judge_server(self) -> Server:
        """Where another model is asked."""
        return Server(
            self.judge_url,
            self.judge_model,
            self.judge_key,
            self.judge_seconds,
            self.judge_tries,
            self.judge_at_once,
            (self.judge_range[0], self.judge_range[1]),
            self.judge_failure,
        )

    def _require_code_and_judge(self) -> None:
        for name, value, choices in (
            ("code_sandbox", self.code_sandbox, SANDBOXES),
            ("judge_failure", self.judge_failure, FAILURES),
        ):
            if value not in choices:
                raise ValueError(
                    f"reward.{name} is {value!r}: did you mean {nearest(value, choices)}? "
                    f"(there are: {', '.join(choices)})"
                )
        for name, least in (("code_seconds", 1), ("code_memory", 64), ("judge_seconds", 0.1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"reward.{name} is {getattr(self, name)}: take at least {least}")
        for name in ("judge_tries", "judge_at_once"):
            if getattr(self, name) < 1:
                raise ValueError(f"reward.{name} is {getattr(self, name)}: take at least 1")
        if len(self.judge_range) != 2 or not self.judge_range[0] < self.judge_range[1]:
            raise ValueError(f"reward.judge_range is {list(self.judge_range)}: give the lowest number and the highest")
        if self.judge:
            if not self.judge_url.startswith(("http://", "https://")) or not self.judge_model:
                raise ValueError(
                    f"reward.judge asks another model, and reward.judge_url is {self.judge_url!r}, reward.judge_model "
                    f"{self.judge_model!r}: name a server, such as http://localhost:8000/v1, and a model that it has"
                )
            require_prompt(self.judge_prompt)

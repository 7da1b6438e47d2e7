"""What the chat page says of responses: by the run's own rewards, as far as a page may compute them.

A run directory may have come from anywhere. So what it names is not run here: functions of its own, programs, another
model's opinion, tasks that are code. Answers to bundled tasks are judged by these; all others are compared with the
expected answer by a rule of `task/answer/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupthink.chain import read_chain
from groupthink.records import Group, Message, Problem, Response
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.run.printable import storable
from groupthink.run.rollouts import as_text
from groupthink.task import TASKS, open_tasks
from groupthink.task.answer import RULES, Rule, open_rule
from groupthink.task.columns import likely_rule
from groupthink.task.verdict import Verdict

if TYPE_CHECKING:
    from groupthink.recipe import Recipe

NEWEST = 50
"""Steps of rollouts in which a prompt is looked for."""

COLUMNS = ("prompt", "problem", "task", "expected")


@dataclass(frozen=True, slots=True)
class Known:
    """What a run knows of a prompt."""

    problem: str
    task: str
    expected: str


def find_known(run: Path, messages: Sequence[Message]) -> Known | None:
    """The problem of a run that is asked here, with its answer: held out, or of the newest steps. None: it is none."""
    import pyarrow.compute as pc
    from pyarrow import ArrowException, parquet

    stored = [messages[0]["content"], as_text(messages)] if len(messages) == 1 else [as_text(messages)]
    asked = pc.field("prompt").isin([*map(storable, stored)])
    steps = sorted(run.glob("rollouts/step-*.parquet"), reverse=True)[:NEWEST]
    for file in [*sorted(run.glob("evaluations/*.parquet")), *steps]:
        try:
            there = [name for name in parquet.read_schema(file).names if name in COLUMNS]
            found = parquet.read_table(file, columns=there, filters=asked)
        except (OSError, ArrowException):  # being written, or damaged
            continue
        for row in found.slice(0, 1).to_pylist():
            if row.get("expected") is not None:
                task = row.get("task") or row["problem"].partition("/")[0]
                return Known(row["problem"], task, row["expected"])
    return None


class ChatJudge:
    """Scores responses to one prompt, whose answer is `expected`. `opening`: see `read_chain`."""

    def __init__(self, recipe: "Recipe", known: Known, messages: Sequence[Message], opening: str):
        self.opening = opening
        self.problem = Problem(known.problem, known.task, tuple(messages), known.expected)
        self._rule: Rule | None = None
        verifier: Any
        if known.task in recipe.task.names and all(name in TASKS for name in recipe.task.names):
            verifier = open_tasks(replace(recipe.task, unlabelled=False), recipe.seed)
        else:
            self._rule = open_rule(recipe.task.verify if recipe.task.verify in RULES else likely_rule([known.expected]))
            verifier = Compared(self._rule)
        self.left_out = _left_out(recipe.reward)
        self._judge = Judge(_plain(recipe.reward), verifier, opening=opening)

    def score(self, responses: Sequence[Response]) -> list[dict[str, Any]]:
        """Of each response its reward, the parts, why, and whether the answer is right."""
        import numpy as np

        group = Group(self.problem, np.zeros(0, np.int64), tuple(responses))
        (scores,) = self._judge.score([group])
        left_out = f"left out here: {', '.join(self.left_out)}" if self.left_out else ""
        return [
            {
                "reward": score.value,
                "parts": dict(score.parts),
                "note": "; ".join(filter(None, [score.note, left_out])),
                "right": None if score.parts["accuracy"] is None else score.parts["accuracy"] == 1,
            }
            for score in scores
        ]

    def close(self) -> None:
        """Give back what the rule holds."""
        if self._rule is not None:
            self._rule.close()


@dataclass(frozen=True, slots=True)
class Compared:
    """A verifier that knows a rule and nothing else."""

    rule: Rule

    def verify(self, problem: Problem, text: str, /) -> Verdict:
        return self.rule(str(problem.answer), text)

    def rule_of(self, problem: Problem) -> Rule:
        """What compares answers, several at a time."""
        return self.rule


UNSCORED: dict[str, Any] = {"reward": None, "parts": {}, "note": "", "right": None}
"""What is said of a response that nobody can score."""


def formed(response: Response, opening: str) -> bool:
    """Whether its chain is well formed, and ended by the policy."""
    return read_chain(response.text, opening=opening).well_formed and response.finish == "stop"


def _plain(settings: RewardSettings) -> RewardSettings:
    """Without what would have to be run, or asked of others."""
    return replace(settings, functions={}, code=0.0, judge=0.0, environment=0.0)


def _left_out(settings: RewardSettings) -> list[str]:
    named = [name for name in ("code", "judge", "environment") if getattr(settings, name)]
    return [*named, *settings.functions]

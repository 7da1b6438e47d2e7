"""What may become a row of the data set: a response as the run directory has it, read as a chain of thought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groupthink.chain import Chain, read_chain
from groupthink.records import Problem
from groupthink.repetition import repeated
from groupthink.run.printable import storable

COLUMNS = ("problem", "text", "finish", "seed", "reward", "parts", "token_ids", "sampled")
"""Of a run's rollouts, what is read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to a problem, and what is known of it."""

    problem: Problem
    text: str  # all of the chain, what the prompt has written of it included
    chain: Chain  # the same, read
    right: bool | None  # None: nobody knows
    finish: str  # "stop" or "length"
    tokens: int  # that the policy drew, end of sequence included
    repeated: float  # the share of its runs of 8 tokens that came before
    score: float
    parts: Mapping[str, float | None]  # of the score
    seed: int


def read_candidates(
    rows: Sequence[Mapping[str, Any]], problems: Sequence[Problem], opening: str
) -> list[list[Candidate]]:
    """The responses of a step by problem. `opening`: what the prompt has written, as `read_chain` takes it."""
    found: dict[str, list[Candidate]] = {storable(problem.id): [] for problem in problems}
    named = {storable(problem.id): problem for problem in problems}
    for row in rows:
        found[row["problem"]].append(_candidate(row, named[row["problem"]], opening))
    return list(found.values())


def _candidate(row: Mapping[str, Any], problem: Problem, opening: str) -> Candidate:
    text = opening + row["text"]
    return Candidate(
        problem=problem,
        text=text,
        chain=read_chain(text),
        right=is_right(row["parts"]),
        finish=row["finish"],
        tokens=sum(row["sampled"]),
        repeated=repeated(row["token_ids"]),
        score=row["reward"],
        parts=row["parts"],
        seed=row["seed"],
    )


def is_right(parts: Mapping[str, float | None]) -> bool | None:
    """By the task's verdict on the answer; where it has none, by the tests of a program, if `reward.code` ran them."""
    told = parts.get("accuracy")
    told = parts.get("code") if told is None else told
    return None if told is None else told == 1

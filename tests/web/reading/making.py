"""Small runs, written by the code that writes real ones, with figures that can be worked out by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from groupthink.advantage import advantage
from groupthink.recipe import Recipe, load_recipe
from groupthink.records import Batch, Group, Problem, Report, Response, Score
from groupthink.run.directory import Run
from groupthink.web.reading.pieces import BUNDLED
from groupthink.web.reading.settings import weights_of

NANO = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
END = 1  # <|end|>
RIGHT, WRONG = "<think>2*3=6</think>x=2, x=3", "<think></think>x=1, x=9"
PROMPT = "<|user|>Solve x^2-5x+6=0<|end|><|assistant|>"


def encode(text: str) -> np.ndarray:
    return np.array(NANO.encode(text, add_special_tokens=False).ids, np.int64)


def respond(text: str, *, finish: str = "stop", logprob: float = -0.5, version: int = 0) -> Response:
    """One token a character, and the end where it ended; every token as likely."""
    ids = np.append(encode(text), END) if finish == "stop" else encode(text)
    logprobs = np.full(len(ids), logprob, np.float32)
    return Response(
        ids, np.ones(len(ids), bool), logprobs, logprobs, np.full(len(ids), version, np.int64), text, finish, seed=7
    )


def ask(number: int = 0, **more: Any) -> Problem:
    return Problem(f"quadratics/train/0/{number}", "quadratics", "Solve x^2-5x+6=0", "x=2, x=3", **more)


def judge(parts: Mapping[str, float | None], recipe: Recipe, note: str = "") -> Score:
    weights = weights_of(recipe)
    value = sum(weights[name] * part for name, part in parts.items() if part is not None)
    return Score(float(value), dict(parts), None, note)


def paid(value: float) -> dict[str, float | None]:
    """Parts that come to `value`, under a weight of 1 for accuracy alone."""
    return {"accuracy": value}


def step_of(
    groups: Sequence[Group],
    scores: Sequence[Sequence[Score]],
    recipe: Recipe,
    *,
    reference: float | None = -0.7,
    change: Mapping[int, float] | None = None,
    advantages_PG: np.ndarray | None = None,
) -> tuple[Any, ...]:
    """What `Run.record` is given. `change`: of each traced response, by its place in the batch, nats a token."""
    responses = [response for group in groups for response in group.responses]
    if advantages_PG is None:
        advantages_PG = advantage(scores, recipe.advantage, weights_of(recipe))
    lengths = [len(response) for response in responses]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    logprobs_M = np.concatenate([response.logprobs_T for response in responses])
    sampled_M = np.concatenate([response.sampled_T for response in responses])
    change_M = np.full(len(logprobs_M), np.nan, np.float32)
    for place, moved in (change or {}).items():
        change_M[starts[place] : starts[place + 1]] = moved
    batch = Batch(
        prompts=tuple(group.prompt_ids for group in groups),
        group_B=np.repeat(np.arange(len(groups)), [len(group.responses) for group in groups]),
        starts=starts,
        token_ids_M=np.concatenate([response.token_ids_T for response in responses]),
        sampled_M=sampled_M,
        old_logprobs_M=logprobs_M,
        drawn_logprobs_M=logprobs_M,
        advantages_M=np.repeat(advantages_PG.ravel(), lengths).astype(np.float32),
        weights_M=sampled_M.astype(np.float32),
    )
    report = Report(
        {"loss": 0.0, "kl": 0.01, "entropy": 0.3},
        logprobs_M,
        None if reference is None else np.full_like(logprobs_M, reference),
        np.full_like(logprobs_M, 0.3),
        np.zeros(len(logprobs_M), bool),
        change_M,
        np.zeros_like(logprobs_M),
    )
    return groups, scores, advantages_PG, batch, report, {"generate": 1.0, "learn": 2.0}


def three(number: int = 0, **more: Any) -> Group:
    """A group of three: right and short, right, wrong."""
    texts = (RIGHT, RIGHT, WRONG)
    return Group(ask(number), encode(PROMPT), tuple(respond(text, **more) for text in texts))


ALL_BY_ACCURACY = ("reward.accuracy=1.0", "reward.format=0.0", "reward.brevity=0.0", "rollout.group_size=3")


def settings(*words: str) -> Recipe:
    return load_recipe(overrides=[*ALL_BY_ACCURACY, "task.problems_per_step=2", *words])


def run_of(path: Path, rewards: Sequence[Sequence[Sequence[float]]], *words: str, **more: Any) -> Run:
    """A run at work: for each step, for each group, the rewards of its responses (1: right). It has four problems."""
    run = Run.create(path, settings(f"steps={max(1, len(rewards))}", *words))
    for step, of_groups in enumerate(rewards):
        write(run, step, of_groups, **more)
    return run


def write(run: Run, step: int, of_groups: Sequence[Sequence[float]], **more: Any) -> None:
    groups = [
        Group(
            ask((step * len(of_groups) + place) % 4),
            encode(PROMPT),
            tuple(respond(RIGHT if reward == 1 else WRONG, version=step) for reward in row),
        )
        for place, row in enumerate(of_groups)
    ]
    scores = [[judge(paid(reward), run.recipe) for reward in row] for row in of_groups]
    run.record(step, *step_of(groups, scores, run.recipe, **more))

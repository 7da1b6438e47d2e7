"""How much there is to compute in a step: tokens, and the floating-point operations of passes over them."""

from collections.abc import Sequence
from dataclasses import dataclass

from groupthink.insight.plan.shape import ModelShape
from groupthink.recipe import Recipe

PROMPT = 128
"""Tokens of a prompt, where nobody has looked at one."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Workload(prompt=31.0, response=87.5, measured=True)"""

    prompt: float  # tokens, on average
    response: float  # tokens, on average
    measured: bool = False  # whether responses of the model were looked at

    @classmethod
    def at_most(cls, recipe: Recipe, prompt: float = PROMPT) -> "Workload":
        """Every response as long as it may be."""
        return cls(prompt, recipe.rollout.max_tokens)


def responses_of(recipe: Recipe) -> int:
    """Responses of a step that are learned from; of demonstrations there is one to each problem."""
    return problems_of(recipe) * group_of(recipe)


def problems_of(recipe: Recipe) -> int:
    return recipe.sft.examples_per_step if recipe.stage == "sft" else recipe.task.problems_per_step


def group_of(recipe: Recipe) -> int:
    return {"sft": 1, "sample": recipe.sample.responses}.get(recipe.stage, recipe.rollout.group_size)


def tokens_of(recipe: Recipe, load: Workload) -> int:
    """Tokens of a step that is learned from; each prompt counts once."""
    return round(problems_of(recipe) * (load.prompt + group_of(recipe) * load.response))


def operations(shape: ModelShape, prompts: Sequence[float], responses: Sequence[Sequence[float]]) -> float:
    """Those of one forward pass over groups of responses of these lengths.

    2 for each weight and each token that is an input: a group's prompt counts once, a response's last token is never an
    input. The head is needed once for each response token, and attention costs 4 * `attended` in each layer for each
    pair of a token and one that it sees (after arXiv 2001.08361, section 2.1).
    """
    inputs = pairs = targets = 0.0
    for prompt, lengths in zip(prompts, responses, strict=True):
        inputs += prompt + sum(length - 1 for length in lengths)
        targets += sum(lengths)
        pairs += _seen(prompt) + sum(_seen(prompt + length - 1) - _seen(prompt) for length in lengths)
    return 2.0 * (shape.active * inputs + shape.head * targets) + 4.0 * shape.attended * shape.layers * pairs


def step_operations(recipe: Recipe, shape: ModelShape, load: Workload) -> float:
    """Those of one forward pass over a step."""
    return even_operations(shape, load, problems_of(recipe), group_of(recipe))


def even_operations(shape: ModelShape, load: Workload, problems: int, group_size: int) -> float:
    """Those of one forward pass over so many groups, all responses as long as they are on average."""
    return problems * operations(shape, [load.prompt], [[load.response] * group_size])


def _seen(tokens: float) -> float:
    """1 + 2 + ... + n: the pairs that n causal tokens make."""
    return tokens * (tokens + 1) / 2

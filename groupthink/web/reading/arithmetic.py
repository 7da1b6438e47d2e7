"""The comparison of a group, written out: its average, and how the advantage of each response came about."""

from typing import Any

import numpy as np

from groupthink.recipe import BY_REWARDS, Recipe
from groupthink.web.reading.estimators import ESTIMATORS
from groupthink.web.reading.rows import Rows
from groupthink.web.reading.settings import weights_of
from groupthink.web.reading.written import Case, Digits, Written

TERMS = 12
"""Rewards of a sum that are written out, at most; of more the first and the last."""

CLOSE = 1e-5
"""By how much, and by what share, an advantage that was recorded may differ from what is written: parts and rewards are
kept as they were computed."""


def write_out(rows: Rows, group: int, recipe: Recipe) -> dict[str, Any]:
    """The arithmetic of one group of a step, whose responses all `rows` are, in the order of its rows.

    {"mean": "(1.0 + 0.8 + 0.2) / 3 = 0.667", "formula": "Each reward less the group's average.",
     "each": ["1.0 - 0.667 = +0.333", ...] or None, "notes": [...], "why": None or what else is to be known}
    """
    rewards_B, starts = rows.numbers("reward"), rows.starts
    place = slice(*starts[group : group + 2].tolist())
    rewards = rewards_B[place]
    given = rows.numbers("advantage")[place]
    digits = Digits(rewards - rewards.mean())
    told: dict[str, Any] = {"mean": mean_of(rewards, digits), "formula": "", "each": None, "notes": [], "why": None}
    if np.isnan(given).any():
        return told | {"why": "Nothing is learned from these responses, so they are not compared."}
    if recipe.stage == "distill":
        return told | _by_teacher(rows.group(group), given)
    if recipe.stage not in BY_REWARDS:
        return told | {"why": f"A stage {recipe.stage!r} does not compare rewards."}
    if len(rewards) < 2:
        return told | {"why": "A group of one has no average to differ from."}
    settings = recipe.advantage
    weights = weights_of(recipe)
    case = Case(rewards_B, starts, group, rows.parts, weights, settings.k, settings.threshold)
    written = ESTIMATORS[settings.estimator](case)
    if not np.allclose(written.values, given, rtol=CLOSE, atol=CLOSE):
        return told | {"formula": written.formula, "why": "What was recorded is not what the recipe's estimator gives."}
    why = " ".join(part for part in (written.why, of_tokens(recipe)) if part)
    return told | {
        "formula": written.formula,
        "each": equations(written, digits),
        "notes": written.notes(digits),
        "why": why or None,
    }


def equations(written: Written, digits: Digits) -> list[str]:
    """One for each response, with what it comes to."""
    left = written.each(digits)
    return [f"{side} = {digits.signed(value)}" for side, value in zip(left, written.values, strict=True)]


def mean_of(rewards: np.ndarray, digits: Digits) -> str:
    """The average of a group as a sum. "(1.0 + 0.8 + 0.2) / 3 = 0.667" """
    terms = [digits(one) for one in rewards]
    if len(terms) > TERMS:
        terms = [*terms[: TERMS - 3], "...", *terms[-2:]]
    return f"({' + '.join(terms)}) / {len(rewards)} = {digits(float(rewards.mean()))}"


def sum_of(parts: dict[str, float | None], weights: dict[str, float], value: float) -> str:
    """A reward as the weighted sum of its parts, without those that do not count.

    >>> sum_of({"accuracy": 1.0, "brevity": 0.5, "judge": None}, {"accuracy": 0.6, "brevity": 0.2, "judge": 1.0}, 0.7)
    '0.6 x 1 + 0.2 x 0.5 = 0.7'
    """
    counted = {name: part for name, part in parts.items() if part is not None and weights.get(name)}
    terms = [f"{_plain(weights[name])} x {_plain(part)}" for name, part in counted.items()]
    return f"{' + '.join(terms) or '0'} = {value:.6g}"


def _plain(value: float) -> str:
    return f"{value:.6g}" if value >= 0 else f"({value:.6g})"


def of_tokens(recipe: Recipe) -> str:
    """What makes tokens learn from another advantage than their response was given; empty where nothing does."""
    objective, said = recipe.objective, ""
    if objective.kl > 0 and objective.kl_place == "to_go":
        said = f"Each token's own is less by {objective.kl:g} x the KL from it to the response's end."
    if recipe.advantage.whiten_tokens:
        said += " " * bool(said) + (
            "What the tokens learn from is measured once more by mean and spread over all tokens of the step, in which "
            "long responses have more say."
        )
    return said


def _by_teacher(rows: Rows, given: np.ndarray) -> dict[str, Any]:
    formula = (
        "No rewards are compared: the mean, over the tokens of a response, of the teacher's log-probability less the "
        "student's."
    )
    teacher, student, sampled = (rows.tokens(name) for name in ("reference_logprobs", "logprobs", "sampled"))
    found = [
        (float("nan"), float("nan")) if one is None or other is None or some is None else _means(one, other, some)
        for one, other, some in zip(teacher, student, sampled, strict=True)
    ]
    values = np.array([one - other for one, other in found])
    if not np.allclose(values, given, rtol=CLOSE, atol=CLOSE):
        return {"formula": formula, "why": "What the teacher said of these tokens was not recorded."}
    digits = Digits(values)
    each = [
        f"{digits(one)} - {digits(other)} = {digits.signed(value)}"
        for (one, other), value in zip(found, values, strict=True)
    ]
    return {"formula": formula, "each": each, "why": "Every token has its own advantage; these are their means."}


def _means(teacher: np.ndarray, student: np.ndarray, sampled: np.ndarray) -> tuple[float, float]:
    drawn = sampled.astype(bool)
    return float(teacher[drawn].mean(dtype=np.float64)), float(student[drawn].mean(dtype=np.float64))

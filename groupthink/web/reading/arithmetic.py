"""The comparison of a group, written out: its average, and how the advantage of each response came about."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from groupthink.recipe import BY_REWARDS, Recipe
from groupthink.web.reading.estimators import ESTIMATORS
from groupthink.web.reading.rows import Rows
from groupthink.web.reading.settings import weights_of
from groupthink.web.reading.truth import holds
from groupthink.web.reading.written import Case, Digits, Written

TERMS = 12
"""Rewards of a sum that are written out, at most; of more the first and the last."""

FINER = 6
"""By how many decimals more than a result, at most, what it comes from is written."""

CLOSE = 1e-5
"""By how much, and by what share, an advantage that was recorded may differ from what is written: parts and rewards are
kept as they were computed."""


def write_out(rows: Rows, group: int, recipe: Recipe) -> dict[str, Any]:
    """The arithmetic of one group of a step, whose responses all `rows` are, in the order of its rows.

    {"mean": "(1.0 + 0.8 + 0.2) / 3 = 0.667", "formula": "Each reward less the group's average.",
     "each": ["1.0 - 0.667 = +0.333", ...] or None, "notes": [...], "why": None or what else is to be known}

    Its figures have as many decimals as make every equation true of the figures that stand in it.
    """
    rewards_B, starts = rows.numbers("reward"), rows.starts
    place = slice(*starts[group : group + 2].tolist())
    rewards = rewards_B[place]
    given = rows.numbers("advantage")[place]
    differences = rewards - rewards.mean()
    digits = true_digits(differences, lambda digits: [mean_of(rewards, digits)])
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
    digits = true_digits(
        differences,
        lambda digits: [mean_of(rewards, digits), *equations(written, digits), *written.notes(digits)],
    )
    return told | {
        "mean": mean_of(rewards, digits),
        "formula": written.formula,
        "each": equations(written, digits),
        "notes": written.notes(digits),
        "why": why or None,
    }


def true_digits(values: np.ndarray, write: Callable[[Digits], Sequence[str]]) -> Digits:
    """The fewest for which all that is written with them is true as it stands; where none are, the most."""
    found = [Digits(values, finer) for finer in range(FINER + 1)]
    return next((digits for digits in found if all(holds(line, digits.decimals) for line in write(digits))), found[-1])


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

    def write(digits: Digits) -> list[str]:
        terms = [
            f"{_bracketed(f'{weights[name]:.6g}')} x {_bracketed(digits.plain(part))}" for name, part in counted.items()
        ]
        return [f"{' + '.join(terms) or '0'} = {digits.plain(value, result=True)}"]

    return write(true_digits(np.array([value]), write))[0]


def rewards_of(parts: dict[str, np.ndarray], weights: dict[str, float], rewards: np.ndarray) -> list[dict[str, Any]]:
    """For each response its reward, and what each part of it counts for, written out; None for a part that does not.

    {"reward": "0.7", "parts": {"accuracy": {"value": "1", "weight": "0.6", "share": "0.6"}, "judge": None}}
    """

    def write(digits: Digits) -> list[dict[str, Any]]:
        return [
            {
                "reward": digits.plain(reward, result=True),
                "parts": {name: _share(column[row], weights.get(name), digits) for name, column in parts.items()},
            }
            for row, reward in enumerate(rewards.tolist())
        ]

    counted = {name: np.nan_to_num(column) * weights.get(name, 1.0) for name, column in parts.items()}
    sums = sum(counted.values(), np.zeros(len(rewards)))
    comes_to = np.isclose(sums, rewards, rtol=CLOSE, atol=CLOSE).tolist()  # another recipe's would not
    return write(
        true_digits(
            rewards,
            lambda digits: [
                line for one, same in zip(write(digits), comes_to, strict=True) for line in _lines_of(one, same)
            ],
        )
    )


def _share(value: float, weight: float | None, digits: Digits) -> dict[str, str | None] | None:
    if np.isnan(value):
        return None
    share = value if weight is None else value * weight
    said = None if weight is None else f"{weight:.6g}"
    return {"value": digits.plain(value), "weight": said, "share": digits.plain(share)}


def _lines_of(written: dict[str, Any], whole: bool) -> list[str]:
    """The equations that one reward is: its products, and, where they are the `whole` of it, their sum."""
    there = [part for part in written["parts"].values() if part is not None]
    products = [f"{one['value']} x {one['weight']} = {one['share']}" for one in there if one["weight"] is not None]
    total = " + ".join(f"({one['share']})" for one in there) or "0"
    return [*products, f"{total} = {written['reward']}"] if whole else products


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


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

"""The arithmetic of each estimator, in figures that a reader can check: what `groupthink.advantage` computes, anew.

Each is a function of a `Case` that gives `Written`: its words, and for each response of the group an equation.
"""

from collections.abc import Callable
from math import comb

import numpy as np

from groupthink.web.reading.written import Case, Digits, Written, centered, spread

EPSILON = 1e-4
"""What is added to a standard deviation before it divides."""


def center(case: Case) -> Written:
    def each(digits: Digits) -> list[str]:
        return [f"{digits(one)} - {digits(case.mean)}" for one in case.rewards]

    return Written("Each reward less the group's average.", case.centered, each)


def standardize(case: Case) -> Written:
    std = spread(case.rewards)
    return Written(
        "Each reward less the group's average, divided by the group's standard deviation (n - 1) plus 0.0001.",
        case.centered / (std + EPSILON),
        _divided(case, case.mean, std),
        notes=lambda digits: [f"standard deviation of the group = {digits(std)}"],
    )


def leave_one_out(case: Case) -> Written:
    responses = len(case.rewards)
    others = (case.rewards.sum() - case.rewards) / (responses - 1)

    def each(digits: Digits) -> list[str]:
        return [f"{digits(one)} - {digits(other)}" for one, other in zip(case.rewards, others, strict=True)]

    formula = f"Each reward less the average of the other {responses - 1}, in which it has no part."
    return Written(formula, case.centered * (responses / (responses - 1)), each)


def rank(case: Case) -> Written:
    rewards, responses = case.rewards, len(case.rewards)
    below = (rewards[None, :] < rewards[:, None]).sum(axis=1)
    level = (rewards[None, :] == rewards[:, None]).sum(axis=1)
    ranks = below + (level + 1) / 2
    middle = (responses + 1) / 2

    def each(digits: Digits) -> list[str]:
        return [f"({one:g} - {middle:g}) / {responses - 1}" for one in ranks]

    formula = (
        f"The place of each reward among the {responses} (1 is the worst, equal ones share their mean), less the mean "
        f"place {middle:g}, divided by {responses - 1}."
    )
    return Written(formula, (ranks - middle) / (responses - 1), each)


def maxrl(case: Case) -> Written:
    formula = "Each reward less the group's average, divided by that average."
    if case.mean <= EPSILON:
        return _nothing(case, f"{formula} Here the average is not above 0.0001: the group gives 0.")

    def each(digits: Digits) -> list[str]:
        return [f"({digits(one)} - {digits(case.mean)}) / {digits(case.mean)}" for one in case.rewards]

    return Written(formula, case.centered / case.mean, each)


def pass_at_k(case: Case) -> Written:
    k, n = case.k, len(case.rewards)
    right = case.rewards >= case.threshold
    wrong = int(n - right.sum())
    words = (
        f"{wrong} of {n} responses are wrong (a reward below {case.threshold:g}). A set of {k} responses passes if one "
        "in it is right; each response is compared by the sets that it is in."
    )
    share = comb(wrong, k) / comb(n, k)
    if share in (0.0, 1.0):
        return _nothing(case, f"{words} Every set {'fails' if share else 'passes'}: the group gives 0.")
    std = float(np.sqrt(share * (1 - share)))
    with_one = comb(wrong - 1, k - 1) / comb(n - 1, k - 1) if wrong else 0.0

    def each(digits: Digits) -> list[str]:
        f, s, g = digits(share), digits(std), digits(with_one)
        return [f"{f} / {s}" if one else f"({f} - {g}) / {s}" for one in right]

    def notes(digits: Digits) -> list[str]:
        return [
            f"share of sets that fail = C({wrong}, {k}) / C({n}, {k}) = {digits(share)}",
            f"of those with one wrong response = C({wrong - 1}, {k - 1}) / C({n - 1}, {k - 1}) = {digits(with_one)}",
            f"standard deviation = sqrt({digits(share)} x (1 - {digits(share)})) = {digits(std)}",
        ]

    values = np.where(right, share, share - with_one) / std
    return Written(f"{words} The share of sets that fail, over the standard deviation.", values, each, notes=notes)


def batch_std(case: Case) -> Written:
    std = spread(case.rewards_B)
    return Written(
        "Each reward less the group's average, divided by the standard deviation of all rewards of the step plus "
        "0.0001.",
        case.centered / (std + EPSILON),
        _divided(case, case.mean, std),
        case.across,
        lambda digits: [f"standard deviation of all rewards = {digits(std)}"],
    )


def reinforce_pp(case: Case) -> Written:
    std = spread(case.centered_B)
    return Written(
        "Each reward less the group's average, divided by the standard deviation of all such differences of the step "
        "plus 0.0001.",
        case.centered / (std + EPSILON),
        _divided(case, case.mean, std),
        case.across,
        lambda digits: [f"standard deviation of all differences = {digits(std)}"],
    )


def whiten(case: Case) -> Written:
    mean = float(case.rewards_B.mean())
    every = centered(case.rewards_B)
    std = spread(every)
    return Written(
        "Each reward less the average of all rewards of the step, divided by their standard deviation plus 0.0001: the "
        "group does not matter.",
        every[case.place] / (std + EPSILON),
        _divided(case, mean, std),
        f"Average and spread are those of all {len(every)} rewards of the step.",
        lambda digits: [f"average of all rewards = {digits(mean)}", f"standard deviation of them = {digits(std)}"],
    )


def gdpo(case: Case) -> Written:
    weights = {name: weight for name, weight in case.weights.items() if weight and name in case.parts}
    shares = {name: case.by_group(case.parts[name], _standardized) for name in weights}
    sums_B = np.zeros(len(case.rewards_B))
    for name, share in shares.items():
        sums_B += weights[name] * share
    std = spread(sums_B)

    def each(digits: Digits) -> list[str]:
        rows = range(case.place.start, case.place.stop)
        sums = (
            " + ".join(f"{digits(weights[name])} x {digits(share[row])}" for name, share in shares.items())
            for row in rows
        )
        return [f"({one}) / ({digits(std)} + 0.0001)" for one in sums]

    return Written(
        "Each part of the reward less its average in the group, divided by its standard deviation there plus 0.0001; "
        "their weighted sum, divided by the standard deviation of all such sums of the step plus 0.0001.",
        sums_B[case.place] / (std + EPSILON),
        each,
        f"Weighed in this order: {', '.join(weights)}. {case.across}",
        lambda digits: [*_of_parts(case, weights, digits), f"standard deviation of all sums = {digits(std)}"],
    )


def reward(case: Case) -> Written:
    return Written(
        "The reward itself: nothing is taken off.",
        case.rewards,
        lambda digits: [digits(one) for one in case.rewards],
    )


ESTIMATORS: dict[str, Callable[[Case], Written]] = {
    "center": center,
    "standardize": standardize,
    "leave_one_out": leave_one_out,
    "rank": rank,
    "maxrl": maxrl,
    "pass_at_k": pass_at_k,
    "batch_std": batch_std,
    "reinforce_pp": reinforce_pp,
    "whiten": whiten,
    "gdpo": gdpo,
    "reward": reward,
}


def _divided(case: Case, mean: float, std: float) -> Callable[[Digits], list[str]]:
    def each(digits: Digits) -> list[str]:
        return [f"({digits(one)} - {digits(mean)}) / ({digits(std)} + 0.0001)" for one in case.rewards]

    return each


def _nothing(case: Case, formula: str) -> Written:
    return Written(formula, np.zeros(len(case.rewards)), lambda digits: ["0.0"] * len(case.rewards))


def _standardized(values: np.ndarray) -> np.ndarray:
    """One part over a group: less its mean, by its standard deviation; 0 where it does not count."""
    there = ~np.isnan(values)
    if there.sum() < 2:
        return np.zeros(len(values))
    some = centered(values[there])
    found = np.zeros(len(values))
    found[there] = some / (np.sqrt((some**2).sum() / (len(some) - 1)) + EPSILON)
    return found


def _of_parts(case: Case, weights: dict[str, float], digits: Digits) -> list[str]:
    lines = []
    for name in weights:
        values = case.parts[name][case.place]
        some = values[~np.isnan(values)]
        if len(some):
            std = spread(some) if len(some) > 1 else 0.0
            lines.append(f"{name}: average {digits(float(some.mean()))}, standard deviation {digits(std)}")
    return lines

"""A group: one problem's responses, side by side, and all that came of comparing them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.recipe import BY_REWARDS, Recipe
from groupthink.web.reading.arithmetic import rewards_of, sum_of, write_out
from groupthink.web.reading.chains import asked, chain_of, opening_of
from groupthink.web.reading.numbers import known, mean_of
from groupthink.web.reading.pieces import decoded
from groupthink.web.reading.places import own_name
from groupthink.web.reading.rows import Rows, read_rows, recorded_steps
from groupthink.web.reading.settings import differs_by_token, recipe_of, weights_of

LARGEST_LOG_RATIO = 20.0
"""Past it a ratio says no more; the objective holds it there, too."""

COLUMNS = (
    *("problem", "task", "prompt", "prompt_ids", "expected", "response", "text", "finish", "reward", "parts"),
    *("extracted", "note", "advantage", "token_ids", "sampled", "version", "logprobs", "drawn_logprobs", "advantages"),
    *("learner_logprobs", "reference_logprobs", "entropies", "clipped", "change"),
)


def read_group(place: Path, step: int, group: int, name: str | None = None) -> dict[str, Any]:
    """The group at a place of a step. `name`: what the run is called.

    Raises LookupError where there is no such step or group, ValueError where its file cannot be read.
    """
    rows = read_rows(place, step, COLUMNS)
    return described(place, rows, step, group, name or own_name(place))


def described(place: Path, rows: Rows, step: int, group: int, name: str) -> dict[str, Any]:
    """The same of a step whose responses `rows` are."""
    require_group(rows, step, group)
    recipe, some = recipe_of(place), rows.group(group)
    steps = recorded_steps(place) or [step]
    rewards = some.numbers("reward")
    live = gradient_of(some, recipe)
    found = _responses(place, some, recipe)
    entries = [found[row] for row in _order(some)]
    told = write_out(rows, group, recipe)
    if told["each"] is not None:
        told["each"] = [told["each"][entry["response"]] for entry in entries]
    return {
        "run": name,
        "step": step,
        "group": group,
        "groups": len(rows.starts) - 1,
        "first": steps[0],
        "last": steps[-1],
        "problem": some.value("problem", 0),
        "task": some.value("task", 0),
        "prompt": asked(some.value("prompt", 0) or ""),
        "expected": some.value("expected", 0),
        "estimator": recipe.advantage.estimator if recipe.stage in BY_REWARDS else None,
        "mean": known(rewards.mean()),
        "gradient": bool(live.any()),
        "why_none": None if live.any() else why_none(some, recipe),
        "arithmetic": told,
        "traced": {"groups": traced_groups(rows), "most": recipe.policy.traced_groups},
        "responses": entries,
    }


def traced_groups(rows: Rows) -> list[int]:
    """The groups of a step of which was measured what the update did to their responses."""
    seen = np.array([one is not None and bool(np.isfinite(one).any()) for one in rows.tokens("change")], bool)
    return np.flatnonzero(np.logical_or.reduceat(seen, rows.starts[:-1])).tolist() if len(seen) else []


def require_group(rows: Rows, step: int, group: int) -> None:
    """Raise LookupError where a step has no such group."""
    groups = len(rows.starts) - 1
    if not 0 <= group < groups:
        raise LookupError(f"step {step} has no group {group}: it has {groups}, counted from 0")


def gradient_of(rows: Rows, recipe: Recipe) -> np.ndarray:
    """Of each response, whether its advantage moves the policy: whether it is not 0, and counts."""
    values = np.nan_to_num(rows.numbers("advantage"))
    if differs_by_token(recipe) and rows.has("advantages"):
        values = np.array([0 if one is None else np.abs(one).max(initial=0) for one in rows.tokens("advantages")])
    if recipe.objective_of_stage.overlong == "masked":
        values = np.where([finish == "length" for finish in rows.values("finish")], 0, values)
    return values != 0


def why_none(rows: Rows, recipe: Recipe) -> str:
    """Why a group, whose responses `rows` are, has no gradient."""
    if not rows.has("advantage"):
        return f"Nothing is learned from these responses: a stage {recipe.stage!r} only draws and judges them."
    rewards, advantages = rows.numbers("reward"), rows.numbers("advantage")
    estimator, objective = recipe.advantage.estimator, recipe.objective_of_stage
    if advantages.any():
        why = "The responses that differ were cut, and objective.overlong leaves cut ones out."
    elif (rewards == rewards[0]).all():
        why = f"All {len(rewards)} responses earned {rewards[0]:.3g}, so each is exactly the average."
    elif estimator == "pass_at_k":
        why = f"Every set of {recipe.advantage.k} responses passes, or none does."
    elif estimator == "maxrl":
        why = "The average reward is not above 0.0001, by which the estimator would divide."
    else:
        why = "No reward differs from the average."
    if objective.kl > 0 and objective.kl_place == "loss":
        return f"{why} Only the KL term, which holds every token near the reference, still moves the policy."
    return why


def _order(rows: Rows) -> list[int]:
    """The rows by advantage, the highest first; where there is none, by reward."""
    advantages, rewards = np.nan_to_num(rows.numbers("advantage")), np.nan_to_num(rows.numbers("reward"))
    order: list[int] = np.lexsort((np.arange(len(rows)), -rewards, -advantages)).tolist()
    return order


def _responses(place: Path, rows: Rows, recipe: Recipe) -> list[dict[str, Any]]:
    """An entry for each response, in the order of the rows."""
    prompts = rows.tokens("prompt_ids")
    opening = opening_of(place, [] if prompts[0] is None else prompts[0].tolist())
    weights, columns = weights_of(recipe), rows.parts
    texts, finishes = rows.values("text"), rows.values("finish")
    plain = {name: rows.values(name) for name in ("note", "extracted")}
    rewards, advantages, right = rows.numbers("reward"), rows.numbers("advantage"), rows.right
    means, written = token_means(rows), rewards_of(columns, weights, rewards)
    entries = []
    for row in range(len(rows)):
        chain = chain_of(texts[row] or "", opening)
        parts = {name: known(column[row]) for name, column in columns.items()}
        reward = known(rewards[row])
        entries.append(
            {
                "response": row,
                "text": texts[row],
                "reasoning": chain.reasoning,
                "answer": chain.answer,
                "formed": chain.well_formed,
                "finish": finishes[row],
                "length": int(rows.lengths[row]),
                "reward": reward,
                "parts": parts,
                "written": None if reward is None else written[row],
                "sum": None if reward is None else sum_of(parts, weights, rewards[row]),
                **{name: values[row] for name, values in plain.items()},
                "right": None if np.isnan(right[row]) else bool(right[row]),
                "advantage": known(advantages[row]),
                **means[row],
                "turns": _turns(place, rows, row),
            }
        )
    return entries


def token_means(rows: Rows) -> list[dict[str, Any]]:
    """What the tokens of each response that the policy drew come to: means in nats, shares, versions.

    The learner's log-probabilities are those of its first look at each token: where a step makes several updates, later
    ones have moved already. `change` is measured from before the first to after the last, of traced groups.
    """
    names = ("logprobs", "drawn_logprobs", "learner_logprobs", "reference_logprobs", "entropies", "clipped", "change")
    columns = {name: rows.tokens(name) for name in names}
    sampled, versions, advantages = rows.tokens("sampled"), rows.tokens("version"), rows.tokens("advantages")
    found = []
    for row, there in enumerate(sampled):
        drawn = np.zeros(0, bool) if there is None else there.astype(bool)

        def of(name: str, row: int = row, drawn: np.ndarray = drawn) -> np.ndarray:
            values = columns[name][row]
            return np.full(0, np.nan) if values is None else values[drawn].astype(np.float64)

        learner, reference, change = of("learner_logprobs"), of("reference_logprobs"), of("change")
        before, moved, version = mean_of(learner), mean_of(change), versions[row]
        seen, learned = bool(np.isfinite(learner).any()), advantages[row]
        found.append(
            {
                "logprob": before,
                "change": moved,
                "change_sum": known(change[np.isfinite(change)].sum()) if moved is not None else None,
                "kl": mean_of(k3(learner, reference)) if len(learner) == len(reference) else None,
                "entropy": mean_of(of("entropies")),
                "clipped": mean_of(of("clipped")) if seen else None,
                "learned": None if learned is None else mean_of(learned[drawn]),
                "drawn": mean_of(of("drawn_logprobs")),
                "versions": [] if version is None else sorted({int(one) for one in version[drawn].tolist()}),
            }
        )
    return found


def k3(logprobs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """pi_ref / pi - log(pi_ref / pi) - 1 of each token: the estimate of KL whose mean a run's metrics have."""
    log_ratio = np.minimum(reference - logprobs, LARGEST_LOG_RATIO)
    return np.exp(log_ratio) - log_ratio - 1


def _turns(place: Path, rows: Rows, row: int) -> list[dict[str, Any]] | None:
    """Where a task replied to the policy: the policy's turns and the replies; None where there is one turn."""
    sampled, token_ids = rows.tokens("sampled")[row], rows.tokens("token_ids")[row]
    if sampled is None or token_ids is None or sampled.all():
        return None
    bounds = [0, *(np.flatnonzero(np.diff(sampled.astype(np.int8))) + 1).tolist(), len(sampled)]
    turns = []
    for first, end in pairwise(bounds):
        text = decoded(place, token_ids[first:end].tolist())
        if text is None:
            return None
        turns.append({"who": "policy" if sampled[first] else "task", "text": text})
    return turns

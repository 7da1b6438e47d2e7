"""A response token by token: how likely each was to the engine, the learner and the reference, and what it learned."""

from pathlib import Path
from typing import Any

import numpy as np

from groupthink.web.reading.groups import COLUMNS, LARGEST_LOG_RATIO, described, k3
from groupthink.web.reading.numbers import known
from groupthink.web.reading.pieces import pieces_of
from groupthink.web.reading.places import own_name
from groupthink.web.reading.rows import Rows, read_rows

EXACT, IDS = "exact", "ids"
"""Whether the text of the tokens is theirs, or, without a tokenizer, their numbers."""


def read_response(place: Path, step: int, group: int, response: int, name: str | None = None) -> dict[str, Any]:
    """One response of a group, by its place there, as the group has it, and its tokens. Errors as `read_group`."""
    rows = read_rows(place, step, COLUMNS)
    whole = described(place, rows, step, group, name or own_name(place))
    found = [entry for entry in whole["responses"] if entry["response"] == response]
    if not found:
        raise LookupError(f"group {group} of step {step} has no response {response}: it has {len(whole['responses'])}")
    arithmetic = whole["arithmetic"]
    place_there = whole["responses"].index(found[0])
    about = ("run", "step", "group", "groups", "first", "last", "problem", "task", "prompt", "expected", "estimator")
    tokens, pieces = tokens_of(place, rows.group(group), response)
    return {
        **{key: whole[key] for key in about},
        **found[0],
        "responses": len(whole["responses"]),
        "order": [entry["response"] for entry in whole["responses"]],
        "equation": None if arithmetic["each"] is None else arithmetic["each"][place_there],
        "tokens": tokens,
        "pieces": pieces,
    }


def tokens_of(place: Path, rows: Rows, row: int) -> tuple[dict[str, list[Any]], str]:
    """The columns of a response's tokens, and whether their text is known. What is not known of a token is None."""
    ids = rows.tokens("token_ids")[row]
    token_ids = [] if ids is None else ids.tolist()
    sampled = _column(rows, "sampled", row, len(token_ids)) == 1
    text = pieces_of(place, token_ids)

    def of(name: str) -> np.ndarray:
        """NaN for tokens that the policy did not draw: what is kept of those means nothing."""
        return np.where(sampled, _column(rows, name, row, len(token_ids)), np.nan)

    logprobs, learner, reference = of("logprobs"), of("learner_logprobs"), of("reference_logprobs")
    clipped = np.where(np.isnan(learner), np.nan, of("clipped"))
    versions = of("version")
    figures = {
        "logprob": logprobs,
        "learner_logprob": learner,
        "reference_logprob": reference,
        "ratio": np.exp(np.clip(learner - logprobs, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)),
        "kl": k3(learner, reference),
        "entropy": of("entropies"),
        "advantage": of("advantages"),
        "change": of("change"),
    }
    columns: dict[str, list[Any]] = {
        "id": token_ids,
        "text": [f"[{token}]" for token in token_ids] if text is None else text,
        "sampled": sampled.tolist(),
        **{name: [known(value) for value in values.tolist()] for name, values in figures.items()},
        "clipped": [None if np.isnan(value) else bool(value) for value in clipped],
        "version": [None if np.isnan(value) else int(value) for value in versions],
    }
    return columns, IDS if text is None else EXACT


def _column(rows: Rows, name: str, row: int, length: int) -> np.ndarray:
    """A column of a response's tokens as float64; NaN where it is not known."""
    values = rows.tokens(name)[row]
    return np.full(length, np.nan) if values is None else values.astype(np.float64)

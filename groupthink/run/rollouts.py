"""Every response of a step as a row of a table: what was sampled, how it was judged, what was learned from it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from groupthink.records import Batch, Group, Message, Problem, Report, Score
from groupthink.run.printable import storable

NEEDED = ("problem", "response", "text", "reward", "sampled")
"""Columns that every file has, whatever its stage."""

_FLOATS, _IDS, _FLAGS = pa.list_(pa.float32()), pa.list_(pa.int64()), pa.list_(pa.bool_())


def rollout_table(
    groups: Sequence[Group],
    scores: Sequence[Sequence[Score]],
    advantages_PG: np.ndarray,
    batch: Batch,
    report: Report,
) -> pa.Table:
    """P*G rows. Columns of lists hold one value a token of the response, in nats where they are logarithms,
    and null where the learner did not compute them. `change` is what the update really did to each
    log-probability, for the responses that were traced. `advantage` is what the estimator gave the response,
    `advantages` what its tokens learned from: KL to go and whitening can make that another.
    """
    rows = [
        _row(group, score, place)
        | {"group_mean": float(np.mean([one.value for one in group_scores])), "advantage": float(advantage)}
        for group, group_scores, advantages_G in zip(groups, scores, advantages_PG, strict=True)
        for place, (score, advantage) in enumerate(zip(group_scores, advantages_G, strict=True))
    ]
    assert len(rows) == len(batch.starts) - 1, "a batch holds every response, in order"
    for row, start, end in zip(rows, batch.starts[:-1], batch.starts[1:], strict=True):
        row |= {"advantages": batch.advantages_M[start:end], **_learned(report, slice(start, end))}
    return pa.Table.from_pylist(rows, schema=schema(_names(scores)))


def sampled_table(groups: Sequence[Group], scores: Sequence[Sequence[Score]]) -> pa.Table:
    """The same of responses that nothing is learned from: without the columns that say what was."""
    rows = [
        _row(group, score, place)
        for group, group_scores in zip(groups, scores, strict=True)
        for place, score in enumerate(group_scores)
    ]
    columns = [column for column in schema(_names(scores)) if column.name in rows[0]]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def _names(scores: Sequence[Sequence[Score]]) -> list[str]:
    """Those of the parts of the reward."""
    return list(dict.fromkeys(name for group in scores for score in group for name in score.parts))


def schema(rewards: Sequence[str]) -> pa.Schema:
    """The columns, with a struct of the parts of the reward."""
    return pa.schema(
        {
            "problem": pa.string(),
            "task": pa.string(),
            "prompt": pa.string(),
            "prompt_ids": _IDS,
            "expected": pa.string(),
            "response": pa.int64(),  # its place in the group
            "text": pa.string(),
            "finish": pa.string(),
            "seed": pa.int64(),
            "reward": pa.float64(),
            "parts": pa.struct({name: pa.float64() for name in rewards}),
            "extracted": pa.string(),
            "note": pa.string(),
            "group_mean": pa.float64(),
            "advantage": pa.float64(),
            "token_ids": _IDS,
            "sampled": _FLAGS,
            "version": _IDS,
            "logprobs": _FLOATS,
            "drawn_logprobs": _FLOATS,
            "advantages": _FLOATS,
            "learner_logprobs": _FLOATS,
            "reference_logprobs": _FLOATS,
            "entropies": _FLOATS,
            "clipped": _FLAGS,
            "change": _FLOATS,
        }
    )


def require_rollouts(found: pa.Schema, file: Path) -> None:
    """Raise ValueError where a file's columns are none that the responses of a step have: anybody may have written it.

    Columns that nothing is shown without must be there, and what is there must be of its type.
    """
    names = found.names
    for name in NEEDED:
        if name not in names:
            raise ValueError(f"{file} has no column {name}: it does not hold the responses of a step")
    for name, kind in zip(names, found.types, strict=True):
        fits = _is_parts(kind) if name == "parts" else kind == KINDS.get(name, kind)
        if not fits or names.count(name) > 1:
            raise ValueError(f"{file} has a column {name} of type {kind}: it does not hold the responses of a step")


KINDS = {column.name: column.type for column in schema(())}
"""The type of each column, but for `parts`, which differs by recipe."""


def _is_parts(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and all(part.type == pa.float64() for part in kind)


def _row(group: Group, score: Score, place: int) -> dict:
    response = group.responses[place]
    return {
        "problem": storable(group.problem.id),
        "task": group.problem.task,
        "prompt": storable(prompt_text(group.problem)),
        "prompt_ids": group.prompt_ids,
        "expected": None if group.problem.answer is None else storable(group.problem.answer),
        "response": place,
        "text": storable(response.text),
        "finish": response.finish,
        "seed": response.seed,
        "reward": score.value,
        "parts": dict(score.parts),
        "extracted": None if score.extracted is None else storable(score.extracted),
        "note": storable(score.note),
        "token_ids": response.token_ids_T,
        "sampled": response.sampled_T,
        "version": response.versions_T,
        "logprobs": response.logprobs_T,
        "drawn_logprobs": response.drawn_logprobs_T,
    }


def _learned(report: Report, tokens: slice) -> dict:
    return {
        "learner_logprobs": _known(report.learner_logprobs_M, tokens),
        "reference_logprobs": _known(report.reference_logprobs_M, tokens),
        "entropies": _known(report.entropies_M, tokens),
        "clipped": report.clipped_M[tokens],
        "change": _known(report.change_M, tokens),
    }


def _known(values_M: np.ndarray | None, tokens: slice) -> np.ndarray | None:
    """The values of one response; None where none of them was computed."""
    return None if values_M is None or np.isnan(values_M[tokens]).all() else values_M[tokens]


def prompt_text(problem: Problem) -> str:
    """The prompt as one text; chat messages as JSON."""
    return problem.prompt if isinstance(problem.prompt, str) else as_text(problem.prompt)


def as_text(messages: Sequence[Message]) -> str:
    """Chat messages as JSON."""
    return json.dumps([dict(message) for message in messages])

"""How long responses are, of which few were seen, and what they come to."""

from collections.abc import Sequence

import numpy as np

from groupthink.insight.plan.shape import ModelShape
from groupthink.insight.plan.workload import operations
from groupthink.records import Group, Score

STOPS = 8
"""Responses that ended by themselves, from which a mean length may be reckoned."""

PREFERRED = 8
"""Responses that are better than their group's average, from which a length may be reckoned."""

LONGER = 1.1
"""How many times as long responses become, or as short, before it is worth saying."""


def mean_length(groups: Sequence[Group], asked: int, limit: int, *, seen: bool) -> tuple[float, bool]:
    """Tokens of a response on average, and whether the model's own say so.

    Where responses were cut earlier than a run would, an end is taken to be as likely at every token as it was in those
    that were seen: with r ends a token and a limit of L, the mean is (1 - (1 - r)^L) / r.
    """
    responses = [response for group in groups for response in group.responses]
    lengths, ends = [len(response) for response in responses], sum(one.finish == "stop" for one in responses)
    if not seen:
        return float(limit), False
    if asked >= limit or ends == len(responses):
        return float(np.mean(lengths)), True
    if ends < STOPS:
        return float(limit), False
    rate = ends / sum(lengths)
    return (1 - (1 - rate) ** limit) / rate, True


def lengths_of(groups: Sequence[Group], limit: int) -> tuple[int, ...]:
    """Tokens of responses, where none was cut earlier than a run would."""
    if not to_their_end(groups, limit):
        return ()
    return tuple(len(response) for group in groups for response in group.responses)


def to_their_end(groups: Sequence[Group], limit: int) -> bool:
    """Whether no response was cut earlier than a run would."""
    responses = [response for group in groups for response in group.responses]
    return all(response.finish == "stop" or len(response) == limit for response in responses)


def preferred_length(groups: Sequence[Group], scores: Sequence[Sequence[Score]], now: float, notes: list[str]) -> float:
    """Tokens of the responses that the rewards prefer, which those of a run will soon be; `now` where these are few.

    Each response that is better than its group's average counts by how much it is: so the policy's gradient weighs it.
    """
    better: list[float] = []
    lengths: list[int] = []
    for group, judged in zip(groups, scores, strict=True):
        average = float(np.mean([score.value for score in judged]))
        better += [max(0.0, score.value - average) for score in judged]
        lengths += [len(response) for response in group.responses]
    if sum(each > 0 for each in better) < PREFERRED:
        return now
    preferred = float(np.average(lengths, weights=better))
    if not 1 / LONGER <= preferred / now <= LONGER:
        notes.append(
            f"responses have {now:.0f} tokens now, and those that the rewards prefer {preferred:.0f}: the plan goes by "
            "these, for a run soon writes as they are"
        )
    return preferred


def count_of(shape: ModelShape, groups: Sequence[Group]) -> float:
    """Operations of a forward pass over these groups."""
    lengths = [[len(response) for response in group.responses] for group in groups]
    return operations(shape, [len(group.prompt_ids) for group in groups], lengths)

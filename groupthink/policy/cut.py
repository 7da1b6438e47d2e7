"""Which responses of a batch are computed, which make one update, by whom, and which are computed together.

Responses are named by their indices, in rising order; tokens by their places in the batch.
"""

from dataclasses import replace

import numpy as np

from groupthink.records import Batch


def split(batch: Batch, minibatches: int) -> list[np.ndarray]:
    """The responses of each of `minibatches` updates: whole groups where their number allows it.

    Parts are equal, so within each the weights of the batch are to be multiplied by `minibatches`.
    Raises ValueError where the responses cannot be dealt out equally.
    """
    responses = len(batch.group_B)
    if responses % minibatches:
        raise ValueError(
            f"policy.minibatches={minibatches} does not divide the {responses} responses of a step: "
            "choose a divisor of task.problems_per_step * rollout.group_size"
        )
    return np.split(np.arange(responses), minibatches)


def share(batch: Batch, responses: np.ndarray, processes: int) -> list[np.ndarray]:
    """Consecutive `responses` for each of `processes`, about equal in tokens; a share may be empty."""
    tokens = np.diff(batch.starts)[responses]
    middles = np.cumsum(tokens) - tokens / 2
    owners = (middles * processes / max(tokens.sum(), 1)).astype(int)
    return [responses[owners == process] for process in range(processes)]


def cut(batch: Batch, responses: np.ndarray, max_tokens: int) -> list[np.ndarray]:
    """Consecutive `responses` in parts of at most `max_tokens`, each prompt counted once in a part.

    A response that is longer than that by itself makes a part of its own.
    """
    lengths_B = np.diff(batch.starts)
    parts: list[list[int]] = []
    tokens, group = 0, -1
    for response in responses.tolist():
        new = int(lengths_B[response])
        prompt = len(batch.prompts[batch.group_B[response]])
        added = new if batch.group_B[response] == group else new + prompt
        if not parts or tokens + added > max_tokens:
            parts.append([])
            tokens, added = 0, new + prompt
        parts[-1].append(response)
        tokens, group = tokens + added, batch.group_B[response]
    return [np.array(part) for part in parts]


def tokens_of(batch: Batch, responses: np.ndarray) -> np.ndarray:
    """The places in the batch of the tokens of `responses`, response after response."""
    spans = [np.arange(batch.starts[response], batch.starts[response + 1]) for response in responses]
    return np.concatenate(spans) if spans else np.arange(0)


def take(batch: Batch, responses: np.ndarray) -> Batch:
    """The batch of these `responses` alone, with the prompts that they answer; weights stay as they are."""
    groups, group_B = np.unique(batch.group_B[responses], return_inverse=True)
    tokens = tokens_of(batch, responses)
    return replace(
        batch,
        prompts=tuple(batch.prompts[group] for group in groups),
        group_B=group_B,
        starts=np.concatenate([[0], np.cumsum(np.diff(batch.starts)[responses])]),
        token_ids_M=batch.token_ids_M[tokens],
        sampled_M=batch.sampled_M[tokens],
        old_logprobs_M=batch.old_logprobs_M[tokens],
        drawn_logprobs_M=batch.drawn_logprobs_M[tokens],
        advantages_M=batch.advantages_M[tokens],
        weights_M=batch.weights_M[tokens],
    )


def live_groups(batch: Batch) -> np.ndarray:
    """The groups that teach something: some advantage in them is not 0."""
    telling = batch.advantages_M != 0
    live_B = np.add.reduceat(telling, batch.starts[:-1]) > 0
    return np.unique(batch.group_B[live_B])


def responses_of(batch: Batch, groups: np.ndarray) -> np.ndarray:
    """The responses of `groups`."""
    return np.flatnonzero(np.isin(batch.group_B, groups))

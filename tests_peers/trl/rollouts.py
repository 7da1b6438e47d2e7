"""What both sides are given: two groups of three responses in a vocabulary of five tokens, in float64.

Responses differ in length, one holds tokens of a tool and one was cut off. Importance ratios run from 0.3 to 3, and
each problem has advantages of both signs.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LENGTHS_B = (3, 7, 5, 4, 6, 8)
GROUP = 3
VOCABULARY = 5
END = 1  # the token that ends a response, in nano's tokenizer
MAX_TOKENS = 10  # the longest that a response may be, as far as reductions go by it
CUT_OFF = 4  # the response that was cut off: it does not end with END
TOOL = (1, 2, 5)  # in response 1, tokens 2, 3 and 4 are a tool's


@dataclass(frozen=True, slots=True)
class Cut:
    """How the responses are dealt out; of several mini-batches the last is learned from."""

    micro_batches: int = 1  # of a mini-batch
    mini_batches: int = 1


WHOLE = Cut()
CUTS = {"whole": WHOLE, "two micro-batches": Cut(micro_batches=2), "second of two mini-batches": Cut(mini_batches=2)}


@dataclass(frozen=True, eq=False, slots=True)
class Rollouts:
    """Ragged columns over the M tokens of the B responses, log-probabilities in nats."""

    token_ids_M: Tensor
    sampled_M: Tensor  # bool; False for the tool's tokens
    response_M: Tensor  # 0..B-1
    logits_MV: Tensor  # of the policy that learns
    old_logprobs_M: Tensor
    reference_logprobs_M: Tensor
    engine_logprobs_M: Tensor  # as the engine that sampled reported them
    rewards_BK: np.ndarray  # of two rewards; NaN where one does not count

    def logprobs(self, logits_MV: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the tokens and entropies, both [M], in nats."""
        logprobs_MV = torch.log_softmax(logits_MV, dim=-1)
        entropies_M = -(logprobs_MV.exp() * logprobs_MV).sum(-1)
        return logprobs_MV.gather(1, self.token_ids_M[:, None])[:, 0], entropies_M


def make_rollouts(*, on_policy: bool = False, tool: bool = True) -> Rollouts:
    """The same numbers each time. `on_policy`: the old policy is the one that learns, so each ratio is 1."""
    draw = torch.Generator().manual_seed(24)
    tokens = sum(LENGTHS_B)
    ends_B = np.cumsum(LENGTHS_B)
    token_ids_M = torch.randint(2, VOCABULARY, (tokens,), generator=draw)
    token_ids_M[[end - 1 for response, end in enumerate(ends_B) if response != CUT_OFF]] = END
    sampled_M = torch.ones(tokens, dtype=torch.bool)
    if tool:
        response, first, last = TOOL
        sampled_M[ends_B[response - 1] + first : ends_B[response - 1] + last] = False
    logits_MV = 1.5 * torch.randn(tokens, VOCABULARY, generator=draw, dtype=torch.float64)
    logprobs_M = torch.log_softmax(logits_MV, dim=-1).gather(1, token_ids_M[:, None])[:, 0]
    log_ratio_M = _spread(math.log(0.3), math.log(3), tokens, draw)
    old_logprobs_M = logprobs_M.clone() if on_policy else logprobs_M - log_ratio_M
    return Rollouts(
        token_ids_M=token_ids_M,
        sampled_M=sampled_M,
        response_M=torch.repeat_interleave(torch.tensor(LENGTHS_B)),
        logits_MV=logits_MV,
        old_logprobs_M=old_logprobs_M,
        reference_logprobs_M=logprobs_M + _spread(-1.0, 1.0, tokens, draw),
        engine_logprobs_M=old_logprobs_M + _spread(-1.0, 1.0, tokens, draw),
        rewards_BK=np.array([[1.0, 0.2], [0.0, 0.8], [1.0, np.nan], [0.0, 0.1], [0.0, 0.6], [1.0, 0.4]]),
    )


def _spread(least: float, most: float, tokens: int, draw: torch.Generator) -> Tensor:
    """[M]: evenly from `least` to `most`, in an order that is drawn."""
    return torch.linspace(least, most, tokens, dtype=torch.float64)[torch.randperm(tokens, generator=draw)]

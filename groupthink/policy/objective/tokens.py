"""What an objective sees."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Tokens:
    """What an objective sees of a micro-batch: ragged columns over its M response tokens, response after response.

    Responses are whole: a micro-batch holds every token of each of its responses.
    """

    logprobs_M: Tensor  # nats, under the policy that learns; carries the gradient
    entropies_M: Tensor  # nats; carries the gradient where the objective has an entropy bonus
    old_logprobs_M: Tensor  # nats; the ratio is taken against these
    advantages_M: Tensor
    weights_M: Tensor  # each token's share of the loss (the reduction); 0 where the policy did not sample
    sampled_M: Tensor  # bool; False for a tool's tokens
    response_M: Tensor  # int64, 0..B-1, rising; which response of this micro-batch a token belongs to
    reference_logprobs_M: Tensor | None = None  # nats
    engine_logprobs_M: Tensor | None = None  # nats, the learner's law as the engine saw it; None: `old_logprobs_M`
    correction_M: Tensor | None = None  # detached importance weight of engine mismatch and staleness; None: 1
    focus_M: Tensor | None = None  # detached; 1.0 where the policy term of a token counts, else 0.0; None: all count
    kl_focus_M: Tensor | None = None  # detached; weight of a token's distance from the old policy; None: 0

    def sum_over_response(self, values_M: Tensor) -> Tensor:
        """[M]: each token gets the sum of `values_M` over its response's sampled tokens."""
        counted_M = torch.where(self.sampled_M, values_M, 0)
        # There are no more responses than tokens, so M places hold every sum, without asking the device for B.
        return torch.zeros_like(counted_M).index_add(0, self.response_M, counted_M)[self.response_M]

    def mean_over_response(self, values_M: Tensor) -> Tensor:
        """[M]: each token gets the mean of `values_M` over its response's sampled tokens."""
        counts_M = self.sum_over_response(torch.ones_like(values_M))
        return self.sum_over_response(values_M) / counts_M.clamp(min=1)

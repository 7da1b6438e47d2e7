"""The tokens that a policy finds likeliest at a place, for those who want to see what else it might have written."""

from torch import Tensor

from groupthink.rollout.law import learner_law

Likely = list[tuple[int, float]]
"""Token ids with their log-probabilities in nats, the likeliest first."""


def likeliest(logits_BV: Tensor, temperature_B: Tensor, most: int) -> list[Likely]:
    """For each row up to `most` tokens, under the learner's law: softmax of logits over temperature."""
    found = learner_law(logits_BV, temperature_B).topk(min(most, logits_BV.shape[1]))
    return [
        list(zip(ids, logprobs, strict=True))
        for ids, logprobs in zip(found.indices.tolist(), found.values.tolist(), strict=True)
    ]

"""What is seen of an update while it is made."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, from_numpy

from groupthink.policy.objective import k3
from groupthink.records import Batch, Report


@dataclass(frozen=True, eq=False, slots=True)
class TokenFigures:
    """One forward pass over m tokens of the batch: detached tensors, each of shape m."""

    logprobs_M: Tensor
    entropies_M: Tensor
    ratio_M: Tensor
    low_M: Tensor  # bool; clipped because the ratio is low
    high_M: Tensor  # bool; clipped because the ratio is high


class Trace:
    """Gathers the columns and the metrics of one `Learner.update`.

    The columns hold the first forward pass of each token; tokens that were not computed stay NaN.
    Means are over sampled tokens: sums and counts are kept, never means of means.
    """

    def __init__(self, batch: Batch, reference_logprobs_M: np.ndarray | None):
        tokens = len(batch.token_ids_M)
        self.batch = batch
        self.reference_logprobs_M = reference_logprobs_M
        self.logprobs_M = np.full(tokens, np.nan, np.float32)
        self.entropies_M = np.full(tokens, np.nan, np.float32)
        self.clipped_M = np.zeros(tokens, bool)  # in any pass: in the first one hardly a token can be
        self._seen_M = np.zeros(tokens, bool)
        self._unmoved_M = np.zeros(tokens, bool)  # seen before the first update
        self._passed = self._low = self._high = 0
        self._largest_ratio = 0.0
        self._losses: list[float] = []
        self._grad_norms: list[float] = []

    def note_tokens(self, tokens: np.ndarray, figures: TokenFigures) -> None:
        """Take in a forward pass over `tokens`, places in the batch."""
        fresh = ~self._seen_M[tokens]
        first = tokens[fresh]
        self.logprobs_M[first] = _numpy(figures.logprobs_M)[fresh]
        self.entropies_M[first] = _numpy(figures.entropies_M)[fresh]
        self._seen_M[first] = True
        self._unmoved_M[first] = not self._losses

        sampled = self.batch.weights_M[tokens] > 0
        low, high = _numpy(figures.low_M) & sampled, _numpy(figures.high_M) & sampled
        self.clipped_M[tokens] |= low | high
        self._passed += int(sampled.sum())
        self._low += int(low.sum())
        self._high += int(high.sum())
        self._largest_ratio = max(self._largest_ratio, float(_numpy(figures.ratio_M)[sampled].max(initial=0)))

    def note_update(self, loss: float, grad_norm: float) -> None:
        """Take in an update's loss and the length of its gradient before clipping."""
        self._losses.append(loss)
        self._grad_norms.append(grad_norm)

    def report(self, change_M: np.ndarray, others: dict[str, float]) -> Report:
        """The report, with `others` among its metrics."""
        sampled_M = self._seen_M & (self.batch.weights_M > 0)
        passed = max(self._passed, 1)
        metrics = {
            "loss": float(np.mean(self._losses)),
            "grad_norm": float(np.mean(self._grad_norms)),
            "entropy": _mean(self.entropies_M[sampled_M]),
            "clip_ratio/low_mean": self._low / passed,
            "clip_ratio/high_mean": self._high / passed,
            "clip_ratio/region_mean": (self._low + self._high) / passed,
            "ratio/max": self._largest_ratio,
        }
        if self.reference_logprobs_M is not None:
            metrics["kl"] = _mean(self._k3()[sampled_M])
        differences = np.abs(self.logprobs_M - self.batch.old_logprobs_M)[sampled_M & self._unmoved_M]
        metrics["sampling/sampling_logp_difference/mean"] = _mean(differences)
        metrics["sampling/sampling_logp_difference/max"] = float(differences.max(initial=0))
        return Report(
            metrics=metrics | others,
            learner_logprobs_M=self.logprobs_M,
            reference_logprobs_M=self.reference_logprobs_M,
            entropies_M=self.entropies_M,
            clipped_M=self.clipped_M,
            change_M=change_M,
        )

    def _k3(self) -> np.ndarray:
        assert self.reference_logprobs_M is not None
        return k3(from_numpy(self.logprobs_M), from_numpy(self.reference_logprobs_M)).numpy()


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


def _mean(values: np.ndarray) -> float:
    """The mean; 0 of nothing: a step whose groups are all dead computes no token."""
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0

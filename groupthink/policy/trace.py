"""What is seen of an update while it is made."""

from collections import Counter

import numpy as np
from torch import from_numpy

from groupthink.policy.columns import Found
from groupthink.policy.objective.correction import correction_figures
from groupthink.policy.objective.kl import k3
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.passes import Backward
from groupthink.records import Batch, Report


class Trace:
    """Gathers the columns and the metrics of one `Learner.update`.

    The columns hold the first forward pass of each token; tokens that were not computed stay NaN.
    Means are over sampled tokens: sums and counts are kept, never means of means. Shares of tokens that are clipped or
    left out are of all of the batch; of entropy, KL and log-probabilities nothing is known but where it was computed.
    """

    def __init__(self, batch: Batch, found: Found, objective: ObjectiveSettings, epochs: int):
        tokens = len(batch.token_ids_M)
        self.batch = batch
        self.objective = objective
        self.before_M = found.logprobs_M
        self.reference_logprobs_M = found.columns.get("reference_logprobs_M")
        self.logprobs_M = np.full(tokens, np.nan, np.float32)
        self.entropies_M = np.full(tokens, np.nan, np.float32)
        self.clipped_M = np.zeros(tokens, bool)  # in any pass: in the first one hardly a token can be
        self._counted_M = batch.weights_M > 0
        if objective.ratio != "token":  # a response has one
            self._counted_M = _first_of_each(self._counted_M, batch.starts)
        self._every = max(epochs * int(self._counted_M.sum()), 1)
        self._seen_M = np.zeros(tokens, bool)
        self._unmoved_M = np.zeros(tokens, bool)  # seen before the first update
        self._passes = Counter[str]()  # of tokens, or of responses where they have one ratio: those of a kind
        self._largest_ratio = 0.0
        self._losses: list[float] = []
        self._grad_norms: list[float] = []

    def note_tokens(self, tokens: np.ndarray, found: Backward) -> None:
        """Take in a pass over `tokens`, places in the batch."""
        fresh = ~self._seen_M[tokens]
        first = tokens[fresh]
        self.logprobs_M[first] = found.logprobs_M[fresh]
        self.entropies_M[first] = found.entropies_M[fresh]
        self._seen_M[first] = True
        self._unmoved_M[first] = not self._losses

        sampled = self.batch.weights_M[tokens] > 0
        low, high = found.low_M & sampled, found.high_M & sampled
        self.clipped_M[tokens] |= low | high
        capped = (found.ratio_M > 1 + self.objective.clip_high) & (self.batch.advantages_M[tokens] > 0)
        counted = self._counted_M[tokens]
        for name, some in {"low": low, "high": high, "capped": capped, "stale": found.stale_M}.items():
            self._passes[name] += int((some & counted).sum())
        self._largest_ratio = max(self._largest_ratio, float(found.ratio_M[sampled].max(initial=0)))

    def note_update(self, loss: float, grad_norm: float) -> None:
        """Take in an update's loss and the length of its gradient before clipping."""
        self._losses.append(loss)
        self._grad_norms.append(grad_norm)

    def report(self, change_M: np.ndarray, others: dict[str, float]) -> Report:
        """The report, with `others` among its metrics."""
        sampled_M = self._seen_M & (self.batch.weights_M > 0)
        passes, every = self._passes, self._every
        metrics = {
            "loss": float(np.mean(self._losses)),
            "grad_norm": float(np.mean(self._grad_norms)),
            "entropy": _mean(self.entropies_M[sampled_M]),
            "clip_ratio/low_mean": passes["low"] / every,
            "clip_ratio/high_mean": passes["high"] / every,
            "clip_ratio/region_mean": (passes["low"] + passes["high"]) / every,
            "ratio/max": self._largest_ratio,
        }
        if self.objective.surrogate == "cispo":
            metrics["cispo_clip_ratio"] = passes["capped"] / every
        if self.objective.stale_negatives:
            metrics["stale_negatives"] = passes["stale"] / every
        if self.reference_logprobs_M is not None:
            metrics["kl"] = _mean(self._k3()[sampled_M])
        before_M, measured_M = self._before(sampled_M & self._unmoved_M)
        metrics |= self._sampling(before_M, measured_M)
        return Report(
            metrics=metrics | others,
            learner_logprobs_M=self.logprobs_M,
            reference_logprobs_M=self.reference_logprobs_M,
            entropies_M=self.entropies_M,
            clipped_M=self.clipped_M,
            change_M=change_M,
            difference_M=np.where(measured_M, before_M - self.batch.old_logprobs_M, np.float32(np.nan)),
        )

    def _before(self, unmoved_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The learner's log-probabilities before any update, and the tokens of which they are known."""
        if self.before_M is None:
            return self.logprobs_M, unmoved_M
        return self.before_M, self.batch.sampled_M & np.isfinite(self.before_M)

    def _sampling(self, before_M: np.ndarray, measured_M: np.ndarray) -> dict[str, float]:
        """How far the law that sampled is from the learner's."""
        corrected = self.objective.correction != "none"  # of all that lies between the law that drew and the learner's
        return correction_figures(
            before_M,
            self.batch.drawn_logprobs_M if corrected else self.batch.old_logprobs_M,
            measured_M,
            self.batch.starts,
            correction=self.objective.correction,
            low=self.objective.correction_low,
            high=self.objective.correction_high,
        )

    def _k3(self) -> np.ndarray:
        assert self.reference_logprobs_M is not None
        return k3(from_numpy(self.logprobs_M), from_numpy(self.reference_logprobs_M)).numpy()


def _first_of_each(there_M: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Of the tokens that are there, the first of each response."""
    before_M = np.cumsum(there_M) - there_M
    return there_M & (before_M == np.repeat(before_M[starts[:-1]], np.diff(starts)))


def _mean(values: np.ndarray) -> float:
    """The mean; 0 of nothing: a step whose groups are all dead computes no token."""
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0

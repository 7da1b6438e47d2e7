"""Estimators that know nothing but the group: what other problems gave does not change an advantage."""

from math import comb

import numpy as np

from groupthink.advantage.rewards import EPSILON, centered, total


def reward(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = r_i: no baseline at all, which is for `whiten_tokens` to take off.

    Source: REINFORCE++ (arXiv 2501.03262, equation 4, without its KL term). Without whitening it is plain REINFORCE.
    """
    return total(rewards_PGK, weights_K)


def center(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = r_i - mean(r), not divided by the standard deviation.

    The rewards 1.0, 0.8, 0.2 give +1/3, +2/15, -7/15. Source: the essay that this project comes from;
    Dr. GRPO (arXiv 2503.20783, section 3.2) gives the reason: dividing by the standard deviation weighs
    very easy and very hard problems more.
    """
    return centered(total(rewards_PGK, weights_K))


def standardize(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = (r_i - mean(r)) / (std(r) + 1e-4), with the sample standard deviation (n - 1).

    Source: DeepSeekMath (arXiv 2402.03300, section 4.1.2), which does not say which standard deviation;
    n - 1 and 1e-4 are TRL's. A group of equal rewards gives 0.
    """
    rewards_PG = total(rewards_PGK, weights_K)
    return centered(rewards_PG) / (rewards_PG.std(axis=1, ddof=1, keepdims=True) + EPSILON)


def leave_one_out(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = r_i - mean of the other rewards = G / (G - 1) * (r_i - mean(r)).

    Source: RLOO (arXiv 2402.14740, equation 8). Unbiased: no response is in its own baseline.
    """
    rewards_PG = total(rewards_PGK, weights_K)
    responses = rewards_PG.shape[1]
    return centered(rewards_PG) * (responses / (responses - 1))


def rank(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = (rank_i - (G + 1) / 2) / (G - 1); ranks count from 1, the worst, and ties share their mean.

    So the best response of a group has at most +1/2 and the worst at least -1/2, whatever the scale of
    the rewards. Source: the essay that this project comes from calls its method ranking-based.
    """
    rewards_PG = total(rewards_PGK, weights_K)
    responses = rewards_PG.shape[1]
    below_PG = (rewards_PG[:, None, :] < rewards_PG[:, :, None]).sum(axis=2)
    level_PG = (rewards_PG[:, None, :] == rewards_PG[:, :, None]).sum(axis=2)  # itself included
    rank_PG = below_PG + (level_PG + 1) / 2
    return (rank_PG - (responses + 1) / 2) / (responses - 1)


def maxrl(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = (r_i - mean(r)) / mean(r); 0 where the mean is not above 1e-4.

    Of rewards 0 and 1, problems that are seldom solved weigh more, as the likelihood of a right answer would
    weigh them: the rewards 1, 0, 0 give +2, -1, -1. Source: MaxRL (arXiv 2602.02710, algorithm 1). It is made for
    rewards of 0 and 1. As long as none is below 0, no advantage is above G - 1; with penalties it may be large.
    """
    rewards_PG = total(rewards_PGK, weights_K)
    mean_PG = np.broadcast_to(rewards_PG.mean(axis=1, keepdims=True), rewards_PG.shape)
    # Rewards that cancel have a mean of 1e-17, and would be blown up by its inverse.
    return np.divide(centered(rewards_PG), mean_PG, out=np.zeros_like(rewards_PG), where=mean_PG > EPSILON)


def pass_at_k(rewards_PGK: np.ndarray, weights_K: np.ndarray, *, k: int = 4, threshold: float = 0.5) -> np.ndarray:
    """What a response adds to sets of k that pass if one in them is right; at k = 1 it is right or wrong alone.

    With n responses, w of them wrong, f = C(w, k) / C(n, k) is the share of sets that fail, s = sqrt(f (1 - f)), and

        A_right = f / s        A_wrong = (f - C(w - 1, k - 1) / C(n - 1, k - 1)) / s

    which is the mean, over the sets that a response is in, of (pass - mean(pass)) / std(pass). Where every set
    fails, or none does (w < k), the group gives 0. A response is right if its reward is at least `threshold`:
    degrees beyond that are not seen. Source: Pass@k Training (arXiv 2508.10751, section 2.4), of rewards 0 and 1.

    Raises ValueError for a k that is not below the group size: the one set of all could not differ from another.
    """
    right_PG = total(rewards_PGK, weights_K) >= threshold
    n = right_PG.shape[1]
    if not 1 <= k < n:
        raise ValueError(f"advantage.k is {k}, and a group has {n} responses: set it to 1 up to {n - 1}")
    fail_by_wrong = np.array([comb(wrong, k) / comb(n, k) for wrong in range(n + 1)])
    fail_with_one = np.array([comb(max(wrong - 1, 0), k - 1) / comb(n - 1, k - 1) for wrong in range(n + 1)])
    wrong_P = n - right_PG.sum(axis=1)
    fail_P1, with_one_P1 = fail_by_wrong[wrong_P][:, None], fail_with_one[wrong_P][:, None]
    gain_PG = np.where(right_PG, fail_P1, fail_P1 - with_one_P1)
    std_PG = np.broadcast_to(np.sqrt(fail_P1 * (1 - fail_P1)), gain_PG.shape)
    return np.divide(gain_PG, std_PG, out=np.zeros_like(gain_PG), where=std_PG > 0)

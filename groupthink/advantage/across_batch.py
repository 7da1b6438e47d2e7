"""Estimators that also look at the other groups: a spread measured over P * G rewards is steadier than one over G.

Standard deviations are those of a sample (n - 1), and 1e-4 is added to them: both are TRL's.
"""

import numpy as np

from groupthink.advantage.rewards import EPSILON, centered, refuse_groups_of_one, total


def batch_std(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A = (r - mean of the group) / (std of all rewards + 1e-4).

    Source: Lite PPO (arXiv 2508.08221); TRL's `scale_rewards="batch"`. A group that nearly agrees is not blown up.
    """
    rewards_PG = total(rewards_PGK, weights_K)
    return centered(rewards_PG) / (rewards_PG.std(ddof=1) + EPSILON)


def reinforce_pp(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A = d / (std of all d + 1e-4), where d = r - mean of the group.

    Source: REINFORCE++ with baseline (arXiv 2501.03262, section 3.2), in a form that counts every response once. The
    paper and verl count every token, so that long responses have more say: `estimator="center"` with
    `whiten_tokens=true` does. Unlike `batch_std`, how much problems differ in difficulty does not enter. Their mean
    over the batch is 0 already, and is not taken off again.
    """
    return _scaled(centered(total(rewards_PGK, weights_K)))


def whiten(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A = (r - mean of all rewards) / (std of all rewards + 1e-4).

    Source: REINFORCE++ (arXiv 2501.03262), in a form that counts every response once. The paper and verl count every
    token, so that long responses have more say: `estimator="reward"` with `whiten_tokens=true` does. The group does not
    matter: one that is always right is better than the batch, and is reinforced, so only where all rewards of the batch
    are equal are its advantages 0.
    """
    rewards_PG = total(rewards_PGK, weights_K)
    return _scaled(centered(rewards_PG.reshape(1, -1)).reshape(rewards_PG.shape))


def gdpo(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """Each part standardized within its group, their weighted sum divided by its spread over the batch.

        d_k = (r_k - mean(r_k)) / (std(r_k) + 1e-4)      over the responses of a group that have part k
        S   = sum over k of w_k d_k                      A = S / (std of all S + 1e-4)

    So a weight says how much a part counts, whatever its scale, and two ways to earn the same total are told
    apart. Source: GDPO (arXiv 2601.05242). S has mean 0 in every group, so that no mean of the batch is taken off:
    where every part is equal over a group, its advantages stay exactly 0.
    """
    refuse_groups_of_one(rewards_PGK)
    return _scaled((_standardized_parts(rewards_PGK) * weights_K).sum(axis=2))


def _scaled(values_PG: np.ndarray) -> np.ndarray:
    return values_PG / (values_PG.std(ddof=1) + EPSILON)


def _standardized_parts(rewards_PGK: np.ndarray) -> np.ndarray:
    """Each part less its mean over the group, divided by its standard deviation there; 0 where it is absent."""
    there_PGK = ~np.isnan(rewards_PGK)
    count_P1K = there_PGK.sum(axis=1, keepdims=True)
    lowest_P1K = rewards_PGK.min(axis=1, keepdims=True, initial=np.inf, where=there_PGK)
    # Measured from the lowest, rewards that are equal are exactly 0, and so is their mean.
    above_PGK = np.where(there_PGK, rewards_PGK - lowest_P1K, 0.0)
    centered_PGK = np.where(there_PGK, above_PGK - above_PGK.sum(axis=1, keepdims=True) / np.maximum(count_P1K, 1), 0.0)
    variance_P1K = (centered_PGK**2).sum(axis=1, keepdims=True) / np.maximum(count_P1K - 1, 1)
    return centered_PGK / (np.sqrt(variance_P1K) + EPSILON)

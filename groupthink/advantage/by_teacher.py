"""Each token against a teacher's opinion of it: on-policy distillation."""

import numpy as np


def by_teacher(logprobs_M: np.ndarray, teacher_logprobs_M: np.ndarray, sampled_M: np.ndarray) -> np.ndarray:
    """[M], float32, nats: log pi_teacher - log pi of each token that the policy sampled, 0 for the others.

    Its mean over tokens estimates -KL(pi || pi_teacher), the reverse KL. A policy gradient with it is, on average, that
    of the KL between the two laws at each token, after prefixes as the policy draws them: a token bears nothing of what
    follows it. (GKD: arXiv 2306.13649, equation 4, with the reverse KL and all data the student's own. MiniLLM,
    arXiv 2306.08543, has a token bear what follows, too.)
    """
    return np.where(sampled_M, teacher_logprobs_M - logprobs_M, 0).astype(np.float32)

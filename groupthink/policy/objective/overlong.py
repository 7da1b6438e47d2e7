"""What a response's length costs it, before it is cut (DAPO: arXiv 2503.14476, section 3.4).

A response that was cut says little about its worth. It can be left out of the loss, which `share_tokens` does
(`overlong="masked"`), and coming near the limit can cost reward, by degrees.
"""

import numpy as np


def overlong_punishment(lengths_B: np.ndarray, *, max_tokens: int, share: float) -> np.ndarray:
    """[B], float64: what is added to rewards; 0 up to (1 - share) * max_tokens, from there linearly to -1 at the end.

    R_length of DAPO, equation 13, with L_max = max_tokens and L_cache = share * max_tokens: 20480 and 4096 there,
    which is a share of 0.2. At share 0 nothing is punished.
    """
    cache = share * max_tokens
    if not cache:
        return np.zeros(len(lengths_B))
    return np.clip((max_tokens - cache - lengths_B) / cache, -1.0, 0.0)

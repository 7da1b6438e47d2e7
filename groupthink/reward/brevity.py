"""Brevity: of two right answers, the one that needs fewer tokens."""


def brevity(tokens: int, *, right: bool, brief: int, long: int) -> float:
    """1 up to `brief` tokens, falling linearly to 0 at `long`; 0 where the answer is wrong.

    A wrong answer earns nothing for being short: else giving up early would pay.

    >>> [brevity(tokens, right=True, brief=100, long=200) for tokens in (50, 100, 125, 200, 999)]
    [1.0, 1.0, 0.75, 0.0, 0.0]
    """
    if not right:
        return 0.0
    return min(1.0, max(0.0, (long - tokens) / (long - brief)))

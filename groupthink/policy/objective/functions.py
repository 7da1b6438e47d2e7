"""Surrogates that other people wrote: plain Python functions, found by file and name."""

from functools import cache

from groupthink.policy.objective.surrogates import SURROGATES, Surrogate
from groupthink.user_code import find_thing


def find_surrogate(name: str) -> Surrogate:
    """The surrogate called `name`: one of SURROGATES, or a `FILE.py:FUNCTION` relative to the working folder.

    Raises ValueError where there is no such file or function.
    """
    return SURROGATES[name] if name in SURROGATES else _load(name)


@cache
def _load(name: str) -> Surrogate:
    surrogate: Surrogate = find_thing(name, "objective.surrogate")
    return surrogate

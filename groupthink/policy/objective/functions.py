"""Surrogates that other people wrote: plain Python functions, found by file and name."""

from functools import cache
from pathlib import Path

from groupthink.policy.objective.surrogates import SURROGATES, Surrogate
from groupthink.user_file import load_user_file


def find_surrogate(name: str) -> Surrogate:
    """The surrogate called `name`: one of SURROGATES, or a `FILE.py:FUNCTION` relative to the working folder.

    Raises ValueError where there is no such file or function.
    """
    return SURROGATES[name] if name in SURROGATES else _load(name)


@cache
def _load(name: str) -> Surrogate:
    place, _, attribute = name.rpartition(":")
    path = Path(place).resolve()
    if not path.is_file():
        raise ValueError(f"objective.surrogate {name}: there is no file {path}")
    function = getattr(load_user_file(path), attribute, None)
    if not callable(function):
        raise ValueError(f"objective.surrogate {name}: there is no function {attribute!r} in {path}")
    return function

"""Surrogates that other people wrote: plain Python functions, found by file and name."""

import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

from groupthink.policy.objective.surrogates import SURROGATES, Surrogate


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
    # Two files of one name, or a file named as a library is, must not stand in for each other.
    key = f"groupthink_objective_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(key, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module  # dataclasses and pickle look a module up by its name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    if not callable(getattr(module, attribute, None)):
        raise ValueError(f"objective.surrogate {name}: there is no function {attribute!r} in {path}")
    return getattr(module, attribute)

"""TOML that anyone may have written, read in a time that grows with its length alone, and never nested deeply."""

import re
import tomllib
from typing import Any

PARTS = 8
"""Of a key, at most: tomllib's time grows with the square of their number. A recipe's keys have three."""

NESTED = 16
"""Lists and tables in each other, at most: whatever goes through them calls itself for each."""

_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_TOKENS = re.compile(
    rf"""
    (?P<long> {_PART} (?: [ \t]*+ \. [ \t]*+ {_PART} ){{{PARTS},}}+ )
    | \"\"\" (?: [^"\\]++ | \\. | "{{1,2}}+(?!") )*+ (?: "{{3,5}} | \Z )
    | ''' (?: [^']++ | '{{1,2}}+(?!') )*+ (?: '{{3,5}} | \Z )
    | {_PART}
    | ["'\#] [^\n]*+
    | (?P<begun> [\[{{] )
    | (?P<ended> [\]}}] )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Long keys and brackets, and whatever else may hold what looks like one: strings, comments, strings that never end."""


def read_toml(text: str) -> dict[str, Any]:
    """What `text` says. Raises ValueError, with what is wrong and where, for what is not TOML or nested too deeply.

    >>> read_toml("task.name = 'arithmetic'")
    {'task': {'name': 'arithmetic'}}
    """
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += (token["begun"] is not None) - (token["ended"] is not None)
        if token["long"]:
            raise ValueError(f"a key of more than {PARTS} parts ({_place(token)})")
        if depth > NESTED:
            raise ValueError(f"more than {NESTED} brackets in each other ({_place(token)})")
    return tomllib.loads(text)


def _place(token: re.Match[str]) -> str:
    before = token.string[: token.start()].count("\n")
    return f"at line {before + 1}"

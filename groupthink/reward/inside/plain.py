"""Values between two processes that do not trust each other: plain data alone, as lines of JSON.

A list is a JSON list; what JSON has not is an object with one key, which says what it is:

    {"tuple": [1, 2]}   {"set": [1, 2]}   {"dict": [["a", 1]]}   {"bytes": "00ff"}   {"object": 3}

`object`: one that stays where it is, by its number there.
"""

import json
from collections.abc import Callable
from typing import Any

LONGEST = 4 << 20  # characters of a line
COLLECTIONS: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def dumps(value: Any, number_of: Callable[[Any], int]) -> str:
    """One line. `number_of` gives the number of an object that is no plain data, or raises TypeError."""
    return json.dumps(_pack(value, number_of))


def loads(line: str, object_of: Callable[[int], Any]) -> Any:
    """What a line holds, of built-in types alone but for what `object_of` gives for a number."""
    return _unpack(json.loads(line), object_of)


def _pack(value: Any, number_of: Callable[[Any], int]) -> Any:
    # A subclass (a named tuple, a Counter, an IntEnum) is sent as what it is a kind of.
    if value is None or isinstance(value, bool):
        return value
    for scalar in (int, float, str):
        if isinstance(value, scalar):
            return scalar(value)
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, dict):
        return {"dict": [[_pack(key, number_of), _pack(inner, number_of)] for key, inner in value.items()]}
    for name, kind in COLLECTIONS.items():
        if isinstance(value, kind):
            return {name: [_pack(item, number_of) for item in value]}
    if isinstance(value, list):
        return [_pack(item, number_of) for item in value]
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return _pack(value.item(), number_of)  # one of its numbers
    return {"object": number_of(value)}


def _unpack(value: Any, object_of: Callable[[int], Any]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, object_of) for item in value]
    if not isinstance(value, dict):
        return value
    ((name, inner),) = value.items()
    if name == "object":
        return object_of(int(inner))
    if name == "bytes":
        return bytes.fromhex(inner)
    if name == "complex":
        return complex(*inner)
    if name == "dict":
        return {_unpack(key, object_of): _unpack(item, object_of) for key, item in inner}
    return COLLECTIONS[name](_unpack(item, object_of) for item in inner)

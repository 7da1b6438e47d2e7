"""Answers as JSON, whatever stands in them: what no JSON can hold is null, and what no UTF-8 can hold is escaped."""

import json
import math
from collections.abc import Mapping
from typing import Any

LINE_ENDS = ("\x85", "\u2028", "\u2029")
"""Where JSON has no end of a line, and many a reader of lines has one (str.splitlines): they are escaped."""


def dump(value: Any) -> bytes:
    r"""JSON without line breaks of any kind, in UTF-8. Numbers that are not finite are null.

    >>> dump({"kl": float("nan"), "text": "é\ud800\x00"})
    b'{"kl":null,"text":"\\u00e9\\ud800\\u0000"}'
    >>> dump("two\u2028lines")
    b'"two\\u2028lines"'
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in LINE_ENDS:
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(json.loads(text), separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value

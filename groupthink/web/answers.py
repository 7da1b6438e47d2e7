"""Answers as JSON, whatever stands in them: what no JSON can hold is null, and what no UTF-8 can hold is escaped."""

import json
import math
from collections.abc import Mapping
from typing import Any


def dump(value: Any) -> bytes:
    r"""JSON without line breaks, in UTF-8. Numbers that are not finite are null.

    >>> dump({"kl": float("nan"), "text": "é\ud800\x00"})
    b'{"kl":null,"text":"\\u00e9\\ud800\\u0000"}'
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
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

"""Responses as a judge reads them."""

import numpy as np

from groupthink.records import Response


def response(text: str, finish: str = "stop") -> Response:
    """One of a token a character, and its end."""
    count = len(text) + (finish == "stop")
    zeros = np.zeros(count, np.float32)
    return Response(
        np.zeros(count, np.int64), np.ones(count, bool), zeros, zeros, np.zeros(count, np.int64), text, finish, 0
    )

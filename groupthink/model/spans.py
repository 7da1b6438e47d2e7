"""What attends to what in a pack."""

from typing import NamedTuple

from torch import Tensor


class Span(NamedTuple):
    """Consecutive tokens, and the prompt that they follow: they see all of it, and causally themselves.

    Both are places in the pack (int64). A prompt is a span of its own that follows nothing.
    """

    prompt: Tensor
    own: Tensor

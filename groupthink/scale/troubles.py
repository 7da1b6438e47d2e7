"""What is wrong with learners that do not answer: whom it lies with, in words, and whether beginning anew may help."""

import re
import time
from collections.abc import Callable, Mapping

from groupthink.scale.ranks import RankOutOfMemory

LOOK = 5.0
"""Seconds between two looks at where the ranks are."""

IN_VAIN = ("gloo", "nccl", "connection closed by peer", "connection reset", "timed out", "tcpstore", "broken pipe")
"""What errors say, in lower case, of a rank that waited for another in vain."""


class Trouble(RuntimeError):
    """Learners are lost or stuck: others in their place may do better."""


class NoRoom(Trouble):
    """A micro-batch did not fit into the memory of a rank."""


class Watch:
    """Whether ranks stand still: `patience` is for how many seconds they may."""

    def __init__(self, patience: float):
        self.patience = patience
        self._seen: Mapping[int, str] = {}
        self._since = self._looked = time.monotonic()

    def is_stuck(self, whereabouts: Callable[[], Mapping[int, str]]) -> bool:
        now = time.monotonic()
        if now - self._looked < LOOK:
            return False
        self._looked, seen = now, whereabouts()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since > self.patience


def trouble_of(verb: str, errors: Mapping[int, Exception], whereabouts: Mapping[int, str]) -> Exception:
    """What to raise where some ranks failed with `errors`, and others have not answered, who are at `whereabouts`.

    `errors` are as Ray raises them. What a rank objects to by itself is returned as it is: it would do so again.
    """
    from ray.exceptions import RayTaskError

    causes = {place: error.cause if isinstance(error, RayTaskError) else error for place, error in errors.items()}
    full = [place for place, cause in causes.items() if isinstance(cause, RankOutOfMemory)]
    if full:
        return NoRoom(f"{causes[full[0]]}, at {verb}")
    lost = [place for place, error in errors.items() if not isinstance(error, RayTaskError)]
    vain = [place for place in errors if place not in lost and waited_in_vain(causes[place])]
    own = [place for place in errors if place not in lost and place not in vain]
    if own and not lost:
        causes[own[0]].add_note(f"(raised by learner {own[0] + 1}, at {verb})")
        return causes[own[0]]
    said = [f"learner {place + 1} is gone ({_first_line(causes[place])})" for place in lost]
    said += [f"learner {place + 1} waited for another in vain ({_first_line(causes[place])})" for place in vain]
    said += [f"learner {place + 1}: {at}" for place, at in whereabouts.items() if place not in errors]
    return Trouble(f"at {verb}: " + "; ".join(said))


def waited_in_vain(error: BaseException) -> bool:
    """Whether it tells of a collective operation that another rank did not come to."""
    import torch.distributed as dist

    text = str(error).lower()
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in IN_VAIN)
    )


def _first_line(error: BaseException) -> str:
    """Without where in gloo it was raised, and what it wishes.

    >>> _first_line(RuntimeError("[/a/gloo/pair.cc:537] Read error [192.0.2.2]:42: reset by peer. This is typically"))
    'Read error [192.0.2.2]:42: reset by peer'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = re.sub(r"^\[\S+:\d+\] ", "", lines[0]) if lines else type(error).__name__
    return line.partition(". This is typically")[0]

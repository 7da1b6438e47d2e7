"""All that draws from one model: a lane, or several side by side where the model is small."""

import secrets
from collections.abc import Sequence

import numpy as np

from groupthink.rollout.engine import EngineFailed, NoMemory, Sampling
from groupthink.web.serve.lane import Generation, Lane

MOST_WAITING = 1024
"""Requests that may wait for a place."""


class Busy(RuntimeError):
    """So many wait already that one more is not taken."""


class Running:
    """Lanes that draw from the same weights, for requests of one event loop; each request goes where least is wanted.

    What is drawn does not depend on the lane: a response depends on weights, prompt, seed and its place alone.
    """

    def __init__(self, lanes: Sequence[Lane]):
        self.lanes = lanes

    def start(self) -> None:
        """Begin to work, for the event loop that runs now."""
        for lane in self.lanes:
            lane.start()

    def submit(
        self, prompt_ids: np.ndarray, sampling: Sampling, seed: int, *, follow: bool = True, likeliest: int = 0
    ) -> Generation:
        """Ask for the responses to a prompt, which is prefilled once for all of them.

        `follow`: whether tokens are told as they are drawn. `likeliest`: so many of the likeliest are told beside each.
        Raises NoRoom (NoMemory where memory is what lacks) or ValueError for a prompt that cannot be answered, Busy
        where too many wait, and EngineFailed where nothing is drawn any more.
        """
        at_work = [lane for lane in self.lanes if lane.failed is None]
        if not at_work:
            raise EngineFailed(f"nothing is drawn any more: {self.lanes[0].failed}")
        lane = min(at_work, key=lambda lane: lane.load)
        lane.engine.room(prompt_ids)
        generation = Generation(lane, prompt_ids, sampling, seed, likeliest, follow, told=[0] * sampling.n)
        if sampling.n * generation.longest * lane.bytes_per_token > lane.memory:
            raise NoMemory(
                f"{sampling.n} responses of up to {generation.longest} tokens each, prompt included, need more memory "
                "than there is: ask for fewer (n), or for shorter ones (max_tokens)"
            )
        if self.waiting >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} requests wait already: ask again later")
        lane.begin(generation)
        return generation

    def another_seed(self) -> int:
        """One that nothing was drawn by before."""
        return secrets.randbits(63)

    def stop(self) -> None:
        """Draw nothing more; who still waits is told so."""
        for lane in self.lanes:
            lane.stop()

    def close(self) -> None:
        """End for good; who still waits is told so."""
        for lane in self.lanes:
            lane.close()

    @property
    def failed(self) -> Exception | None:
        """Why nothing is drawn any more."""
        return self.lanes[0].failed if all(lane.failed is not None for lane in self.lanes) else None

    @property
    def rows(self) -> int:
        """Responses that are being drawn."""
        return sum(len(lane.engine.rows) + len(lane.engine.parked) for lane in self.lanes)

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return sum(lane.queued for lane in self.lanes)

    @property
    def finished(self) -> int:
        """Responses that have ended."""
        return sum(lane.finished for lane in self.lanes)

    @property
    def cancelled(self) -> int:
        """Responses of which nobody waited for the end."""
        return sum(lane.cancelled for lane in self.lanes)

    @property
    def tokens(self) -> int:
        """Of the responses that have ended."""
        return sum(lane.tokens for lane in self.lanes)

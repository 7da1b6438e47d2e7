"""The steps whose responses were asked for and are not learned from yet."""

from pathlib import Path

import numpy as np

from groupthink.records import Group
from groupthink.rollout.generate import Pending, begin
from groupthink.rollout.noise import mix
from groupthink.run.directory import Run
from groupthink.run.groups import read_groups, write_groups
from groupthink.stage.probe import Probe
from groupthink.stage.workshop import Workshop
from groupthink.task.reply import reply_of

FILE = "ahead.parquet"
"""In a checkpoint: the responses of the steps that were ahead of it."""


class Ahead:
    """Asks for responses up to `rollout.lag` steps before they are learned from.

    What step k is asked for when the weights have version k - lag is drawn from those weights, where the engine takes
    its orders in turn. A resume begins with the responses that its checkpoint holds.
    """

    def __init__(self, run: Run, shop: Workshop):
        self.shop, self.recipe = shop, run.recipe
        newest = run.latest_checkpoint()
        held = newest / FILE if newest is not None else None
        self.steps: dict[int, Pending | list[Group]] = dict(read_groups(held)) if held and held.exists() else {}
        self.next = max(self.steps, default=run.remaining_steps().start - 1) + 1  # step to be asked for
        self.seen: list[Group] = []  # the groups that were taken last
        self.probes: dict[int, Probe] = {}  # by the step whose responses are drawn from the same weights

    def ask(self, step: int) -> None:
        """Ask for all that may be on its way while `step` is learned from."""
        recipe, shop, first = self.recipe, self.shop, self.next
        while self.next <= min(step + recipe.rollout.lag, recipe.steps - 1):
            problems = shop.supply.draw(self.next, recipe.task.problems_per_step)
            seed = mix(recipe.seed, self.next)
            reply = reply_of(shop.task)
            self.steps[self.next] = begin(shop.engine, shop.chat, problems, recipe.rollout, seed, reply)
            self.next += 1
        rollout = recipe.rollout
        if self.next > first and self.seen and rollout.lag and rollout.lag_by == "order" and rollout.max_difference:
            seed = mix(recipe.seed, step)
            self.probes[self.next - 1] = Probe(shop.engine, shop.learner, self.seen, rollout, seed)

    def take(self, step: int) -> list[Group]:
        """The groups of a step, waited for where they are not finished."""
        self.seen = self._groups(self.steps.pop(step))
        return self.seen

    def probed(self, step: int) -> np.ndarray | None:
        """By how much the learner and what drew a step differ [R] (nats), of the same weights; None: not looked at."""
        probe = self.probes.pop(step, None)
        return None if probe is None else probe.difference()

    def save(self, folder: Path) -> None:
        """Write what is on its way into a checkpoint. Waits for it."""
        self.shop.save(folder)
        # Kept as they are written: later turns, asked for anew, would be drawn from newer weights.
        groups = {step: self._groups(asked) for step, asked in self.steps.items()}
        self.steps = dict(groups)
        if groups:
            write_groups(folder / FILE, groups)

    @staticmethod
    def _groups(asked: Pending | list[Group]) -> list[Group]:
        return asked.result() if isinstance(asked, Pending) else asked

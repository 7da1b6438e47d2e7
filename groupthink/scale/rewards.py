"""Rewards on a cluster: workers that each have a judge of their own, with its sandboxes, servers and limits.

A group is scored whole, by whoever has begun and is free, and the scores come back in the order of the groups. Those of
a worker that is dead, or at one for too long, are given to others. Worth its while where rewards are slow: programs,
another model, functions of the user's.

What a recipe names must be on every machine: files at the same places, packages, and the environment variable with a
judge's key. Observing how problems went, as adaptive tasks do, stays with the run's own task.
"""

import os
import time
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import Any

from groupthink.recipe import Recipe
from groupthink.records import Group, Score
from groupthink.reward.judge import Judge
from groupthink.scale.cluster import Cluster, Place
from groupthink.scale.crew import said
from groupthink.task import open_tasks

WAIT = 0.5
"""Seconds for which workers are waited for at a time."""


class RewardWorker:
    """An actor: the recipe's task and judge. `folder`: where names of the user's files are to be understood."""

    def __init__(self, recipe: Recipe, opening: str, folder: str):
        with suppress(OSError):
            os.chdir(folder)
        self.task = open_tasks(recipe.task, recipe.seed)
        self.judge = Judge(recipe.reward, self.task, opening=opening, code=recipe.code, judge=recipe.judge)

    def score(self, group: Group) -> list[Score]:
        return self.judge.score([group])[0]

    def process(self) -> int:
        return os.getpid()


class RayJudge:
    """Scores as a `Judge` does, by `scale.rewards` workers.

    Raises RuntimeError for a group whose worker was lost `scale.failures` times, where no worker has begun within
    `scale.patience`, or none can; and what a worker's judge raises.
    """

    def __init__(self, recipe: Recipe, opening: str, cluster: Cluster):
        require_local_checks(recipe, opening)
        self.recipe, self.prefix, self.cluster = recipe, opening, cluster
        self.settings = cluster.settings
        self.restarts: list[str] = []
        n = recipe.scale.rewards
        self.places = cluster.reserve([{"CPU": 1.0}] * n, f"{n} workers for rewards (scale.rewards)")
        self.workers = [self._begin(place) for place in self.places]
        # Workers that have not begun yet, by what they answer when they have.
        self.opening = {worker.process.remote(): number for number, worker in enumerate(self.workers)}
        self.unopened = 0  # workers in a row that were lost before they had begun

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """A score for each response of each group (P x G)."""
        ray, exceptions = self.cluster.ray, self.cluster.ray.exceptions
        waiting, found = list(range(len(groups))), dict[int, list[Score]]()
        failures: dict[int, list[str]] = {}
        given: dict[Any, tuple[int, int, float]] = {}  # by its answer: a worker, a group, and when it was given
        heard = time.monotonic()  # when there last was a worker that has begun
        while len(found) < len(groups):
            for worker in self._free({worker for worker, _, _ in given.values()})[: len(waiting)]:
                place = waiting.pop(0)
                answer = self.workers[worker].score.remote(groups[place])
                given[answer] = worker, place, time.monotonic()
            ready, _ = ray.wait([*given, *self.opening], num_returns=1, timeout=WAIT)
            self._welcome([answer for answer in ready if answer in self.opening])
            late = [it for it, (*_, since) in given.items() if time.monotonic() - since > self.settings.patience]
            for answer in {*ready, *late} & {*given}:
                worker, place, _ = given.pop(answer)
                try:
                    if answer not in ready:
                        raise exceptions.GetTimeoutError(f"it was at one group for {self.settings.patience:g} s")
                    found[place] = ray.get(answer, timeout=self.settings.patience)
                except exceptions.RayTaskError as error:
                    if isinstance(error.cause, Exception):
                        raise error.cause from error
                    raise
                except exceptions.RayError as error:
                    told = failures.setdefault(place, [])
                    told.append(f"worker {worker + 1} for rewards was lost: {said(error)}")
                    self._require_few(groups[place], told)
                    self._replace(worker, told[-1])
                    waiting.insert(0, place)
            if given or self._free(set()):
                heard = time.monotonic()
            elif time.monotonic() - heard > self.settings.patience:
                missing = self.cluster.missing([place.bundle for place in self.places])
                raise RuntimeError(
                    f"no worker for rewards has begun within {self.settings.patience:g} s (scale.patience): {missing}"
                )
        return [found[place] for place in range(len(groups))]

    def _free(self, busy: Set[int]) -> list[int]:
        """Workers that have begun and are at nothing. (One whose machine was lost may wait for a place for long.)"""
        taken = {*busy, *self.opening.values()}
        return [worker for worker in range(len(self.workers)) if worker not in taken]

    def _welcome(self, begun: Sequence[Any]) -> None:
        """Workers whose beginning has come to an end, a good one or not."""
        for answer in begun:
            worker = self.opening.pop(answer)
            try:
                self.cluster.ray.get(answer, timeout=self.settings.patience)
            except self.cluster.ray.exceptions.RayError as error:
                self.unopened += 1
                reason = f"worker {worker + 1} for rewards was lost as it began: {said(error)}"
                if self.unopened >= self.settings.failures * len(self.workers):
                    raise RuntimeError(f"no worker for rewards can begin; the last one said: {reason}") from error
                self._replace(worker, reason)
            else:
                self.unopened = 0

    def close(self) -> None:
        for worker in self.workers:
            self.cluster.ray.kill(worker, no_restart=True)
        self.cluster.leave(self.places)

    def _begin(self, place: Place) -> Any:
        kind = self.cluster.ray.remote(RewardWorker)
        # One group at a time, in the worker's main thread: alarms and sandboxes count on that.
        return kind.options(max_restarts=0, **place.options()).remote(self.recipe, self.prefix, os.getcwd())

    def _replace(self, worker: int, reason: str) -> None:
        self.cluster.ray.kill(self.workers[worker], no_restart=True)
        self.restarts.append(reason)
        self.workers[worker] = self._begin(self.places[worker])
        self.opening[self.workers[worker].process.remote()] = worker

    def _require_few(self, group: Group, told: Sequence[str]) -> None:
        if len(told) >= self.settings.failures:
            raise RuntimeError(
                f"the responses to {group.problem.id} could not be scored, as each worker that tried was lost:\n"
                + "\n".join(f"  {place}. {reason}" for place, reason in enumerate(told, 1))
            )


def require_local_checks(recipe: Recipe, opening: str) -> None:
    """Raise ValueError for whatever a judge of this machine would refuse: before anybody else is asked to open one."""
    from groupthink.reward.named import named_rewards

    named_rewards(recipe.reward, recipe.code, recipe.judge, opening=opening)

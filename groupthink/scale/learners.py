"""A learner of several ranks, as the stages see it: one learner.

    open        a place on the cluster for each rank; they meet, and share the model out
    ask         all ranks are asked the same; what they find is the same, and the first one's is taken
    revive      where one is lost, stuck or out of memory, all are begun anew: from the newest checkpoint, and then
                through the batches that were learned from since, which are kept here

An update is a function of weights, moments and batch. So a learner that was revived stands where it stood, but for
rounding, and no step of the run is made again.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from groupthink.policy.guard import Guard
from groupthink.records import Batch, Report, Weights
from groupthink.run.checkpoints import KEEP
from groupthink.scale.cluster import Cluster, Place, tell
from groupthink.scale.rank import Curriculum, Rank, Standing
from groupthink.scale.troubles import LOOK, NoRoom, Trouble, Watch, trouble_of
from groupthink.scale.weights import Bucket, DeliveredWeights, Delivery, Gathered

WATCH = "watch"
"""Ray's name for the thread of a rank that says what the other one is at."""

OPENING = 300.0
"""Seconds for a process to import torch and open the model, on a busy machine."""

CLEARING = 10.0
"""Seconds for the other ranks to fail or finish, too, once one has failed: which of them is the cause shows then."""


class LearnersFailed(RuntimeError):
    """The learners were lost, or stuck, and were so again after they had been begun anew."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one update was made from."""

    batch: Batch
    reference_logprobs_M: np.ndarray | None


class Learners:
    """As many ranks on `cluster` as its settings say behind the interface of a `Learner`.

    `model` is the policy's shape, without weights. `newest` gives the newest complete checkpoint, where there is one:
    every machine that has a rank must see it under its path. `restarts` says why they were begun anew, each time.
    Raises LearnersFailed after `failures` in a row.
    """

    def __init__(
        self,
        cluster: Cluster,
        curriculum: Curriculum,
        model: PreTrainedModel,
        newest: Callable[[], Path | None],
    ):
        self.cluster, self.curriculum, self.model, self.newest = cluster, curriculum, model, newest
        self.settings = cluster.settings
        self.restarts: list[str] = []
        self.failures: list[str] = []  # since something was last done
        self.guard = Guard()
        self.steps = 0
        self._tokens = curriculum.settings.micro_batch_tokens  # of a micro-batch
        self._fewer: int | None = None  # of them, where as many did not fit
        self._lessons: dict[int, Lesson] = {}  # by the step whose update they made
        self._saved: list[int] = []  # steps of the checkpoints that were written
        self._delivery: Delivery | None = None
        self._ranks: list[Any] = []
        self._places: list[Place] = []
        try:
            self._begin()
        except Trouble as trouble:
            self._revive(trouble)

    # -- what a learner is asked --

    @property
    def weights(self) -> Weights:
        """The policy as it is, put where engines find it."""
        if self._delivery is None:
            self._delivery = self._ask(self._deliver)
        whole = Gathered(self._delivery, self.model, self.settings.patience)
        return DeliveredWeights(version=self.steps, tensors=whole, delivery=self._delivery)

    def update(self, batch: Batch, reference_logprobs_M: np.ndarray | None = None) -> Report:
        lesson = Lesson(batch, reference_logprobs_M)
        report = self._ask(lambda: self._learn(lesson))
        self._lessons[self.steps - 1] = lesson
        self._delivery = None
        return report

    def reference_logprobs(self, batch: Batch) -> np.ndarray:
        return self._ask(lambda: self._all("reference_logprobs", batch)[0])

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        return self._ask(lambda: self._all("laws", list(beginnings))[0])

    def write_model(self, folder: Path) -> None:
        self._ask(lambda: self._all("write_model", str(folder)))

    def save(self, folder: Path) -> None:
        self._ask(lambda: self._all("save", str(folder)))
        self._saved = [*self._saved, self.steps][-KEEP:]  # the newest may turn out to be damaged
        oldest = self._saved[0] if len(self._saved) == KEEP else 0
        self._lessons = {step: lesson for step, lesson in self._lessons.items() if step >= oldest}

    def restore(self, folder: Path) -> None:
        self._take(self._ask(lambda: self._all("restore", str(folder), self._fewer)[0]))
        self._lessons, self._saved, self._delivery = {}, [self.steps], None

    def close(self) -> None:
        self._end()
        self.cluster.leave(self._places)

    # -- what becomes of a question --

    def _ask(self, do: Callable[[], Any]) -> Any:
        """`do`, by all ranks; where they are in trouble they are begun anew, and asked again."""
        while True:
            try:
                found = do()
            except Trouble as trouble:
                self._revive(trouble)
            else:
                self.failures = []
                return found

    def _learn(self, lesson: Lesson) -> Report:
        [(report, standing), *_] = self._all("update", lesson.batch, lesson.reference_logprobs_M)
        self._take(standing)
        return report

    def _deliver(self) -> Delivery:
        """Rows of each rank. What is put in the store belongs to this process, and outlives them."""
        if self.settings.transport == "nixl":
            given = self._all("deliver", self.steps)
            return Delivery(self.steps, tuple(bucket for its in given for bucket in its.buckets), "nixl")
        buckets = []
        for rank, its in zip(self._ranks, self._all("pieces"), strict=True):
            buckets += [Bucket(pieces, rank.bucket.remote(place)) for place, pieces in enumerate(its)]
        self._all("standing")  # a rank does what it is asked in turn: all is put
        return Delivery(self.steps, tuple(buckets))

    def _take(self, standing: Standing) -> None:
        self.steps, self.guard = standing.steps, Guard(**standing.guard)
        self._tokens = standing.micro_batch_tokens

    def _all(self, verb: str, *words: Any) -> list[Any]:
        """What each rank answers. Raises Trouble where one of them cannot; what a rank itself objects to is raised."""
        given = [self.cluster.ray.put(word) for word in words]
        return self._heard(verb, [getattr(rank, verb).remote(*given) for rank in self._ranks], self.settings.patience)

    def _heard(self, verb: str, asked: Sequence[Any], patience: float) -> list[Any]:
        """The answers to what the ranks were `asked`, in order. `patience`: seconds that they may stand still."""
        ray, places = self.cluster.ray, {reference: place for place, reference in enumerate(asked)}
        answers: dict[int, Any] = {}
        errors: dict[int, Exception] = {}
        waiting, failed, watch = list(asked), 0.0, Watch(patience + CLEARING)
        while waiting and not (failed and time.monotonic() - failed > CLEARING):
            done, waiting = ray.wait(waiting, timeout=1.0)
            for reference in done:
                try:
                    answers[places[reference]] = ray.get(reference, timeout=patience)
                except Exception as error:
                    errors[places[reference]] = error
                    failed = failed or time.monotonic()
            if waiting and not done and watch.is_stuck(self._whereabouts):
                verb += f", where nothing has moved for {patience:g} s (scale.patience)"
                break
        if len(answers) == len(asked):
            return [answers[place] for place in range(len(asked))]
        raise trouble_of(verb, errors, self._whereabouts() if waiting else {})

    def _whereabouts(self) -> dict[int, str]:
        """What each rank is at; one that does not say so at once is stopped, or its machine is cut off."""
        ray = self.cluster.ray
        asked = {
            rank.whereabouts.options(concurrency_group=WATCH).remote(): place for place, rank in enumerate(self._ranks)
        }
        found = dict.fromkeys(range(len(asked)), "does not answer")
        for reference in ray.wait(list(asked), num_returns=len(asked), timeout=LOOK)[0]:
            with suppress(Exception):  # one that is gone does not answer either
                found[asked[reference]] = ray.get(reference, timeout=LOOK)
        return found

    # -- the processes --

    def _begin(self) -> None:
        """Have every rank open its share of the model, as it was before any update."""
        ray, settings = self.cluster.ray, self.settings
        bundle, whom = {"CPU": settings.learner_cpus, "GPU": settings.learner_gpus}, f"{settings.learners} learners"
        tell(f"{whom} open the model")
        if self._places:  # they are not given up: others wait for room
            self.cluster.reclaim(self._places, whom)
        else:
            self._places = self.cluster.reserve([bundle] * settings.learners, whom)
        actor = ray.remote(
            concurrency_groups={WATCH: 1}, max_restarts=0, enable_tensor_transport=settings.transport == "nixl"
        )(Rank)
        self._ranks = [
            actor.options(**place.options()).remote(number, settings.learners)
            for number, place in enumerate(self._places)
        ]
        patience = max(settings.patience, OPENING)
        addresses = self._heard("address", [rank.address.remote() for rank in self._ranks], patience)
        [port] = self._heard("host", [self._ranks[0].host.remote(addresses[0], patience)], patience)
        it = ray.put(self.curriculum)
        meeting = [
            rank.meet.remote(own, addresses[0], port, it) for rank, own in zip(self._ranks, addresses, strict=True)
        ]
        self._take(self._heard("meet", meeting, patience)[0])

    def _revive(self, trouble: Trouble) -> None:
        """Others in their place, who stand where these stood."""
        stood = self.steps
        while True:
            self.restarts.append(str(trouble))
            if isinstance(trouble, NoRoom):  # which has an end: one response that does not fit is none
                self._fewer = max(1, self._tokens // 2)
            else:
                self.failures.append(str(trouble))
            if len(self.failures) >= self.settings.failures:
                raise LearnersFailed(
                    f"the learners failed {len(self.failures)} times in a row:\n"
                    + "\n".join(f"  {place}. {failure}" for place, failure in enumerate(self.failures, 1))
                )
            tell(f"{trouble}: all learners begin anew")
            self._end()
            try:
                self._begin()
                newest = self.newest()
                if newest is not None or self._fewer is not None:
                    self._take(self._all("restore", newest and str(newest), self._fewer)[0])
                while self.steps < stood:
                    self._learn(self._lesson(self.steps, stood))
            except Trouble as again:
                self.steps, trouble = stood, again
            else:
                self._delivery = None
                return

    def _lesson(self, step: int, stood: int) -> Lesson:
        if step not in self._lessons:
            raise LearnersFailed(
                f"the learners were lost at step {stood}, and the newest whole checkpoint is of step {step}, further "
                "back than batches are kept: go on with --resume"
            )
        return self._lessons[step]

    def _end(self) -> None:
        for rank in self._ranks:
            self.cluster.ray.kill(rank)
        self._ranks = []

"""Passes in several processes: this one and its workers, each with a share of the responses.

For a small model on a CPU, processes of one thread each are faster than threads, and exact: which process computes
what depends on the batch alone, and their gradients are added in a fixed order.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from transformers import PreTrainedModel

from groupthink.model.gradient_checkpointing import is_checkpointed
from groupthink.model.shared_tensors import SharedTensors
from groupthink.model.unnamed_files import UnnamedFiles
from groupthink.model.workers import Workers
from groupthink.policy.memory import OutOfMemory, is_out_of_memory
from groupthink.policy.passes import Backward, Forward, MicroBatch, Passes
from groupthink.policy.worker import Description, Mapped, learn
from groupthink.records import Batch


class SideBySide(Protocol):
    """Who makes the passes of a learner, each with a share of the responses."""

    size: int
    """Into how many shares responses are dealt."""

    def changed(self, whose: str = "policy") -> None:
        """The weights have changed."""
        ...

    def forward(self, shares: Sequence[Sequence[Batch]], whose: str) -> list[Forward]:
        """The passes over every share's batches, in order."""
        ...

    def backward(self, shares: Sequence[Sequence[MicroBatch]]) -> list[Backward]:
        """The passes over every share's micro-batches, in order; adds their gradient to the policy's."""
        ...

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        """The policy's laws [R, V] of the token that follows each beginning, as logarithms, in nats."""
        ...

    def close(self) -> None: ...


class Team:
    """`processes` that make passes side by side: `local` in this one, and a worker for each further one.

    Each process computes with `threads` threads. `policy` and `reference` are the models of `local`.
    """

    def __init__(
        self,
        local: Passes,
        policy: PreTrainedModel,
        reference: PreTrainedModel | None,
        *,
        processes: int,
        threads: int,
    ):
        self.local, self.size = local, processes
        models = {"policy": policy} if reference is None else {"policy": policy, "reference": reference}
        self._held = {whose: dict(model.named_parameters()) for whose, model in models.items()}
        self._stale = set(models)
        self._checksums: dict[str, int] = {}
        self._files: dict[str, SharedTensors] = {}
        self._gradients: list[SharedTensors] = []
        self._workers = Workers(processes - 1, learn, "learning")
        self._unready = set(range(len(self._workers)))
        if not self._workers:
            return
        self._mapped = UnnamedFiles()  # until all have mapped them
        self._files = {whose: SharedTensors(self._mapped.path(whose), held) for whose, held in self._held.items()}
        for i in range(len(self._workers)):
            gradient = self._mapped.path(f"gradient-{i}")
            self._gradients.append(SharedTensors(gradient, self._held["policy"]))
            it = Description(
                models={
                    whose: Mapped(type(model), model.config, model.dtype, self._mapped.path(whose))
                    for whose, model in models.items()
                },
                gradient=gradient,
                objective=local.objective,
                temperature=local.temperature,
                threads=threads,
                recompute_layers=is_checkpointed(policy),
            )
            self._workers.send(i, it)

    def changed(self, whose: str = "policy") -> None:
        """Its weights have changed: workers are told before they are asked for anything."""
        self._stale.add(whose)

    def forward(self, shares: Sequence[Sequence[Batch]], whose: str) -> list[Forward]:
        """The passes over every share's batches, in order. Raises OutOfMemory where one did not fit."""
        return self._each(shares, "forward", whose)

    def backward(self, shares: Sequence[Sequence[MicroBatch]]) -> list[Backward]:
        """The passes over every share's micro-batches, in order; adds their gradient to the policy's.

        Raises OutOfMemory where one did not fit: what was added till then is a part, and to be thrown away.
        """
        found = self._each(shares, "backward")
        for given, gradient in zip(shares[1:], self._gradients, strict=True):
            if given:
                for name, parameter in self._held["policy"].items():
                    assert parameter.grad is not None
                    parameter.grad += gradient.tensors[name]
        return found

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        return self.local.laws(beginnings)  # so few that they are not dealt out

    def close(self) -> None:
        self._workers.close()
        if self._unready:
            self._mapped.close()

    def _each(self, shares: Sequence[Sequence[Any]], verb: str, *words: Any) -> list[Any]:
        assert len(shares) == self.size
        self._bring_weights()
        for i, given in enumerate(shares[1:]):
            if given:
                self._workers.send(i, (verb, given, *words))
        found, memory = self._own(shares[0], verb, *words)
        for i, given in enumerate(shares[1:]):
            answer = self._answer(i) if given else []
            memory = memory or answer is None
            found += answer or []
        if memory:
            raise OutOfMemory
        return found

    def _own(self, given: Sequence[Any], verb: str, *words: Any) -> tuple[list[Any], bool]:
        """What was found here, and whether memory ran out; the workers' answers must be heard all the same."""
        do = getattr(self.local, verb)
        try:
            return [do(part, *words) for part in given], False
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return [], True

    def _bring_weights(self) -> None:
        if self._files and self._stale:
            for whose in sorted(self._stale):
                self._checksums[whose] = self._files[whose].write(self._held[whose])
            for i in range(len(self._workers)):
                self._workers.send(i, ("weights", dict(self._checksums)))
        self._stale.clear()

    def _answer(self, i: int) -> list[Any] | None:
        """Wait for what worker `i` has found; None where it ran out of memory."""
        heard = time.monotonic()
        while True:
            message = self._workers.receive(i, heard)
            if message is None:
                self._workers.wait(i, 0.2)
                continue
            heard = time.monotonic()
            if message[0] == "ready":
                self._unready.discard(i)
                if not self._unready:
                    self._mapped.close()
            if message[0] == "memory":
                return None
            if message[0] == "done":
                return message[1]

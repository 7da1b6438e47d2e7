"""vLLM as a process of its own, which may die or hang: that is noticed, and made good.

    submit, cancel, ...   told to the process, and written down here
    result                waits for pieces; a process that is dead or silent is replaced by another, which is brought
                          to the current weights and given what is unfinished
    load                  writes the weights into a file that the process has mapped, and compares what it decodes with

What the process must know after a restart is all here: the weights' file, their version, the unfinished requests. So
a message that was lost is not sent again: the new process is told how things stand.
"""

import itertools
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.shared_tensors import SharedTensors
from groupthink.model.unnamed_files import UnnamedFiles
from groupthink.model.workers import SIGN_OF_LIFE
from groupthink.records import Weights
from groupthink.rollout.engine import EngineFailed, Sampling
from groupthink.rollout.sync import expected_of, require_fit, require_same
from groupthink.rollout.vllm.other_python import Gone, OtherPython
from groupthink.rollout.vllm.plan import make_plan
from groupthink.rollout.vllm.request import VllmRequest, require_law, require_room
from groupthink.rollout.vllm.settings import VllmSettings

WAIT = 0.2  # seconds that a process is waited for at a time
OPENING = 900.0  # seconds for vLLM to be imported and opened, which on a GPU compiles


class VllmProcessEngine:
    """Draws by vLLM in a process of its own, of `python`, from copies of `model`'s weights.

    What `load` has brought is read back and compared, always. `folder`: for the model's description, and for what the
    process prints. `patience`: seconds without a sign of life, after which the process counts as hung.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: VllmSettings,
        folder: Path,
        *,
        python: str,
        patience: float,
    ):
        self.tokenizer, self.settings = tokenizer, settings
        self.python, self.patience = python, patience
        self.log = folder / "vllm.log"
        self.plan = make_plan(model, tokenizer, settings, folder)
        self.like: dict[str, Tensor] = dict(model.named_parameters())
        self.names = {name: name for name in self.like} | self.plan.aliases
        self.requests: dict[int, VllmRequest] = {}  # unfinished ones, in the order of their submission
        self.failures: list[str] = []  # since something was last drawn
        self.restarts: list[str] = []
        self._numbers = itertools.count()
        self._shared: SharedTensors | None = None
        self._hold(Weights(0, self.like))
        self._try(self._begin)

    # -- the protocol --

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> VllmRequest:
        """Raises ValueError for a prompt without tokens or room for a response, and for a law that vLLM cannot give."""
        require_law(sampling.temperature, sampling.top_p, sampling.top_k)
        room = require_room(prompt_ids, self.plan.context)
        request = VllmRequest(
            self, next(self._numbers), prompt_ids, sampling, seed, max_tokens=min(sampling.max_tokens, room)
        )
        if not self.requests:
            self.process.expect()
        self.requests[request.number] = request
        self._tell(self._submission(request))
        return request

    def load(self, weights: Weights) -> None:
        """Raises ValueError where the weights are not this model's, RuntimeError where vLLM has not taken them over.

        Unfinished responses go on under the new weights.
        """
        require_fit(weights.tensors, self.like)
        self._hold(weights)
        self._try(self._sync)

    def verify(self, weights: Weights) -> None:
        """Raise RuntimeError where vLLM does not decode with exactly these weights."""
        found: list[tuple[str, dict[str, int]]] = []
        while not found:
            self._try(lambda: found.append(self._found(("verify",))))
        version, tensors = found[0]
        require_same(expected_of(weights, self.names), weights.version, tensors, version)

    def release(self) -> None:
        self._tell(("release",))

    def close(self) -> None:
        for request in [*self.requests.values()]:
            request.cancelled = True
        self.requests.clear()
        self.process.close()

    # -- what requests ask for --

    def advance(self) -> None:
        """Wait for a message of the process and take it in; replace the process where none will come."""

        def hear() -> None:
            message = self.process.receive(WAIT)
            if message is not None:
                self._take(message)

        self._try(hear)

    def watch(self, request: VllmRequest) -> None:
        if not request.done:
            self._tell(("watch", request.number))

    def drop(self, request: VllmRequest) -> None:
        indices = request.unfinished
        del self.requests[request.number]
        self._tell(("cancel", request.number, indices))

    # -- the process --

    def _try(self, do: Callable[[], object]) -> None:
        """`do`; where the process is gone meanwhile, another begins and is told how things stand."""
        try:
            do()
        except Gone as gone:
            self._replace(gone)

    def _tell(self, message: Any) -> None:
        self._try(lambda: self.process.send(message))

    def _replace(self, gone: Gone) -> None:
        while True:
            self.process.kill()
            self.failures.append(str(gone))
            if len(self.failures) >= self.settings.failures:
                raise EngineFailed(
                    f"vLLM's process failed {len(self.failures)} times in a row, and nothing was drawn in between:\n"
                    + "\n".join(f"  {i}. {failure}" for i, failure in enumerate(self.failures, 1))
                    + f"\nThe end of {self.log}:\n{self.process.last_words()}"
                )
            self.restarts.append(self.failures[-1])
            for request in self.requests.values():
                request.restart()
            try:
                return self._begin()
            except Gone as again:
                gone = again

    def _begin(self) -> None:
        """Start a process, bring it to the current weights, and give it what is unfinished. Raises Gone."""
        assert self._shared is not None
        interval = min(SIGN_OF_LIFE, self.patience / 4)
        environment = {"OMP_NUM_THREADS": str(self.settings.threads), "TOKENIZERS_PARALLELISM": "false"}
        with closing(UnnamedFiles()) as files:  # what both have mapped stays
            path = files.path("weights")
            shared = SharedTensors(path, self.like)
            shared.write(self._shared.tensors)
            self._shared = shared
            module = "groupthink.rollout.vllm.worker"
            self.process = OtherPython(self.python, module, environment, self.log, self.patience)
            like = {name: tuple(tensor.shape) for name, tensor in self.like.items()}
            self.process.send((self.plan, path, like, interval))
            try:
                self._await("ready", within=OPENING)
            except BaseException:
                self.process.kill()  # before the file is let go that it has not mapped
                raise
        self._sync()
        for request in self.requests.values():
            self.process.send(self._submission(request))
            if request.watched:
                self.process.send(("watch", request.number))
        self.process.expect()

    def _submission(self, request: VllmRequest) -> tuple[Any, ...]:
        return ("submit", request.number, request.prompt_ids.tolist(), request.draws())

    # -- weights --

    def _hold(self, weights: Weights) -> None:
        """Write the weights into the file, and down what the process should then find."""
        if self._shared is None:
            with closing(UnnamedFiles()) as files:
                self._shared = SharedTensors(files.path("weights"), self.like)
        self._shared.write(weights.tensors)
        self.version, self.expected = weights.version, expected_of(weights, self.names)

    def _sync(self) -> None:
        """Raises RuntimeError where the process does not decode with the weights that are held."""
        version, found = self._found(("load", self.version))
        require_same(self.expected, self.version, found, version)

    def _found(self, question: Any) -> tuple[str, dict[str, int]]:
        """What the process says that it decodes with. Raises Gone."""
        self.process.expect()
        self.process.send(question)
        _, version, found = self._await("found")
        return version, found

    def _await(self, kind: str, within: float = float("inf")) -> Any:
        """The next message of this kind; others that come before it are taken in."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            message = self.process.receive(WAIT)
            if message is not None and message[0] == kind:
                return message
            if message is not None:
                self._take(message)
        raise Gone(f"process {self.process.process.pid} did not open vLLM within {within:g} s")

    def _take(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("alive",):
                pass
            case ("pieces", pieces):
                self.failures.clear()
                for piece in pieces:
                    request = self.requests.get(piece.key[0])
                    if request is not None:
                        request.take(piece)
                        if request.done:
                            del self.requests[request.number]
            case ("failed", story):
                raise Gone(f"process {self.process.process.pid} failed:\n{story}")
            case _:
                raise AssertionError(f"no such message: {message[0]}")

"""vLLM within this process. Work is done while a handle is waited for."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.records import Weights
from groupthink.rollout.engine import Sampling
from groupthink.rollout.sync import expected_of, require_fit, require_same
from groupthink.rollout.vllm.plan import make_plan
from groupthink.rollout.vllm.request import VllmRequest, require_law, require_room
from groupthink.rollout.vllm.settings import VllmSettings


class VllmEngine:
    """Draws by vLLM from copies of `model`'s weights. What `load` has brought is read back and compared, always.

    `folder`: for the model's description. A process can hold one such engine at a time.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: VllmSettings, folder: Path
    ):
        from groupthink.rollout.vllm.core import VllmCore

        self.tokenizer = tokenizer
        self.plan = make_plan(model, tokenizer, settings, folder)
        self.like: dict[str, Tensor] = dict(model.named_parameters())
        self.names = {name: name for name in self.like} | self.plan.aliases
        self.requests: dict[int, VllmRequest] = {}  # unfinished ones
        self.restarts: list[str] = []  # it has no process of its own
        self._numbers = itertools.count()
        self.core = VllmCore(self.plan)
        self.load(Weights(0, self.like))

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> VllmRequest:
        """Raises ValueError for a prompt without tokens or room for a response, and for a law that vLLM cannot give."""
        require_law(sampling.temperature, sampling.top_p, sampling.top_k)
        room = require_room(prompt_ids, self.plan.context)
        request = VllmRequest(
            self, next(self._numbers), prompt_ids, sampling, seed, max_tokens=min(sampling.max_tokens, room)
        )
        self.requests[request.number] = request
        self.core.add(request.number, prompt_ids.tolist(), request.draws())
        return request

    def load(self, weights: Weights) -> None:
        """Raises ValueError where the weights are not this model's, RuntimeError where vLLM has not taken them over."""
        require_fit(weights.tensors, self.like)
        self.core.load(self._sent(weights), weights.version)
        self.verify(weights)

    def verify(self, weights: Weights) -> None:
        """Raise RuntimeError where vLLM does not decode with exactly these weights."""
        found = self.core.decoded_with()
        require_same(expected_of(weights, self.names), weights.version, found, self.core.version)

    def release(self) -> None:
        self.core.release()

    def close(self) -> None:
        for request in [*self.requests.values()]:
            request.cancel()
        self.core.close()

    def advance(self) -> None:
        """One token for every live response."""
        for piece in self.core.step():
            request = self.requests.get(piece.key[0])
            if request is not None:
                request.take(piece)
                if request.done:
                    del self.requests[request.number]

    def watch(self, request: VllmRequest) -> None:
        """Every request's tokens are told as they are drawn, here."""

    def drop(self, request: VllmRequest) -> None:
        self.core.cancel([(request.number, j) for j in request.unfinished])
        del self.requests[request.number]

    def _sent(self, weights: Weights) -> Iterator[tuple[str, Tensor]]:
        for name, source in self.names.items():
            yield name, weights.tensors[source].detach()

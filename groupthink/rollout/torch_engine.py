"""The embedded engine: one loop that admits, draws, finishes and decodes, around either decoder."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.chat import stop_ids
from groupthink.records import Response, Weights
from groupthink.rollout import native_law
from groupthink.rollout.decoder import Decoder, open_decoder
from groupthink.rollout.engine import NoRoom, Sampling
from groupthink.rollout.law import draw, learner_law, narrow
from groupthink.rollout.ledger import Ledger
from groupthink.rollout.native_decoder import NativeDecoder
from groupthink.rollout.noise import mix, uniform
from groupthink.rollout.sync import different, require_fresh, require_version

MANY = 16
"""Tokens that each row draws by one call where a decoder can; between calls, signals and new weights are heeded."""


@dataclass(eq=False, slots=True)
class Request:
    """A prompt and what has come of it so far. It is also the handle that `submit` gives."""

    engine: "TorchEngine"
    prompt_ids: np.ndarray
    sampling: Sampling
    seed: int
    max_tokens: int  # what the sampling asks for, or what the model's context leaves
    responses: dict[int, Response] = field(default_factory=dict)
    admitted: int = 0  # responses that have entered the batch
    cancelled: bool = False
    watched: bool = False
    fresh: deque[tuple[int, list[int]]] = field(default_factory=deque)  # drawn and not yet told to the watcher

    @property
    def done(self) -> bool:
        return self.cancelled or len(self.responses) == self.sampling.n

    def start(self) -> None:
        """Work is done in this process, while a result is waited for."""

    def result(self) -> tuple[Response, ...]:
        while not self.done:
            self.engine.step()
        if self.cancelled:
            raise RuntimeError("these responses were cancelled")
        return tuple(self.responses[j] for j in range(self.sampling.n))

    def cancel(self) -> None:
        self.cancelled = not self.done or self.cancelled

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        earlier = [(j, response.token_ids_T.tolist()) for j, response in sorted(self.responses.items())]
        earlier += self.engine.drawn_so_far(self)
        self.watched = True
        self.fresh.clear()
        yield from earlier
        while self.fresh or not self.done:
            if self.fresh:
                yield self.fresh.popleft()
            else:
                self.engine.step()


@dataclass(frozen=True, slots=True)
class Row:
    """Who a live row of the batch writes for."""

    request: Request
    index: int  # which of the request's responses
    seed: int


class TorchEngine:
    """Draws from a transformers model in this process. Work is done while a handle is waited for.

    `decoder`: of this model (None: the fastest that agrees with the model's own forward pass).
    `max_sequences` bounds the live rows; what is submitted beyond it waits and enters as others finish.
    `threads`: torch threads while it works (None: as they are).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        decoder: Decoder | None = None,
        max_sequences: int = 256,
        threads: int | None = None,
    ):
        self.model, self.tokenizer = model, tokenizer
        self.max_sequences, self.threads = max_sequences, threads
        self.version = 0
        self.restarts: list[str] = []  # it has no process of its own
        # MPS has no float64: laws are made and drawn from on the CPU there.
        self.device = torch.device("cpu") if model.device.type == "mps" else model.device
        self.stop_ids = stop_ids(tokenizer, model)
        self.context: float = getattr(model.config.get_text_config(), "max_position_embeddings", None) or float("inf")
        self.decoder = decoder or open_decoder(model)
        self.waiting: deque[Request] = deque()
        self.rows: list[Row] = []
        self.logits_BV: Tensor | None = None
        self._is_stop_V = np.zeros(model.config.get_text_config().vocab_size, bool)
        self._is_stop_V[[token for token in self.stop_ids if token < len(self._is_stop_V)]] = True
        self.ledger = Ledger(max_sequences, self.device)

    # -- the protocol --

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> Request:
        request = Request(self, prompt_ids, sampling, seed, int(min(sampling.max_tokens, self.room(prompt_ids))))
        self.waiting.append(request)
        return request

    def room(self, prompt_ids: np.ndarray) -> float:
        """Tokens that may follow a prompt. Raises ValueError where there are none, or no prompt."""
        if not len(prompt_ids):
            raise ValueError("the prompt has no tokens: give it at least one")
        if len(prompt_ids) >= self.context:
            raise NoRoom(
                f"the prompt has {len(prompt_ids)} tokens and the model's context {self.context}: shorten the prompt"
            )
        return self.context - len(prompt_ids)

    def load(self, weights: Weights) -> None:
        """Raises ValueError where the weights are not this model's. The model's own tensors are not copied."""
        self.require_own(weights)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if parameter.data_ptr() != weights.tensors[name].data_ptr():
                    parameter.copy_(weights.tensors[name])
        self.decoder.refresh()
        self.version = weights.version

    @torch.no_grad()
    def verify(self, weights: Weights) -> None:
        """The decoder's own tensors are made anew of these weights, and compared with those that it decodes with."""
        require_version(weights.version, self.version)
        self.require_own(weights)
        own = {name: parameter.detach() for name, parameter in self.model.named_parameters()}
        stale = different(own.items(), ((name, weights.tensors[name]) for name in own))
        require_fresh(stale or self.decoder.stale(), weights.version)

    def release(self) -> None:
        if not self.rows:
            self.decoder.release()
            self.ledger = Ledger(self.max_sequences, self.device)

    @torch.inference_mode()  # as draws are: their tensors may be changed nowhere else
    def close(self) -> None:
        for request in [*self.waiting, *(row.request for row in self.rows)]:
            request.cancel()
        self.waiting.clear()
        self._drop([*range(len(self.rows))])
        self.release()

    def drawn_so_far(self, request: Request) -> list[tuple[int, list[int]]]:
        """The tokens of a request's unfinished responses."""
        mine = [(b, row.index) for b, row in enumerate(self.rows) if row.request is request]
        return [(j, self.ledger.read(b)[0].tolist()) for b, j in mine if self.ledger.count_B[b]]

    @property
    def busy(self) -> bool:
        return bool(self.rows or self.waiting)

    def require_own(self, weights: Weights) -> None:
        """Raise ValueError for weights that are not named as this model's are."""
        parameters = dict(self.model.named_parameters())
        missing = parameters.keys() - weights.tensors.keys()
        unknown = weights.tensors.keys() - self.model.state_dict().keys()  # which names tied ones twice
        if missing or unknown:
            raise ValueError(
                f"these are not this model's weights: missing {sorted(missing)[:3]}, unknown {sorted(unknown)[:3]}; "
                "give the tensors of the same architecture by their Hugging Face names"
            )

    # -- the loop --

    @torch.inference_mode()
    def step(self) -> None:
        """A token for every live sequence, or several where nobody waits for a place or watches."""
        before = torch.get_num_threads()
        if self.threads is not None and self.threads != before:
            torch.set_num_threads(self.threads)
        try:
            self._drop([b for b, row in enumerate(self.rows) if row.request.cancelled])
            self._admit()
            if self.rows and self._may_draw_many():
                self._draw_many()
            elif self.rows:
                self._draw_one()
        finally:
            if self.threads is not None and self.threads != before:
                torch.set_num_threads(before)

    def _admit(self) -> None:
        """Let whole groups in while there is room for them; a group larger than all rows comes in parts."""
        entering: list[tuple[Request, int]] = []
        live = len(self.rows)
        while self.waiting:
            request = self.waiting[0]
            wanted = 0 if request.cancelled else request.sampling.n - request.admitted
            free = self.max_sequences - live
            copies = wanted if wanted <= free else free if live == 0 else 0
            if copies:
                entering.append((request, copies))
                live += copies
            if copies < wanted:
                break
            self.waiting.popleft()
        if not entering:
            return
        for request, copies in entering:
            for j in range(request.admitted, request.admitted + copies):
                seed = mix(request.seed, j)
                self.ledger.open(len(self.rows), seed, request.sampling, request.max_tokens)
                self.rows.append(Row(request, j, seed))
            request.admitted += copies
        prompts, copies_each = zip(*((request.prompt_ids, copies) for request, copies in entering), strict=True)
        logits = self.decoder.admit(prompts, copies_each).to(self.device)
        self.logits_BV = logits if self.logits_BV is None else torch.cat([self.logits_BV, logits])

    def _may_draw_many(self) -> bool:
        assert self.logits_BV is not None
        by_hand = isinstance(self.decoder, NativeDecoder) and native_law.can_draw(self.logits_BV, self.ledger)
        return by_hand and not self.waiting and not any(row.request.watched for row in self.rows)

    def _draw_many(self) -> None:
        """Tokens for every live row by one call of a decoder that can draw, too."""
        assert self.logits_BV is not None and isinstance(self.decoder, NativeDecoder)
        columns = native_law.Columns.of(self.ledger, self.version)
        self.logits_BV, ended_B = self.decoder.draw_many(MANY, self.logits_BV, columns, self._is_stop_V)
        self._drop(self._finish(ended_B))

    def _draw_one(self) -> None:
        """A token for every live row."""
        token_ids_B = self._draw()
        ids_B = token_ids_B.cpu().numpy()  # the one place where a step waits for the device
        self._tell(ids_B)
        ended_B = self._is_stop_V[ids_B] | (self.ledger.count_B[: len(ids_B)] >= self.ledger.limit_B[: len(ids_B)])
        ended = self._finish(ended_B)
        kept = self._drop(ended)
        if self.rows:
            token_ids_B = token_ids_B[kept] if ended else token_ids_B
            self.logits_BV = self.decoder.decode(token_ids_B.to(self.model.device)).to(self.device)

    def _draw(self) -> Tensor:
        """Draw a token for every live row and write it down with its log-probabilities; gives their ids [B]."""
        assert self.logits_BV is not None
        if native_law.can_draw(self.logits_BV, self.ledger):
            return native_law.draw(self.logits_BV, self.ledger, self.version)
        B, ledger = len(self.rows), self.ledger
        temperature_B, top_k_B, top_p_B = (
            torch.from_numpy(column[:B]).to(self.device)
            for column in (ledger.temperature_B, ledger.top_k_B, ledger.top_p_B)
        )
        law_BV = drawn_BV = learner_law(self.logits_BV, temperature_B)
        if ledger.top_k_B[:B].any() or (ledger.top_p_B[:B] < 1).any():
            drawn_BV = narrow(law_BV, top_k_B, top_p_B)
        uniform_B = torch.from_numpy(uniform(ledger.seed_B[:B], ledger.count_B[:B])).to(self.device)
        token_ids_B = draw(drawn_BV, uniform_B)
        logprobs_B, drawn_logprobs_B = (law.gather(1, token_ids_B[:, None])[:, 0] for law in (law_BV, drawn_BV))
        ledger.write(token_ids_B, logprobs_B, drawn_logprobs_B, self.version)
        return token_ids_B

    def _tell(self, ids_B: np.ndarray) -> None:
        """What was drawn, to those who watch."""
        for row, token in zip(self.rows, ids_B.tolist(), strict=True):
            if row.request.watched:
                row.request.fresh.append((row.index, [token]))

    def _finish(self, ended_B: np.ndarray) -> list[int]:
        """Hand over the rows that have ended; gives their numbers."""
        ended = np.flatnonzero(ended_B).tolist()
        for b in ended:
            self.rows[b].request.responses[self.rows[b].index] = self._response(b)
        return ended

    def _response(self, b: int) -> Response:
        token_ids_T, logprobs_T, drawn_logprobs_T, versions_T = self.ledger.read(b)
        stopped = bool(self._is_stop_V[token_ids_T[-1]])
        if not np.isfinite(logprobs_T).all():
            raise FloatingPointError(
                f"the model's logits are not finite under its weights of version {self.version}: they hold NaN or "
                f"infinity, or overflow in {self.model.dtype}"
            )
        return Response(
            token_ids_T=token_ids_T,
            sampled_T=np.ones(len(token_ids_T), bool),
            logprobs_T=logprobs_T,
            drawn_logprobs_T=drawn_logprobs_T,
            versions_T=versions_T,
            text=self.tokenizer.decode(token_ids_T[:-1] if stopped else token_ids_T, skip_special_tokens=False),
            finish="stop" if stopped else "length",
            seed=self.rows[b].seed,
        )

    def _drop(self, ended: list[int]) -> list[int]:
        """Take rows out, the last ones moving into the gaps; gives, for each row that stays, where it was."""
        rows = list(range(len(self.rows)))
        if not ended:
            return rows
        live = len(rows) - len(ended)
        targets = [b for b in ended if b < live]
        sources = [b for b in rows[live:] if b not in set(ended)]
        for source, target in zip(sources, targets, strict=True):
            rows[target] = source
        rows = rows[:live]
        self.decoder.move(sources, targets, live)
        self.ledger.move(sources, targets)
        self.rows = [self.rows[b] for b in rows]
        self.logits_BV = self.logits_BV[rows] if self.logits_BV is not None and rows else None
        return rows

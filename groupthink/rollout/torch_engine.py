"""The embedded engine: one loop that admits, draws, finishes and decodes, around either decoder."""

from collections import deque
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.chat import stop_ids
from groupthink.records import Response, Weights
from groupthink.rollout import native_law
from groupthink.rollout.decoder import Decoder, open_decoder
from groupthink.rollout.engine import NoMemory, NoRoom, Sampling
from groupthink.rollout.law import draw, learner_law, narrow
from groupthink.rollout.ledger import Ledger
from groupthink.rollout.likeliest import likeliest
from groupthink.rollout.noise import mix, uniform
from groupthink.rollout.request import Parked, Request, Row
from groupthink.rollout.sync import different, require_fresh, require_version

MANY = 16
"""Tokens that each row draws by one call where a decoder can; between calls, signals and new weights are heeded."""


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
        self.parked: deque[Parked] = deque()
        self.rows: list[Row] = []
        self.finished: deque[tuple[Row, tuple[np.ndarray, ...]]] = deque()  # what is still to be handed over
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
        for request in [*self.waiting, *(row.request for row in self.rows), *(one.row.request for one in self.parked)]:
            request.cancel()
        self.waiting.clear()
        self.parked.clear()
        self._drop([*range(len(self.rows))])
        self.release()

    def drawn_so_far(self, request: Request) -> list[tuple[int, list[int]]]:
        """The tokens of a request's unfinished responses."""
        mine = [(b, row.index) for b, row in enumerate(self.rows) if row.request is request]
        live = [(j, self.ledger.read(b)[0].tolist()) for b, j in mine if self.ledger.count_B[b]]
        return live + [(it.row.index, it.columns[0].tolist()) for it in self.parked if it.row.request is request]

    def drawn_beyond(self, told: Callable[[Row], int]) -> list[tuple[Row, tuple[np.ndarray, ...]]]:
        """What each live row was given beyond the first `told(row)` tokens, in columns as the ledger reads them."""
        return list(zip(self.rows, self.ledger.read_beyond(np.array([*map(told, self.rows)], np.int64)), strict=True))

    def abandon(self) -> None:
        """Forget all that was asked for, what could not be handed over, too: after an error others may go on here."""
        self.finished.clear()
        self.close()

    @property
    def busy(self) -> bool:
        return bool(self.rows or self.waiting or self.parked or self.finished)

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
        """A token for every live sequence, or several where a decoder draws by itself."""
        before = torch.get_num_threads()
        if self.threads is not None and self.threads != before:
            torch.set_num_threads(self.threads)
        try:
            self._drop([b for b, row in enumerate(self.rows) if row.unwanted])
            self._admit()
            if self.rows and self._may_draw_many():
                self._draw_many()
            elif self.rows:
                self._draw_one()
            if not self.rows or self.device.type == "cpu":  # a GPU is first given its next work
                self.hand_over()
        finally:
            if self.threads is not None and self.threads != before:
                torch.set_num_threads(before)

    def _admit(self) -> None:
        """Let whole groups in while there is room for them, after those that had to leave.

        A group that is larger than all there is comes in parts.
        """
        if not self.rows and (self.waiting or self.parked):
            self.decoder.reserve(min(self.max_sequences, self._wanted()), self._longest())
        prompts: list[np.ndarray] = []
        copies: list[int] = []
        rows: list[Row] = []
        restored: list[tuple[int, Parked]] = []

        def enter(request: Request, prompt_ids: np.ndarray, wanted: int) -> int:
            """How many of so many copies there is room for now: all, but where nothing else is there."""
            free = self.max_sequences - len(self.rows) - len(rows)
            alone = not self.rows and not rows
            ahead, longest = min(MANY, request.max_tokens), len(request.prompt_ids) + request.max_tokens
            for n in range(min(wanted, free), 0 if alone else wanted - 1, -1):
                if self.decoder.fits([*map(len, prompts), len(prompt_ids)], [*copies, n], ahead, longest):
                    prompts.append(prompt_ids)
                    copies.append(n)
                    return n
            if alone:
                raise NoMemory(
                    f"there is no memory for the keys and values of a sequence of {len(prompt_ids)} tokens: free some, "
                    "or draw shorter responses (rollout.max_tokens)"
                )
            return 0

        while self.parked:
            parked, request = self.parked[0], self.parked[0].row.request
            if not parked.row.unwanted and not enter(request, parked.token_ids, 1):
                break
            self.parked.popleft()
            if not parked.row.unwanted:
                restored.append((len(self.rows) + len(rows), parked))
                rows.append(parked.row)
        while self.waiting and not self.parked:
            request = self.waiting[0]
            wanted = 0 if request.cancelled else request.sampling.n - request.admitted
            entered = enter(request, request.prompt_ids, wanted) if wanted else 0
            for j in range(request.admitted, request.admitted + entered):
                rows.append(Row(request, j, mix(request.seed, j)))
            request.admitted += entered
            if entered < wanted:
                break
            self.waiting.popleft()
        if not rows:
            return
        for b, row in enumerate(rows, start=len(self.rows)):
            self.ledger.open(b, row.seed, row.request.sampling, row.request.max_tokens)
        for b, parked in restored:
            self.ledger.restore(b, parked.columns)
        self.rows += rows
        logits = self.decoder.admit(prompts, copies).to(self.device)
        self.logits_BV = logits if self.logits_BV is None else torch.cat([self.logits_BV, logits])

    def _wanted(self) -> int:
        """How many responses wait for a place."""
        return len(self.parked) + sum(request.sampling.n - request.admitted for request in self.waiting)

    def _longest(self) -> int:
        """Tokens of the longest sequence that what waits may grow to."""
        requests = [*self.waiting, *(parked.row.request for parked in self.parked)]
        return max(len(request.prompt_ids) + request.max_tokens for request in requests)

    def _park(self, most: int) -> None:
        """Where memory does not last for so many tokens more of each row, those with the fewest leave, and wait."""

        def lasts() -> bool:
            B = len(self.rows)
            return self.decoder.can_go_on(np.minimum(most, self.ledger.limit_B[:B] - self.ledger.count_B[:B]))

        while len(self.rows) > 1 and not lasts():
            b = int(self.ledger.count_B[: len(self.rows)].argmin())
            self.parked.append(Parked(self.rows[b], self.ledger.read(b)))
            self._drop([b])
        if not lasts():
            raise NoMemory(
                "there is no memory for the keys and values of a single sequence to its end: free some, or draw "
                "shorter responses (rollout.max_tokens)"
            )

    def _may_draw_many(self) -> bool:
        assert self.logits_BV is not None
        if any(row.request.likeliest for row in self.rows):
            return False
        soon = bool(self.waiting or self.parked) or any(row.request.watched for row in self.rows)
        return self.decoder.can_draw_many(self.logits_BV, self.ledger, soon=soon)

    def _draw_many(self) -> None:
        """Tokens for every live row by one call of a decoder that can draw, too."""
        self._park(MANY)
        assert self.logits_BV is not None
        watched = [b for b, row in enumerate(self.rows) if row.request.watched]
        seen_B = self.ledger.count_B[watched]
        self.logits_BV, ended_B = self.decoder.draw_many(
            MANY, self.logits_BV, self.ledger, self.version, self._is_stop_V, self.hand_over
        )
        for b, seen, columns in zip(watched, seen_B, self.ledger.read_many(watched), strict=True):
            self.rows[b].request.fresh.append((self.rows[b].index, columns[0][seen:].tolist()))
        self._drop(self._finish(ended_B))

    def _draw_one(self) -> None:
        """A token for every live row."""
        self._park(1)
        self._note_likeliest()
        token_ids_B = self._draw()
        ids_B = token_ids_B.cpu().numpy()  # the one place where a step waits for the device
        self._tell(ids_B)
        ended_B = self._is_stop_V[ids_B] | (self.ledger.count_B[: len(ids_B)] >= self.ledger.limit_B[: len(ids_B)])
        ended = self._finish(ended_B)
        kept = self._drop(ended)
        if self.rows:
            token_ids_B = token_ids_B[kept] if ended else token_ids_B
            self.logits_BV = self.decoder.decode(token_ids_B.to(self.model.device)).to(self.device)
        self.hand_over()

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

    def _note_likeliest(self) -> None:
        """What each row might be given next, for those who asked."""
        assert self.logits_BV is not None
        asked = [b for b, row in enumerate(self.rows) if row.request.likeliest]
        if not asked:
            return
        most = max(self.rows[b].request.likeliest for b in asked)
        temperature_B = torch.from_numpy(self.ledger.temperature_B[asked]).to(self.device)
        for b, found in zip(asked, likeliest(self.logits_BV[asked], temperature_B, most), strict=True):
            row = self.rows[b]
            row.request.likely.setdefault(row.index, []).append(found[: row.request.likeliest])

    def _tell(self, ids_B: np.ndarray) -> None:
        """What was drawn, to those who watch."""
        for row, token in zip(self.rows, ids_B.tolist(), strict=True):
            if row.request.watched:
                row.request.fresh.append((row.index, [token]))

    def _finish(self, ended_B: np.ndarray) -> list[int]:
        """Take down what has come of the rows that have ended; gives their numbers."""
        ended = np.flatnonzero(ended_B).tolist()
        if ended:
            self.finished += zip((self.rows[b] for b in ended), self.ledger.read_many(ended), strict=True)
        return ended

    def hand_over(self) -> None:
        """Give those who wait for them the responses that are finished."""
        while self.finished:
            row, columns = self.finished[0]  # and there it stays, where it cannot be handed over
            row.request.responses[row.index] = self._response(row, columns)
            self.finished.popleft()

    def _response(self, row: Row, columns: tuple[np.ndarray, ...]) -> Response:
        token_ids_T, logprobs_T, drawn_logprobs_T, versions_T = columns
        stopped = bool(self._is_stop_V[token_ids_T[-1]])
        if not np.isfinite(logprobs_T).all():
            raise FloatingPointError(
                f"the model's logits are not finite under its weights of version {versions_T[-1]}: they hold NaN or "
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
            seed=row.seed,
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

"""The decoder of Llamas and Qwen3s on a GPU. Used only where `verify.agrees` finds it equal to transformers'."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers import PreTrainedModel

from groupthink.model.llama import knows, shape_of
from groupthink.rollout.cuda.attention import attend
from groupthink.rollout.cuda.between import add_norm, gate, turn
from groupthink.rollout.cuda.draws import draw
from groupthink.rollout.cuda.replays import Replays, size_of
from groupthink.rollout.cuda.rows import Rows
from groupthink.rollout.cuda.weights import Layout, follow, lay_out, of_model, tensors
from groupthink.rollout.ledger import Ledger
from groupthink.rollout.noise import uniform
from groupthink.rollout.pages import GPU_PAGE as PAGE
from groupthink.rollout.pages import FixedPages
from groupthink.rollout.sync import different

PREFILLED = 16_384
"""Tokens of prompts that are computed at once: this bounds the memory that it takes."""

SHARE = 0.85
"""Of the memory that is free when rows are to come: as much of it as keys and values may have."""

PROGRAMS = 2048
"""Parts of attention that keep a GPU busy."""

MOST_SPLITS = 32


def can_decode(model: PreTrainedModel) -> bool:
    """Whether a step is written out for this model's architecture and sizes."""
    if not (knows(model) and model.config.hidden_act == "silu"):
        return False
    head_dim = shape_of(model).head_dim
    return head_dim in (16, 32, 64, 128, 256)


class CudaDecoder:
    """Row b has `lengths_B[b]` tokens in the pages `tables_BW[b]`. A group shares the pages that its prompt fills.

    What a step reads lies in tensors that stay where they are, so that it can be recorded and replayed: the pool of
    pages, and a column of each of `Rows`. What is true of the rows is known here, in numpy, and written to the GPU
    before steps are taken.
    """

    def __init__(self, model: PreTrainedModel):
        assert can_decode(model)
        self.model, self.device = model, model.device
        self.shape = shape_of(model)
        self.weights: Layout = lay_out(model)
        self.live = 0
        self.lengths_B, self.held_B = np.zeros((2, 0), np.int32)
        self.release()

    def refresh(self) -> None:
        if not follow(self.weights, self.model):
            self.weights = lay_out(self.model)
            self.replays.graphs.clear()

    def stale(self) -> list[str]:
        return different(tensors(self.weights), of_model(self.model))

    def release(self) -> None:
        """Graphs hold addresses of what is given back: they go, too."""
        assert not self.live
        self.pages = FixedPages(0)
        self.pools: list[Tensor] = []  # of each layer
        self.rows = Rows(0, 0, self.device)
        self.logits_RV = torch.empty(0, device=self.device)
        self.tables_BW = np.zeros((0, 0), np.int32)
        self.replays = Replays(self.rows.alive_R)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # before others put small things into the midst of what was large

    # -- room --

    def reserve(self, rows: int, tokens: int) -> None:
        """While no row is alive: memory for `rows` rows of `tokens` tokens each, or as much of it as there is."""
        assert not self.live
        width = pages_of(tokens) + 1
        if rows <= self.rows.count and width <= self.tables_BW.shape[1]:
            return
        rows, width = max(size_of(rows), self.rows.count), max(width, self.tables_BW.shape[1])
        self.release()
        shape = (2, self.shape.kv_heads, PAGE, self.shape.head_dim)
        layers, dtype = len(self.weights.layers), self.weights.embedding.dtype
        page_bytes = layers * int(np.prod(shape)) * dtype.itemsize
        pages = int(min(rows * width, SHARE * _free_bytes(self.device) // page_bytes))
        # Zeros, not just any memory: what lies past a row's end gets weight 0, and 0 times NaN is NaN.
        self.pools = [torch.zeros(pages, *shape, dtype=dtype, device=self.device) for _ in range(layers)]
        self.pages = FixedPages(pages)
        self.rows = Rows(rows, width, self.device)
        self.logits_RV = torch.zeros(rows, len(self.weights.head), dtype=dtype, device=self.device)
        self.tables_BW = np.zeros((rows, width), np.int32)
        self.replays = Replays(self.rows.alive_R)
        angles = self.model.base_model.rotary_emb(self.logits_RV, torch.arange(width * PAGE, device=self.device)[None])
        self.cosine, self.sine = (angle[0].contiguous() for angle in angles)

    def fits(self, tokens: Sequence[int], copies: Sequence[int], ahead: int, longest: int) -> bool:
        """Whether there is room for prompts of so many tokens, in so many copies, and `ahead` more for every row."""
        if self.live + sum(copies) > self.rows.count or pages_of(longest) + 1 > self.tables_BW.shape[1]:
            return False
        shared = sum(length // PAGE for length in tokens)
        own = sum(n * (pages_of(length + ahead) - length // PAGE) for length, n in zip(tokens, copies, strict=True))
        return shared + own + self._missing(ahead) <= len(self.pages.free)

    def can_go_on(self, ahead_B: np.ndarray) -> bool:
        return self._missing(ahead_B) <= len(self.pages.free)

    def _missing(self, ahead_B: np.ndarray | int) -> int:
        return int(np.maximum(-(-(self.lengths_B + ahead_B) // PAGE) - self.held_B, 0).sum())

    def _grow(self, ahead_B: np.ndarray | int) -> None:
        """Pages for so many tokens more of every live row."""
        wanted_B = -(-(self.lengths_B + ahead_B) // PAGE)
        assert not self.live or wanted_B.max() <= self.tables_BW.shape[1], "a row is longer than was reserved"
        for b in np.flatnonzero(wanted_B > self.held_B):
            new = slice(self.held_B[b], wanted_B[b])
            self.tables_BW[b, new] = self.pages.take(int(wanted_B[b] - self.held_B[b]))
            self.held_B[b] = wanted_B[b]

    # -- the protocol --

    @torch.inference_mode()
    def admit(self, prompts: Sequence[np.ndarray], copies: Sequence[int]) -> Tensor:
        lengths, count = np.array([len(prompt) for prompt in prompts], np.int32), sum(copies)
        assert self.live + count <= self.rows.count and lengths.max() < self.tables_BW.shape[1] * PAGE
        firsts, b = [], self.live  # of each prompt, the row that is computed
        begun: list[tuple[int, int]] = []  # pages that are copied once they are computed: from, to
        for length, n in zip(lengths, copies, strict=True):
            full, rest = divmod(int(length), PAGE)
            firsts.append(b)
            self.tables_BW[b : b + n, :full] = self.pages.take(full, users=n)
            if rest:
                own = self.pages.take(n)
                self.tables_BW[b : b + n, full] = own
                begun += [(own[0], page) for page in own[1:]]
            b += n
        source = np.repeat(np.arange(len(prompts)), copies)
        self.lengths_B = np.concatenate([self.lengths_B, lengths[source]])
        self.held_B = np.concatenate([self.held_B, -(-lengths[source] // PAGE)]).astype(np.int32)
        self.live += count
        self.rows.tables_RW.copy_(torch.from_numpy(self.tables_BW))
        logits_QV = self._prefill(prompts, firsts)
        if begun:
            held, new = (torch.tensor(pages, device=self.device) for pages in zip(*begun, strict=True))
            for pool in self.pools:
                pool[new] = pool[held]
        return logits_QV[torch.from_numpy(source).to(self.device)]

    @torch.inference_mode()
    def decode(self, token_ids_B: Tensor) -> Tensor:
        """The logits are overwritten by the next step."""
        B = self.live
        self._grow(1)
        self.rows.write(self.tables_BW, self.lengths_B)
        self.rows.token_ids_R[:B] = token_ids_B
        self.replays(B, self._step)
        self.lengths_B += 1
        return self.logits_RV[:B]

    def can_draw_many(self, logits_BV: Tensor, ledger: Ledger, *, soon: bool) -> bool:
        """Others may wait for a few tokens: to look after each of them costs more."""
        return bool(ledger.simple_B[: len(logits_BV)].all())

    @torch.inference_mode()
    def draw_many(
        self,
        most: int,
        logits_BV: Tensor,
        ledger: Ledger,
        version: int,
        is_stop_V: np.ndarray,
        meanwhile: Callable[[], None],
    ) -> tuple[Tensor, np.ndarray]:
        """The logits are overwritten by the next step."""
        B, rows = self.live, self.rows
        left_B = ledger.limit_B[:B] - ledger.count_B[:B]
        self._grow(np.minimum(most, left_B))
        if logits_BV.data_ptr() != self.logits_RV.data_ptr():
            self.logits_RV[:B] = logits_BV
        rows.write(self.tables_BW, self.lengths_B, left_B)
        temperature_B = torch.from_numpy(ledger.temperature_B[:B]).to(self.device)
        greedy_B = torch.from_numpy((ledger.top_k_B[:B] == 1).astype(np.int32)).to(self.device)
        places = ledger.count_B[:B] + np.arange(most)[:, None]  # [most, B]
        noise = uniform(np.broadcast_to(ledger.seed_B[:B], places.shape), places)
        noise_KB, stops_V = (torch.from_numpy(it).to(self.device) for it in (noise, is_stop_V.view(np.uint8)))
        ids_KB = torch.zeros(most, B, dtype=torch.int64, device=self.device)
        logprobs_KB, drawn_logprobs_KB = torch.zeros(2, most, B, device=self.device)
        state = {
            "token_ids_B": rows.token_ids_R,
            "alive_B": rows.alive_R,
            "left_B": rows.left_R,
            "drawn_B": rows.drawn_R,
        }
        for k in range(most):
            written = (ids_KB[k], logprobs_KB[k], drawn_logprobs_KB[k])
            draw(self.logits_RV[:B], temperature_B, greedy_B, noise_KB[k], stops_V, **state, written=written)
            self.replays(B, self._step)
        meanwhile()
        alive_B, drawn_B = torch.stack([rows.alive_R[:B], rows.drawn_R[:B]]).cpu().numpy()  # here the GPU is waited for
        ledger.write_many((ids_KB, logprobs_KB, drawn_logprobs_KB), drawn_B, version)
        self.lengths_B += drawn_B.astype(np.int32) - (alive_B == 0)  # a token that ended its row is no key of any
        return self.logits_RV[:B], alive_B == 0

    def move(self, sources: list[int], targets: list[int], live: int) -> None:
        kept = np.arange(self.live)
        kept[targets] = sources
        kept = kept[:live]
        for b in np.setdiff1d(np.arange(self.live), kept):
            self.pages.leave(self.tables_BW[b, : self.held_B[b]])
        self.tables_BW[:live] = self.tables_BW[kept]
        self.lengths_B, self.held_B = self.lengths_B[kept], self.held_B[kept]
        self.live = live

    # -- the arithmetic --

    def _step(self, size: int) -> None:
        """Take the first `size` rows one token further: its key and value are kept, and the logits after it."""
        rows, splits = self.rows, 1
        most = min(MOST_SPLITS, self.tables_BW.shape[1])
        while size * self.shape.kv_heads * splits < PROGRAMS and splits < most:
            splits *= 2
        tables, lengths_B, alive_B = rows.tables_RW[:size], rows.lengths_R[:size], rows.alive_R[:size]

        def attention(qkv: Tensor, pool: Tensor, norms: Tensor | None) -> Tensor:
            turned = self._turn(qkv, pool, norms, rows.numbers_R[:size], lengths_B, alive_B)
            what = {"heads": self.shape.heads, "scaling": self.shape.head_dim**-0.5, "splits": splits}
            return attend(turned, pool, tables, lengths_B, alive_B, rows.order_R[:size], **what)

        hidden = self._layers(rows.token_ids_R[:size], attention)
        torch.mm(hidden, self.weights.head.T, out=self.logits_RV[:size])
        lengths_B.add_(alive_B)

    def _prefill(self, prompts: Sequence[np.ndarray], rows: Sequence[int]) -> Tensor:
        """The logits [Q, V] after prompts; keys and values go into the pages of their rows."""
        logits, start = [], 0
        while start < len(prompts):
            stop = start + 1
            longest = len(prompts[start])
            while stop < len(prompts):
                longer = max(longest, len(prompts[stop]))
                if longer * (stop + 1 - start) > PREFILLED:
                    break
                longest, stop = longer, stop + 1
            logits.append(self._prefill_some(prompts[start:stop], rows[start:stop], longest))
            start = stop
        return torch.cat(logits)

    def _prefill_some(self, prompts: Sequence[np.ndarray], rows: Sequence[int], longest: int) -> Tensor:
        P, device = len(prompts), self.device
        lengths = np.array([len(prompt) for prompt in prompts])
        ids_PL = np.zeros((P, longest), np.int64)  # padded at the end, where causality hides it
        for row, prompt in zip(ids_PL, prompts, strict=True):
            row[: len(prompt)] = prompt
        columns = (
            np.repeat(np.array(rows, np.int32), longest),
            np.tile(np.arange(longest, dtype=np.int32), P),
            (np.arange(longest) < lengths[:, None]).astype(np.int32).ravel(),
        )
        rows_N, positions_N, alive_N = (torch.from_numpy(column).to(device) for column in columns)

        def attention(qkv: Tensor, pool: Tensor, norms: Tensor | None) -> Tensor:
            turned = self._turn(qkv, pool, norms, rows_N, positions_N, alive_N)
            heads = turned.view(P, longest, -1, self.shape.head_dim).transpose(1, 2)
            q, k = heads[:, : self.shape.heads], heads[:, self.shape.heads :]
            v = qkv[:, self.shape.rotated :].reshape(P, longest, -1, self.shape.head_dim).transpose(1, 2)
            if q.dtype == torch.float32:  # for which torch has no kernel with fewer keys than queries
                k, v = (part.repeat_interleave(self.shape.heads // self.shape.kv_heads, 1) for part in (k, v))
            out = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            return out.transpose(1, 2).reshape(P * longest, -1)

        hidden = self._layers(torch.from_numpy(ids_PL.ravel()).to(device), attention)
        last = torch.from_numpy(np.arange(P) * longest + lengths - 1).to(device)
        return linear(hidden[last], self.weights.head)

    def _layers(self, token_ids_N: Tensor, attention: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Tensor:
        """The hidden states [N, hidden] after the last norm."""
        epsilon = self.shape.epsilon
        x, y = self.weights.embedding[token_ids_N], None
        for layer, pool in zip(self.weights.layers, self.pools, strict=True):
            x, h = add_norm(x, y, layer.before_attention, epsilon)
            qkv = linear(h, layer.qkv).view(len(h), -1, self.shape.head_dim)
            y = linear(attention(qkv, pool, layer.qk_norms), layer.out)
            x, h = add_norm(x, y, layer.before_mlp, epsilon)
            y = linear(gate(linear(h, layer.gate_up)), layer.down)
        return add_norm(x, y, self.weights.norm, epsilon)[1]

    def _turn(
        self, qkv: Tensor, pool: Tensor, norms: Tensor | None, rows_N: Tensor, positions_N: Tensor, alive_N: Tensor
    ) -> Tensor:
        angles, where = (self.cosine, self.sine), (rows_N, positions_N, alive_N, self.rows.tables_RW, pool)
        return turn(qkv, norms, *angles, *where, heads=self.shape.heads, epsilon=self.shape.epsilon)


def pages_of(tokens: int) -> int:
    """How many pages so many tokens fill."""
    return -(-tokens // PAGE)


def _free_bytes(device: torch.device) -> float:
    """What this process may take of a GPU's memory now."""
    if device.type != "cuda":
        return float("inf")
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]

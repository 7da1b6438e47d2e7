"""Chunked log-probabilities against plain log_softmax, which holds every logit."""

from copy import deepcopy
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from groupthink.model import logprobs
from groupthink.model.logprobs import Finish, Head, score, score_loss

M, V, H = 23, 41, 8
ENDS = [4, 9, 10, 17, 23]  # of pieces of at most 7 tokens
TEMPERATURE = 0.7
FINISHES = {
    "bare": Finish(),
    "capped": Finish(cap=2.0),
    "scaled": Finish(scale=0.6),
    "capped and scaled": Finish(cap=2.0, scale=0.6),
}


class Case(NamedTuple):
    hidden_MH: Tensor
    targets_M: Tensor
    module: nn.Module

    def copy(self) -> "Case":
        """The same with gradients of its own."""
        return Case(self.hidden_MH.clone().requires_grad_(), self.targets_M, deepcopy(self.module))

    def gradients(self) -> list[Tensor | None]:
        return [self.hidden_MH.grad, *(parameter.grad for parameter in self.module.parameters())]


class Wrapped(nn.Module):
    """A head with a low-rank adapter beside its frozen matrix, as LoRA's."""

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(H, 2, bias=False, dtype=base.weight.dtype)
        self.up = nn.Linear(2, V, bias=False, dtype=base.weight.dtype)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.base(hidden) + self.up(self.down(hidden))


def make_case(bias=False, dtype=torch.float64) -> Case:
    torch.manual_seed(0)
    module = nn.Linear(H, V, bias=bias, dtype=dtype)
    nn.init.normal_(module.weight)
    return Case(torch.randn(M, H, dtype=dtype), torch.randint(V, (M,)), module)


def plain(case: Case, finish: Finish) -> tuple[Tensor, Tensor]:
    logits_MV = case.module(case.hidden_MH)
    if finish.cap is not None:
        logits_MV = finish.cap * torch.tanh(logits_MV / finish.cap)
    laws_MV = torch.log_softmax(logits_MV * finish.scale / TEMPERATURE, dim=-1)
    logprobs_M = laws_MV.gather(1, case.targets_M[:, None])[:, 0]
    return logprobs_M, -(laws_MV.exp() * laws_MV).sum(-1)


def with_entropies(logprobs_m: Tensor, entropies_m: Tensor, where: slice) -> Tensor:
    advantages_M = torch.linspace(-1, 1, M, dtype=logprobs_m.dtype)
    return -(advantages_M[where] * (logprobs_m + 3.0).exp() + 0.3 * entropies_m**2).sum()


def without_entropies(logprobs_m: Tensor, entropies_m: Tensor, where: slice) -> Tensor:
    return with_entropies(logprobs_m, torch.zeros(()), where)


def hold(monkeypatch, tokens: int, itemsize: int = 8) -> None:
    monkeypatch.setattr(logprobs, "CHUNK_BYTES", tokens * V * itemsize)
    monkeypatch.setattr(logprobs, "BLOCK_BYTES", 3 * V * itemsize)


def score_in_one(case: Case, finish: Finish, loss_of) -> tuple[Tensor, Tensor, Tensor]:
    return score_loss(case.hidden_MH, case.targets_M, Head(case.module, V, finish), TEMPERATURE, loss_of)


def score_then_loss(case: Case, finish: Finish, loss_of) -> tuple[Tensor, Tensor, Tensor]:
    columns = score(case.hidden_MH, case.targets_M, Head(case.module, V, finish), TEMPERATURE)
    return loss_of(*columns, slice(0, M)), *columns


def score_by_pieces(case: Case, finish: Finish, loss_of) -> tuple[Tensor, Tensor, Tensor]:
    return score_loss(case.hidden_MH, case.targets_M, Head(case.module, V, finish), TEMPERATURE, loss_of, ENDS)


def assert_like_plain(case: Case, finish: Finish, loss_of, way) -> None:
    ours, theirs = case.copy(), case.copy()
    loss, *found = way(ours, finish, loss_of)
    expected = plain(theirs, finish)
    expected_loss = loss_of(*expected, slice(0, M))
    torch.testing.assert_close((loss, *found), (expected_loss, *expected), rtol=1e-10, atol=1e-10)
    loss.backward()
    expected_loss.backward()
    torch.testing.assert_close(ours.gradients(), theirs.gradients(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("way", [score_in_one, score_then_loss])
@pytest.mark.parametrize("tokens", [1, 5, M])
@pytest.mark.parametrize("finish", FINISHES.values(), ids=FINISHES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("loss_of", [with_entropies, without_entropies])
def test_values_and_gradients_are_those_of_log_softmax(way, tokens, finish, bias, loss_of, monkeypatch):
    hold(monkeypatch, tokens)
    assert_like_plain(make_case(bias), finish, loss_of, way)


def by_pieces(logprobs_m: Tensor, entropies_m: Tensor, where: slice) -> Tensor:
    """The loss of a token depends on all of its piece, as with the ratio of a whole response."""
    assert where.start in (0, *ENDS) and where.stop in ENDS, "pieces are seen whole"
    sizes = [end - start for start, end in zip([0, *ENDS], ENDS, strict=False) if where.start < end <= where.stop]
    parts = zip(logprobs_m.split(sizes), entropies_m.split(sizes), strict=True)
    return torch.stack([len(p) * (p.mean() + 2).exp() - 0.3 * h.mean() ** 2 for p, h in parts]).sum()


@pytest.mark.parametrize("way", [score_by_pieces, score_then_loss])
@pytest.mark.parametrize("tokens", [5, 7, 12, M])
@pytest.mark.parametrize("finish", FINISHES.values(), ids=FINISHES)
def test_a_loss_of_whole_pieces_is_seen_in_chunks_of_whole_pieces(way, tokens, finish, monkeypatch):
    """Where a chunk has no room for the longest piece (5 tokens), all are seen at once."""
    hold(monkeypatch, tokens)
    assert_like_plain(make_case(), finish, by_pieces, way)


def test_logits_of_whole_pieces_are_made_once(monkeypatch):
    made, each_chunk = [], logprobs._each_chunk
    monkeypatch.setattr(logprobs, "_each_chunk", lambda chunks, *rest: made.extend(chunks) or each_chunk(chunks, *rest))
    hold(monkeypatch, 7)
    score_by_pieces(make_case().copy(), Finish(), by_pieces)[0].backward()
    assert made == [slice(0, 4), slice(4, 10), slice(10, 17), slice(17, 23)]


@pytest.mark.parametrize("way", [score_in_one, score_then_loss])
@pytest.mark.parametrize("tokens", [5, M])
def test_a_wrapped_head_learns_through_its_own_forward_pass(way, tokens, monkeypatch):
    hold(monkeypatch, tokens)
    case = make_case()
    assert_like_plain(case._replace(module=Wrapped(case.module)), FINISHES["capped and scaled"], with_entropies, way)


@pytest.mark.parametrize("way", [score_in_one, score_then_loss])
def test_a_frozen_head_gets_no_gradient_and_hands_one_on(way, monkeypatch):
    hold(monkeypatch, 5)
    case = make_case(bias=True)
    case.module.requires_grad_(False)
    assert_like_plain(case, Finish(), with_entropies, way)


@pytest.mark.parametrize("way", [score_in_one, score_then_loss])
def test_a_tied_matrix_gets_both_its_gradients(way, monkeypatch):
    hold(monkeypatch, 5)
    case = make_case()
    found = []
    for score_it in (way, lambda case, finish, loss_of: (loss_of(*plain(case, finish), slice(0, M)),)):
        own = case.copy()
        embedded = own._replace(hidden_MH=own.module.weight[own.targets_M.roll(1)].tanh())
        score_it(embedded, Finish(), with_entropies)[0].backward()
        found.append(own.module.weight.grad)
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


def test_any_function_of_the_columns_can_be_differentiated(monkeypatch):
    """One that mixes tokens, as a ratio of whole responses does; and one of entropies alone."""
    hold(monkeypatch, 5)
    assert_like_plain(make_case(), Finish(), lambda logprobs_M, _, where: logprobs_M.sum().exp(), score_then_loss)
    assert_like_plain(make_case(), Finish(), lambda _, entropies_M, where: entropies_M.prod(), score_then_loss)


@pytest.mark.parametrize("tokens", [5, M])
def test_the_columns_can_be_differentiated_again(tokens, monkeypatch):
    hold(monkeypatch, tokens)
    once, twice = make_case().copy(), make_case().copy()
    score_then_loss(once, Finish(), with_entropies)[0].backward()
    loss = score_then_loss(twice, Finish(), with_entropies)[0]
    loss.backward(retain_graph=True)
    loss.backward()
    torch.testing.assert_close(twice.gradients(), [2 * gradient for gradient in once.gradients()])


def test_the_loss_is_asked_for_each_token_once_in_order_and_scales_its_gradient(monkeypatch):
    hold(monkeypatch, 5)
    asked = []

    def loss_of(logprobs_m, entropies_m, where):
        asked.extend(range(M)[where])
        assert len(logprobs_m) == len(entropies_m) == where.stop - where.start
        return with_entropies(logprobs_m, entropies_m, where)

    once, thrice = make_case().copy(), make_case().copy()
    score_in_one(once, Finish(), loss_of)[0].backward()
    assert asked == list(range(M))
    (3 * score_in_one(thrice, Finish(), loss_of)[0]).backward()
    torch.testing.assert_close(thrice.gradients(), [3 * gradient for gradient in once.gradients()])


def test_only_the_loss_carries_a_gradient_and_only_once():
    loss, logprobs_M, entropies_M = score_in_one(make_case().copy(), Finish(), with_entropies)
    assert loss.requires_grad and not logprobs_M.requires_grad and not entropies_M.requires_grad
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_loss_that_nothing_moves_has_no_gradient():
    case = make_case().copy()
    score_in_one(case, Finish(), lambda logprobs_m, entropies_m, where: torch.tensor(1.0))[0].backward()
    assert not any(gradient.any() for gradient in case.gradients())


def test_without_gradients_the_loss_is_found_all_the_same(monkeypatch):
    hold(monkeypatch, 5)
    case = make_case()
    with torch.no_grad():
        loss, *columns = score_in_one(case, Finish(), with_entropies)
        expected = plain(case, Finish())
    assert not loss.requires_grad
    torch.testing.assert_close((loss, *columns), (with_entropies(*expected, slice(0, M)), *expected))


@pytest.mark.parametrize("way", [score_in_one, score_then_loss])
def test_bfloat16_is_computed_in_float32_and_added_up_there_whatever_the_chunks(way, monkeypatch):
    """Given the same 8 bits of each input, only what leaves is rounded to 8 bits: once, by 2^-9, in the gradient of
    the matrix, and twice in that of the hidden states. Logits are not."""
    case = make_case(dtype=torch.bfloat16)
    exact = Case(case.hidden_MH.double(), case.targets_M, deepcopy(case.module).double()).copy()
    expected_loss, expected_M, _ = score_then_loss(exact, Finish(), without_entropies)
    expected_loss.backward()
    found = []
    for tokens in (1, M):
        hold(monkeypatch, tokens, itemsize=4)
        monkeypatch.setattr(logprobs, "BLOCK_BYTES", 4 * 3 * case.hidden_MH.shape[1])  # three rows of the head
        own = case.copy()
        loss, logprobs_M, _ = way(own, Finish(), without_entropies)
        assert loss.dtype == logprobs_M.dtype == torch.float32
        torch.testing.assert_close(logprobs_M.double(), expected_M, rtol=1e-5, atol=1e-5)
        loss.backward()
        found.append(own.gradients())
        for gradient, expected in zip(found[-1], exact.gradients(), strict=True):
            assert gradient.dtype == torch.bfloat16
            assert (gradient - expected).norm() <= 2**-8 * expected.norm()
    torch.testing.assert_close(found[0], found[1], rtol=2**-7, atol=1e-5)


class Allocations(TorchDispatchMode):
    """The sizes, in numbers, of the memory that operations ask for."""

    def __init__(self):
        super().__init__()
        self.of_address: dict[int, int] = {}
        self._kept = []  # so that no address comes twice

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor):
                self._kept.append(tensor)
                self.of_address[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 8
        return made


@pytest.mark.parametrize(("way", "buffers"), [(score_in_one, 1), (score_then_loss, 2)])
def test_one_chunk_is_held_in_each_pass_and_the_matrixs_gradient_is_made_once(way, buffers, monkeypatch):
    hold(monkeypatch, 6)
    case = make_case().copy()
    case.module.weight.grad = torch.zeros_like(case.module.weight)
    with Allocations() as seen:
        way(case, Finish(), with_entropies)[0].backward()
    for known in (case.module.weight, case.module.weight.grad):
        seen.of_address.pop(known.data_ptr(), None)
    sizes = sorted(seen.of_address.values())
    assert sizes[-1 - buffers :] == [6 * V] * buffers + [H * V]
    assert sizes[-2 - buffers] == M * H

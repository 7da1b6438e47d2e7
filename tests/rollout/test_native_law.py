import numpy as np
import pytest
import torch

from groupthink.rollout import native_law
from groupthink.rollout.engine import Sampling
from groupthink.rollout.law import draw, learner_law, narrow
from groupthink.rollout.ledger import Ledger
from groupthink.rollout.noise import uniform

pytestmark = pytest.mark.skipif(native_law.library() is None, reason="law.c was not compiled: there is no C compiler")

T = 7


def ledger_of(temperature_B, top_k_B=None, drawn=3):
    """A ledger whose rows have drawn some tokens already."""
    ledger = Ledger(len(temperature_B), torch.device("cpu"))
    for row, temperature in enumerate(temperature_B):
        top_k = 0 if top_k_B is None else int(top_k_B[row])
        ledger.open(row, 1000 + row, Sampling(T, float(temperature), top_k=top_k), T)
    ledger.count_B[:] = drawn
    return ledger


def of_torch(logits_BV, ledger):
    """Ids and both log-probabilities as torch's operations give them."""
    law_BV = learner_law(logits_BV, torch.from_numpy(ledger.temperature_B))
    drawn_BV = narrow(law_BV, torch.from_numpy(ledger.top_k_B), torch.from_numpy(ledger.top_p_B))
    drawn_BV = torch.where(torch.from_numpy(ledger.top_k_B == 1)[:, None], drawn_BV, law_BV)
    ids_B = draw(drawn_BV, torch.from_numpy(uniform(ledger.seed_B, ledger.count_B)))
    return ids_B, *(law.gather(1, ids_B[:, None])[:, 0] for law in (law_BV, drawn_BV))


@pytest.mark.parametrize("vocabulary", [2, 8, 107, 1000, 4099])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_draws_are_torchs(vocabulary, temperature):
    B = 500
    logits_BV = 4 * torch.randn(B, vocabulary + 5, generator=torch.manual_seed(vocabulary))[:, :vocabulary]
    ledger = ledger_of([temperature] * B, np.arange(B) % 3 == 0)
    ids_B, logprobs_B, drawn_logprobs_B = of_torch(logits_BV, ledger)
    assert native_law.can_draw(logits_BV, ledger)
    found_B = native_law.draw(logits_BV, ledger, version=12)
    assert len(set(ids_B.tolist())) > min(vocabulary, 50) / 2
    assert (found_B == ids_B).all()
    assert (ledger.count_B == 4).all()
    assert (ledger.token_ids_BT[:, 3] == ids_B).all() and (ledger.versions_BT[:, 3] == 12).all()
    assert (ledger.logprobs_BT[:, 3] - logprobs_B).abs().max() < 3e-6
    assert (ledger.drawn_logprobs_BT[:, 3] - drawn_logprobs_B).abs().max() < 3e-6
    for untouched in (ledger.token_ids_BT, ledger.logprobs_BT, ledger.drawn_logprobs_BT, ledger.versions_BT):
        assert not untouched[:, :3].any() and not untouched[:, 4:].any()


def test_of_equally_likely_tokens_greedy_takes_the_lowest_id_and_is_sure_of_it():
    logits_BV = torch.tensor([[0.0, 2.0, 2.0, 1.0]])
    ledger = ledger_of([0.0])
    assert native_law.draw(logits_BV, ledger, 0).tolist() == [1]
    assert ledger.drawn_logprobs_BT[0, 3] == 0
    assert ledger.logprobs_BT[0, 3].item() == pytest.approx(torch.log_softmax(logits_BV, -1)[0, 1].item(), abs=1e-7)


def test_a_token_without_probability_is_never_drawn():
    B, hole = 2000, -torch.inf
    logits_BV = torch.tensor([hole, 0.0, hole, -200.0, 0.0, hole]).expand(B, -1).contiguous()
    ledger = ledger_of([1.0] * B)
    counts = native_law.draw(logits_BV, ledger, 0).bincount(minlength=6)
    assert counts[[0, 2, 3, 5]].tolist() == [0] * 4 and 900 < counts[1] < 1100


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_law_that_is_not_finite_says_so_as_torchs_does(broken):
    logits_BV = torch.tensor([[0.0, broken, 1.0], [-torch.inf] * 3, [0.0, 1.0, 2.0]])
    ledger = ledger_of([1.0, 1.0, 1.0])
    ids_B, logprobs_B, _ = of_torch(logits_BV, ledger)
    found_B = native_law.draw(logits_BV, ledger, 0)
    assert found_B.tolist() == ids_B.tolist() and found_B[:2].tolist() == [2, 2]
    assert ledger.logprobs_BT[:, 3].isnan().tolist() == logprobs_B.isnan().tolist() == [True, True, False]


def test_narrowed_laws_and_other_precisions_are_left_to_torch():
    logits_BV = torch.zeros(2, 5)
    assert native_law.can_draw(logits_BV, ledger_of([1.0, 0.0]))
    assert not native_law.can_draw(logits_BV, ledger_of([1.0, 1.0], [0, 2]))
    assert not native_law.can_draw(logits_BV.double(), ledger_of([1.0, 1.0]))
    nucleus = ledger_of([1.0, 1.0])
    nucleus.open(1, 0, Sampling(T, top_p=0.9), T)
    assert not native_law.can_draw(logits_BV, nucleus)

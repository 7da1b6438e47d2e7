import numpy as np
import pytest
import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from tests.tiny import KINDS, plain_logits, tiny

PAD = 0
LENGTHS = (1, 2, 17, 9, 30, 16)
GROUPS = (0, 0, 1, 1, 2, 0)


def ragged():
    rng = np.random.default_rng(0)
    prompts = [rng.integers(2, 107, n) for n in (5, 11, 3, 4)]  # nobody answers the last
    responses = [rng.integers(2, 107, n) for n in LENGTHS]
    prompts[1][4] = responses[2][3] = responses[4][-1] = responses[3][0] = PAD
    return prompts, responses


def plain(model, prompts, responses, temperature):
    logprobs, entropies = [], []
    for response, group in zip(responses, GROUPS, strict=True):
        logits = plain_logits(model, [*prompts[group], *response])[len(prompts[group]) - 1 : -1]
        law = torch.log_softmax(logits / temperature, -1)
        logprobs.append(law.gather(1, torch.from_numpy(response)[:, None])[:, 0])
        entropies.append(-(law.exp() * law).sum(-1))
    return torch.cat(logprobs), torch.cat(entropies)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def make_loss(tokens):
    weights_M = torch.linspace(-1, 1, tokens, dtype=torch.float64)
    return lambda logprobs_m, entropies_m, where: (weights_M[where] * logprobs_m + 0.1 * entropies_m).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("chunk", "fast"), [(2**28, False), (107 * 13 * 8, True)])
def test_packed_equals_plain_in_values_and_gradients(kind, chunk, fast, monkeypatch, float64_throughout):
    monkeypatch.setattr("groupthink.model.logprobs.CHUNK_BYTES", chunk)
    model = tiny(kind).double()
    prompts, responses = ragged()
    scorer = TokenScorer(model, fast=fast)
    assert (scorer.fast is not None) == (fast and kind in ("qwen3", "llama"))
    logprobs_M, entropies_M = scorer(pack(prompts, responses, GROUPS), 0.7)
    expected_logprobs_M, expected_entropies_M = plain(model, prompts, responses, 0.7)
    assert logprobs_M.dtype == torch.float64
    torch.testing.assert_close(logprobs_M, expected_logprobs_M, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(entropies_M, expected_entropies_M, rtol=1e-9, atol=1e-9)

    loss_of = make_loss(len(logprobs_M))
    whole = slice(0, len(logprobs_M))
    ours = gradients(model, loss_of(logprobs_M, entropies_M, whole))
    in_one = gradients(model, scorer(pack(prompts, responses, GROUPS), 0.7, loss_of)[0])
    theirs = gradients(model, loss_of(expected_logprobs_M, expected_entropies_M, whole))
    for name, expected in theirs.items():
        assert (ours[name] - expected).norm() <= 1e-6 * expected.norm(), name
        assert (in_one[name] - expected).norm() <= 1e-6 * expected.norm(), name


@pytest.mark.parametrize("fast", [True, False])
def test_whole_laws_hold_the_log_probabilities_of_all_tokens(fast):
    model, (prompts, responses) = tiny("qwen3"), ragged()
    scorer, packed = TokenScorer(model, fast=fast), pack(prompts, responses, GROUPS)
    with torch.no_grad():
        laws_MV, (logprobs_M, entropies_M) = scorer.laws(packed, 0.7), scorer(packed, 0.7)
    torch.testing.assert_close(laws_MV.gather(1, packed.targets_M[:, None])[:, 0], logprobs_M)
    torch.testing.assert_close(-(laws_MV.exp() * laws_MV).sum(1), entropies_M)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_the_pad_tokens_row_gets_the_gradient_that_differences_give(kind, float64_throughout):
    model = tiny(kind, tie_word_embeddings=False).double()
    prompts, responses = ragged()
    packed = pack(prompts, responses, GROUPS)
    assert model.get_input_embeddings().padding_idx == PAD  # transformers' default, which drops the gradient
    scorer = TokenScorer(model)
    table = model.get_input_embeddings().weight
    gradient = gradients(model, scorer(packed, 1.0)[0].sum())["model.embed_tokens.weight"][PAD]
    step = torch.zeros_like(table)
    step[PAD] = 1e-6
    with torch.no_grad():
        table += step
        above = scorer(packed, 1.0)[0].sum()
        table -= 2 * step
        below = scorer(packed, 1.0)[0].sum()
    assert gradient.sum().item() == pytest.approx(((above - below) / 2e-6).item(), rel=1e-5)
    assert gradient.norm() > 1e-3


def test_logprobs_of_a_float32_model_are_float32_and_near_the_plain_ones():
    model = tiny("qwen3")
    prompts, responses = ragged()
    with torch.inference_mode():
        logprobs_M, _ = TokenScorer(model)(pack(prompts, responses, GROUPS), 1.0)
        expected_M, _ = plain(model, prompts, responses, 1.0)
    assert logprobs_M.dtype == torch.float32
    assert (logprobs_M - expected_M).abs().max() < 2e-5


def test_a_model_with_another_attention_is_refused_with_the_cure():
    model = tiny("qwen3")
    model.set_attn_implementation("sdpa")
    prompts, responses = ragged()
    with pytest.raises(ValueError, match="load_model"):
        TokenScorer(model)(pack(prompts, responses, GROUPS), 1.0)


def test_a_head_that_is_not_known_is_refused():
    model = tiny("qwen3")
    forward = model.forward

    def doubled(*args, **kwargs):
        outputs = forward(*args, **kwargs)
        outputs.logits = outputs.logits * 2
        return outputs

    model.forward = doubled
    with pytest.raises(ValueError, match="changes its logits"):
        TokenScorer(model)


@pytest.fixture
def one_process_mesh():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.mark.parametrize("kind", ["qwen3", "llama"])  # tied, untied
def test_a_sharded_scorer_gets_the_same_gradients_from_one_call(kind, one_process_mesh):
    packed = pack(*ragged(), GROUPS)
    loss_of, whole = make_loss(len(packed.targets_M)), slice(0, len(packed.targets_M))
    scorer, sharded = TokenScorer(tiny(kind), fast=False), TokenScorer(tiny(kind))
    for module in (*sharded.model.model.layers, sharded):
        fully_shard(module, mesh=one_process_mesh)
    expected = gradients(scorer, scorer(packed, 0.7, loss_of)[0])
    for loss in (sharded(packed, 0.7, loss_of)[0], loss_of(*sharded(packed, 0.7), whole)):
        for name, gradient in gradients(sharded, loss).items():
            torch.testing.assert_close(gradient.full_tensor(), expected[name])

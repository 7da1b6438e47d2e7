"""The decoder of a GPU against transformers' own forward pass. `make test-gpu`.

DEVICE=cpu TRITON_INTERPRET=1 runs the same on a processor, kernel by kernel: `make test-kernels`.
"""

import os

import numpy as np
import pytest
import torch

from groupthink.model.loading import load_model
from groupthink.model.place import resolve
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.rollout.engine import NoRoom, Sampling
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.verify import agrees
from tests.tiny import plain_logits, tiny

pytest.importorskip("triton", reason="the kernels are Triton's")

from groupthink.rollout.cuda import decoder as cuda
from groupthink.rollout.cuda.decoder import CudaDecoder, can_decode

DEVICE = os.environ.get("DEVICE", "cuda")
PROMPTS = [np.arange(5, 5 + length) % 100 for length in (3, 17, 1, 9)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """So that a few tokens fill several pages, and end in the midst of one."""
    monkeypatch.setattr(cuda, "PAGE", 16)


def a_model(kind="qwen3", dtype=torch.float32, **changes):
    return tiny(kind, **{"head_dim": 16} | changes).to(DEVICE, dtype)


def an_engine(model, **keywords):
    engine = TorchEngine(model, build_tokenizer(), decoder=CudaDecoder(model), **keywords)
    engine._is_stop_V[:] = False
    engine._is_stop_V[[7, 8, 9]] = True
    return engine


def drawn(engine, sampling, prompts=PROMPTS):
    handles = [engine.submit(prompt, sampling, seed=i) for i, prompt in enumerate(prompts)]
    return [handle.result() for handle in handles]


def require_own_law(model, prompts, groups, temperature=1.0, within=2e-4):
    """What was recorded is what the model's own forward pass says of the tokens."""
    for prompt, group in zip(prompts, groups, strict=True):
        for response in group:
            sequence = [*prompt, *response.token_ids_T]
            logits = plain_logits(model, sequence)[len(prompt) - 1 : -1]
            law_TV = torch.log_softmax(logits.detach().float() / temperature, -1).cpu()
            own_T = law_TV.gather(1, torch.from_numpy(response.token_ids_T)[:, None])[:, 0].numpy()
            np.testing.assert_allclose(response.logprobs_T, own_T, atol=within)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_it_is_the_models_own_forward_pass(kind, monkeypatch):
    monkeypatch.setattr("groupthink.rollout.verify.LONG", 20)  # past the first page
    model = a_model(kind, num_attention_heads=4, num_key_value_heads=2)
    assert can_decode(model)
    assert agrees(CudaDecoder(model), model)


if DEVICE != "cpu":  # where the interpreter would compute bfloat16 in float32

    def test_in_bf16_a_trained_model_agrees_as_far_as_rounding_goes():
        model = load_model(resolve("nano"), device=torch.device(DEVICE), dtype=torch.bfloat16)
        assert agrees(CudaDecoder(model), model)


def test_many_tokens_a_call_are_recorded_under_the_models_own_law():
    model = a_model()
    groups = drawn(an_engine(model), Sampling(18, n=2, temperature=0.8))
    assert {response.finish for group in groups for response in group} == {"stop", "length"}
    require_own_law(model, PROMPTS, groups, temperature=0.8)
    for group in groups:
        for response in group:
            assert len(response) <= 18 and not {7, 8, 9} & set(response.token_ids_T[:-1].tolist())
            np.testing.assert_array_equal(response.logprobs_T, response.drawn_logprobs_T)


def test_one_token_a_call_draws_the_same_ones(monkeypatch):
    many = drawn(an_engine(a_model()), Sampling(9, n=2))
    monkeypatch.setattr(CudaDecoder, "can_draw_many", lambda *_, **__: False)
    one = drawn(an_engine(a_model()), Sampling(9, n=2))
    for a, b in zip(sum(many, ()), sum(one, ()), strict=True):
        np.testing.assert_array_equal(a.token_ids_T, b.token_ids_T)


def test_greedy_rows_take_the_likeliest_and_narrowed_laws_are_drawn_by_torch():
    model = a_model()
    (greedy,) = drawn(an_engine(model), Sampling(10, temperature=0), PROMPTS[:1])[0]
    sequence = list(PROMPTS[0])
    for token in greedy.token_ids_T.tolist():
        assert token == int(plain_logits(model, sequence)[-1].argmax())
        sequence.append(token)
    assert not greedy.drawn_logprobs_T.any()
    groups = drawn(an_engine(model), Sampling(6, top_p=0.5, n=2))
    require_own_law(model, PROMPTS, groups)
    assert all(
        (response.drawn_logprobs_T >= response.logprobs_T - 1e-6).all() for group in groups for response in group
    )


def test_new_weights_are_followed_in_place_and_stale_ones_are_named():
    model = a_model()
    decoder = CudaDecoder(model)
    held = decoder.weights.layers[0].qkv.data_ptr()
    assert decoder.stale() == []
    with torch.no_grad():
        model.base_model.layers[0].self_attn.k_proj.weight.add_(0.1)
    assert decoder.stale() == ["layers.0.qkv"]
    decoder.refresh()
    assert decoder.stale() == [] and decoder.weights.layers[0].qkv.data_ptr() == held  # graphs hold the address


def test_weights_that_lie_elsewhere_are_taken_up():
    model = a_model()
    engine = an_engine(model)
    drawn(engine, Sampling(4), PROMPTS[:1])
    weight = model.base_model.norm.weight
    weight.data = weight.data * 1.5
    engine.decoder.refresh()
    groups = drawn(engine, Sampling(8, n=2))
    require_own_law(model, PROMPTS, groups)


def test_without_memory_for_all_some_rows_wait_and_go_on_where_they_were(monkeypatch):
    model = a_model()
    monkeypatch.setattr(cuda, "_free_bytes", lambda device: 9.5 / cuda.SHARE * page_bytes(model))
    engine, left = an_engine(model, max_sequences=8), []
    engine._is_stop_V[:] = False
    monkeypatch.setattr(TorchEngine, "_drop", noting(TorchEngine._drop, lambda: left.append(len(engine.parked))))
    groups = drawn(engine, Sampling(40, n=2), PROMPTS[:3])
    assert max(left) > 0 and not engine.busy
    assert [len(response) for group in groups for response in group] == [40] * 6
    require_own_law(model, PROMPTS[:3], groups)
    assert sorted(engine.decoder.pages.free) == list(range(9))


def test_a_sequence_for_which_there_is_no_memory_is_an_error(monkeypatch):
    model = a_model()
    monkeypatch.setattr(cuda, "_free_bytes", lambda device: 2.5 / cuda.SHARE * page_bytes(model))
    engine = an_engine(model)
    engine._is_stop_V[:] = False
    with pytest.raises(NoRoom, match="no memory for the keys and values of a single sequence"):
        drawn(engine, Sampling(60), PROMPTS[:1])


def test_memory_is_given_back_and_taken_again():
    model = a_model()
    engine = an_engine(model)
    before = drawn(engine, Sampling(5, n=2))
    engine.release()
    assert not engine.decoder.pools and not engine.decoder.replays.graphs
    after = drawn(engine, Sampling(5, n=2))
    for a, b in zip(sum(before, ()), sum(after, ()), strict=True):
        np.testing.assert_array_equal(a.token_ids_T, b.token_ids_T)


def page_bytes(model):
    config = model.config
    return config.num_hidden_layers * 2 * config.num_key_value_heads * 16 * config.head_dim * model.dtype.itemsize


def noting(real, note):
    def noted(*its):
        note()
        return real(*its)

    return noted


def test_a_longer_prompt_waits_until_there_is_a_table_for_it():
    model = a_model()
    engine = an_engine(model)
    engine._is_stop_V[:] = False
    first = engine.submit(PROMPTS[0], Sampling(34, n=2), seed=0)
    engine.step()
    long = np.arange(5, 85) % 100
    second = engine.submit(long, Sampling(4), seed=1)
    engine.step()
    assert len(engine.rows) == 2 and engine.waiting
    groups = [first.result(), second.result()]
    assert [len(response) for group in groups for response in group] == [34, 34, 4]
    require_own_law(model, [PROMPTS[0], long], groups)


def test_who_watches_sees_every_token_and_what_is_finished_is_not_kept_back():
    model = a_model()
    engine = an_engine(model)
    watched, other = (engine.submit(prompt, Sampling(18), seed=i) for i, prompt in enumerate(PROMPTS[:2]))
    seen = [token for j, tokens in watched for token in tokens]
    (response,) = watched.result()
    assert seen == response.token_ids_T.tolist()
    (response,) = other.result()
    assert [token for _, tokens in other for token in tokens] == response.token_ids_T.tolist() and not engine.busy

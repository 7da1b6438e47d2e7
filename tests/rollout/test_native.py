import numpy as np
import pytest
import torch

from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.rollout import native, torch_engine
from groupthink.rollout.decoder import open_decoder
from groupthink.rollout.engine import Sampling
from groupthink.rollout.fast import FastDecoder
from groupthink.rollout.native_decoder import CHUNK, NativeDecoder, pages_of
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.task import open_task
from tests.tiny import plain_logits, tiny

pytestmark = pytest.mark.skipif(native.library() is None, reason="native.c was not compiled: there is no C compiler")

WIDE = {"hidden_size": 64, "head_dim": 16}
"""Sizes that native.c is written for."""


def sequence(length, seed=0):
    return np.random.default_rng(seed).integers(0, 107, length)


def after(decoder, prompt, tokens, copies=1, at=0):
    """The logits [T + 1, V] of one of a prompt's rows, after the prompt and after each of the tokens."""
    rows = [decoder.admit([prompt], [copies])[at]]
    rows += [decoder.decode(torch.full((decoder.live,), token))[at] for token in tokens]
    return torch.stack(rows)


@pytest.mark.parametrize("heads", [(1, 1), (3, 3), (4, 2), (6, 2), (4, 1)], ids=str)
@pytest.mark.parametrize("head_dim", [16, 32, 48])
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_logits_are_transformers_own(kind, head_dim, heads):
    shape = {"num_attention_heads": heads[0], "num_key_value_heads": heads[1], "head_dim": head_dim}
    model = tiny(kind, hidden_size=96, **shape)
    prompt, tokens = sequence(40), sequence(70, seed=1)  # across the edges of pages
    with torch.inference_mode():
        found = after(NativeDecoder(model), prompt, tokens.tolist(), copies=2, at=1)
        theirs = plain_logits(model, [*prompt, *tokens])[len(prompt) - 1 :]
        exact = plain_logits(model.double(), [*prompt, *tokens])[len(prompt) - 1 :].log_softmax(-1)
    error, their_error = ((logits.log_softmax(-1) - exact).abs().max() for logits in (found, theirs))
    assert error <= 3 * their_error  # no worse than a sum in another order
    assert their_error < 1e-4


@pytest.mark.parametrize("others", range(1, 14))
def test_a_row_is_the_same_among_others_to_the_last_bit(others):
    model = tiny("qwen3", **WIDE)
    prompt, tokens = sequence(9), sequence(12, seed=1).tolist()
    alone, crowded = NativeDecoder(model), NativeDecoder(model)
    crowded.admit([sequence(length, seed=length) for length in range(1, others + 1)], [1] * others)
    at = crowded.live
    rows = [crowded.admit([prompt], [1])[0]]
    rows += [crowded.decode(torch.tensor([*sequence(at, seed=token), token]))[at] for token in tokens]
    assert torch.equal(torch.stack(rows), after(alone, prompt, tokens))


def test_a_prompt_longer_than_a_chunk_is_the_same_as_its_tokens_one_by_one():
    model = tiny("qwen3", **WIDE, max_position_embeddings=2048)
    tokens = sequence(CHUNK + 90)
    whole = NativeDecoder(model).admit([tokens], [1])[0]
    one_by_one = after(NativeDecoder(model), tokens[:3], tokens[3:].tolist())[-1]
    torch.testing.assert_close(whole, one_by_one, rtol=0, atol=2e-5)


def test_a_group_stores_its_prompt_once_and_pages_are_given_back():
    decoder = NativeDecoder(tiny("qwen3", **WIDE))
    decoder.admit([sequence(70), sequence(5)], [6, 2])
    assert (decoder.pages.users > 0).sum() == pages_of(70) + pages_of(5)
    decoder.decode(torch.zeros(8, dtype=torch.int64))
    assert (decoder.pages.users > 0).sum() == pages_of(70) + pages_of(5) + 8
    decoder.move([7], [2], 7)  # one of the six has ended
    assert (decoder.pages.users > 0).sum() == pages_of(70) + pages_of(5) + 7
    decoder.move([6], [0], 1)
    assert (decoder.pages.users > 0).sum() == pages_of(5) + 1
    decoder.move([], [], 0)
    assert not decoder.pages.users.any()
    assert sorted(decoder.pages.free) == list(range(len(decoder.pages.pool)))


def test_rows_go_on_as_they_were_when_others_move_and_end():
    model = tiny("qwen3", **WIDE)
    decoder, prompts = NativeDecoder(model), [sequence(n, seed=n) for n in (3, 30, 40, 1)]
    decoder.admit(prompts, [1] * 4)
    said = {row: list(prompt) for row, prompt in enumerate(prompts)}
    order = [0, 1, 2, 3]
    rng = np.random.default_rng(5)
    for step in range(40):
        if step == 33:
            decoder.move([3], [0], 3)
            order = [3, 1, 2]
        drawn = rng.integers(0, 107, len(order))
        logits = decoder.decode(torch.from_numpy(drawn))
        for row, token in zip(order, drawn, strict=True):
            said[row].append(token)
    with torch.inference_mode():
        for at, row in enumerate(order):
            expected = plain_logits(model, said[row])[-1].log_softmax(-1)
            assert (logits[at].log_softmax(-1) - expected).abs().max() <= 5e-5


def test_new_weights_are_followed():
    model = tiny("llama", **WIDE)
    decoder = NativeDecoder(model)
    before = decoder.admit([sequence(4)], [1])
    decoder.move([], [], 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    decoder.refresh()
    after_ = decoder.admit([sequence(4)], [1])
    with torch.inference_mode():
        expected = plain_logits(model, sequence(4).tolist())[-1].log_softmax(-1)
    assert (after_[0].log_softmax(-1) - expected).abs().max() <= 5e-5 < (after_ - before).abs().max()


def test_it_serves_nano_and_samples_with_transformers_logprobs():
    model = load_model("nano")
    engine = TorchEngine(model, load_tokenizer("nano"), max_sequences=20)
    assert type(engine.decoder) is NativeDecoder
    chat, task = Chat(load_tokenizer("nano")), open_task("quadratics", 0)
    prompts = [chat.encode(problem.prompt) for problem in task.held_out(30)]
    handles = [engine.submit(prompt, Sampling(120, temperature=0.9, n=8), seed=1) for prompt in prompts]
    differences = []
    for prompt, handle in zip(prompts, handles, strict=True):
        for response in handle.result():
            with torch.inference_mode():
                logits = plain_logits(model, [*prompt, *response.token_ids_T])[len(prompt) - 1 : -1]
            law = torch.log_softmax(logits / 0.9, -1)
            expected = law.gather(1, torch.from_numpy(response.token_ids_T)[:, None])[:, 0]
            differences.append(np.abs(response.logprobs_T - expected.numpy()))
    differences_M = np.concatenate(differences)
    assert len(differences_M) > 5000
    assert np.mean(differences_M <= 1e-5) >= 0.999
    assert differences_M.max() <= 5e-5


def test_models_of_other_sizes_and_precisions_are_left_to_others():
    assert type(open_decoder(tiny("qwen3", **WIDE))) is NativeDecoder
    assert type(open_decoder(tiny("qwen3", head_dim=8))) is FastDecoder
    assert type(open_decoder(tiny("qwen3", **WIDE, intermediate_size=40))) is FastDecoder
    assert type(open_decoder(tiny("qwen3", **WIDE, hidden_act="gelu"))) is FastDecoder
    assert type(open_decoder(tiny("qwen3", **WIDE).double())) is FastDecoder


def test_without_a_compiler_torch_s_operations_serve(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    assert type(open_decoder(tiny("qwen3", **WIDE))) is FastDecoder


def test_a_token_that_is_none_is_refused():
    decoder = NativeDecoder(tiny("qwen3", **WIDE))
    with pytest.raises(ValueError, match="token ids go from 0 to 106"):
        decoder.admit([np.array([3, 107])], [1])


def test_the_engine_draws_the_same_with_either_decoder():
    model, tokenizer = tiny("qwen3", **WIDE), build_tokenizer()

    def drawn(decoder):
        engine = TorchEngine(model, tokenizer, decoder=decoder, max_sequences=5)
        handles = [engine.submit(sequence(n, seed=n), Sampling(50, n=3), seed=n) for n in (4, 9, 33)]
        return [response for handle in handles for response in handle.result()]

    for own, theirs in zip(drawn(NativeDecoder(model)), drawn(FastDecoder(model)), strict=True):
        assert own.token_ids_T.tolist() == theirs.token_ids_T.tolist()
        np.testing.assert_allclose(own.logprobs_T, theirs.logprobs_T, atol=2e-5)


@pytest.mark.parametrize("rows", [1, 7, 61])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_many_tokens_by_one_call_are_those_of_one_call_each_to_the_last_bit(rows, temperature, monkeypatch):
    model, tokenizer = tiny("qwen3", **WIDE), build_tokenizer()

    def drawn(most):
        """By calls of up to `most` tokens, and how many there were."""
        calls = []
        real = NativeDecoder.draw_many
        monkeypatch.setattr(torch_engine, "MANY", most)
        monkeypatch.setattr(NativeDecoder, "draw_many", lambda *its: (calls.append(its[1]), real(*its))[1])
        engine = TorchEngine(model, tokenizer)
        lengths = {
            4: 70,
            9: 3,
            33: 50,
            32: 1,
        }  # prompts' and responses': over the edges of pages, no multiples of `most`
        handles = [
            engine.submit(sequence(prompt, seed=prompt), Sampling(length, temperature, n=-(-rows // 4)), seed=prompt)
            for prompt, length in lengths.items()
        ]
        responses = [response for handle in handles for response in handle.result()]
        assert not engine.decoder.pages.users.any()
        monkeypatch.setattr(NativeDecoder, "draw_many", real)
        return responses, calls

    one, many = drawn(1), drawn(16)
    assert len(one[1]) >= 3 * len(many[1]) > 0
    finishes = {response.finish for response in one[0]}
    assert finishes == {"stop", "length"} or rows < 61 or not temperature
    for alone, together in zip(one[0], many[0], strict=True):
        assert alone.token_ids_T.tolist() == together.token_ids_T.tolist()
        for name in ("logprobs_T", "drawn_logprobs_T", "versions_T"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))
        assert (alone.text, alone.finish) == (together.text, together.finish)


def test_who_waits_or_watches_gets_a_token_at_a_time(monkeypatch):
    model, tokenizer = tiny("qwen3", **WIDE), build_tokenizer()
    together = TorchEngine(model, tokenizer).submit(sequence(5), Sampling(20, n=4), seed=3).result()
    monkeypatch.setattr(NativeDecoder, "draw_many", None)
    watched = TorchEngine(model, tokenizer).submit(sequence(5), Sampling(20, n=4), seed=3)
    told = {j: [] for j in range(4)}
    for j, token_ids in watched:
        told[j] += token_ids
    assert [told[j] for j in range(4)] == [response.token_ids_T.tolist() for response in together]
    engine = TorchEngine(model, tokenizer, max_sequences=2)
    first, second = (engine.submit(sequence(5), Sampling(20, n=2), seed=3) for _ in range(2))
    for _ in range(5):
        engine.step()
    assert engine.waiting and not first.done and not second.done

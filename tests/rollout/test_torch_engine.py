import numpy as np
import pytest
import torch

from groupthink.model.llama import knows
from groupthink.model.loading import load_model
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Weights
from groupthink.rollout.engine import Sampling
from groupthink.rollout.fast import FastDecoder
from groupthink.rollout.native import can_compute
from groupthink.rollout.native_decoder import NativeDecoder
from groupthink.rollout.noise import mix
from groupthink.rollout.plain import PlainDecoder
from groupthink.rollout.torch_engine import TorchEngine
from tests.tiny import KINDS, plain_logits, tiny

END = 1
PROMPTS = [np.array(prompt) for prompt in ([5, 9, 33], [4] * 12 + [7], [88, 2, 3, 5, 70, 71], [50])]


def engine_of(kind, **keywords):
    return TorchEngine(tiny(kind), build_tokenizer(), **keywords)


def submit_all(engine, sampling):
    return [engine.submit(prompt, sampling, seed=mix("test", i)) for i, prompt in enumerate(PROMPTS)]


def rollout(engine, sampling):
    return [handle.result() for handle in submit_all(engine, sampling)]


def tokens(groups):
    return [[response.token_ids_T.tolist() for response in group] for group in groups]


@torch.no_grad()
def plain_law(model, prompt, response, temperature):
    logits = plain_logits(model, [*prompt, *response.token_ids_T])[len(prompt) - 1 : -1]
    return torch.log_softmax(logits / temperature, -1)


def of_tokens(law_TV, response):
    return law_TV.gather(1, torch.from_numpy(response.token_ids_T)[:, None])[:, 0].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_decoder_serves_what_it_knows_and_the_plain_one_the_rest(kind):
    expected = FastDecoder if kind in ("qwen3", "llama") else PlainDecoder
    assert type(engine_of(kind).decoder) is expected


def test_a_fast_decoder_that_disagrees_is_not_used(monkeypatch):
    monkeypatch.setattr(FastDecoder, "_logits", lambda self, hidden: hidden @ self.head.T)  # without the last norm
    assert type(engine_of("qwen3").decoder) is PlainDecoder


def test_a_fast_decoder_that_gives_nan_is_not_used(monkeypatch):
    monkeypatch.setattr(FastDecoder, "_logits", lambda self, hidden: hidden @ self.head.T * torch.nan)
    assert type(engine_of("qwen3").decoder) is PlainDecoder


@pytest.mark.parametrize("kind", ["qwen3", "gemma2"])
def test_logits_that_are_not_finite_are_said_to_be(kind):
    engine = engine_of(kind)
    with torch.no_grad():
        engine.model.base_model.norm.weight[3] = torch.nan
    engine.load(Weights(7, dict(engine.model.named_parameters())))
    with pytest.raises(FloatingPointError, match="not finite under its weights of version 7"):
        engine.submit(PROMPTS[0], Sampling(5), 1).result()


def test_sliding_windows_and_biases_are_not_known():
    windows = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}
    assert knows(tiny("qwen3"))
    assert not knows(tiny("qwen3", **windows))
    assert not knows(tiny("llama", attention_bias=True))
    assert not knows(tiny("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}))


@pytest.mark.parametrize("temperature", [0.7, 1.3])
@pytest.mark.parametrize("kind", KINDS)
def test_sampled_logprobs_are_those_of_a_plain_forward_pass(kind, temperature):
    engine = engine_of(kind, max_sequences=13)  # fewer than asked for: some wait, and lengths differ in a batch
    groups = rollout(engine, Sampling(40, temperature, n=6))
    differences, lengths = [], set()
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for response in group:
            expected = of_tokens(plain_law(engine.model, prompt, response, temperature), response)
            differences.append(np.abs(response.logprobs_T - expected))
            np.testing.assert_array_equal(response.logprobs_T, response.drawn_logprobs_T)
            lengths.add(len(response))
    differences_M = np.concatenate(differences)
    assert np.mean(differences_M <= 1e-5) >= 0.999
    assert differences_M.max() <= 5e-5
    assert len(lengths) > 3, "the test needs responses that end at different times"


@pytest.mark.parametrize("kind", ["qwen3", "gemma3"])
def test_a_response_is_the_same_alone_and_among_others(kind):
    sampling = Sampling(30, n=3)
    together = tokens(rollout(engine_of(kind), sampling))
    assert tokens(rollout(engine_of(kind, max_sequences=2), sampling)) == together
    alone = engine_of(kind).submit(PROMPTS[2], sampling, mix("test", 2)).result()
    assert tokens([alone]) == together[2:3]
    fewer = engine_of(kind).submit(PROMPTS[2], Sampling(30, n=1), mix("test", 2)).result()
    assert tokens([fewer])[0] == together[2][:1]
    assert len({tuple(ids) for ids in together[2]}) == 3, "responses of a group differ by their seeds"


def test_seeds_change_what_is_drawn():
    engine = engine_of("qwen3")
    first, second, again = (engine.submit(PROMPTS[0], Sampling(20), seed).result()[0] for seed in (1, 2, 1))
    assert first.token_ids_T.tolist() == again.token_ids_T.tolist() != second.token_ids_T.tolist()


@pytest.mark.parametrize("kind", ["qwen3", "gemma2"])
def test_temperature_0_is_transformers_greedy_decoding(kind):
    engine = engine_of(kind)
    for prompt in PROMPTS:
        (response,) = engine.submit(prompt, Sampling(25, temperature=0.0), seed=3).result()
        model = tiny(kind)
        expected = model.generate(torch.from_numpy(prompt)[None], max_new_tokens=25, do_sample=False, eos_token_id=END)
        assert response.token_ids_T.tolist() == expected[0, len(prompt) :].tolist()
        assert (response.drawn_logprobs_T == 0).all()
        law = plain_law(model, prompt, response, 1.0)
        np.testing.assert_allclose(response.logprobs_T, of_tokens(law, response), atol=5e-5)


@pytest.mark.parametrize("changes", [{"top_k": 3}, {"top_p": 0.5}, {"top_k": 9, "top_p": 0.7}])
def test_top_p_and_top_k_change_what_is_drawn_and_nothing_else(changes):
    engine = engine_of("qwen3")
    sampling = Sampling(30, temperature=1.3, n=4, **changes)
    for prompt, group in zip(PROMPTS, rollout(engine, sampling), strict=True):
        for response in group:
            law = plain_law(engine.model, prompt, response, 1.3)
            np.testing.assert_allclose(response.logprobs_T, of_tokens(law, response), atol=5e-5)
            ranked = law.sort(-1, descending=True)
            before = ranked.values.exp().cumsum(-1) - ranked.values.exp()
            for t, token in enumerate(response.token_ids_T):
                rank = ranked.indices[t].tolist().index(token)
                nucleus = ranked.values[t].exp()
                if "top_k" in changes:
                    assert rank < changes["top_k"]
                    nucleus = nucleus[: changes["top_k"]]
                if "top_p" in changes:
                    assert before[t, rank] < changes["top_p"] * nucleus.sum() + 1e-5
                    nucleus = nucleus[: int((before[t, : len(nucleus)] < changes["top_p"] * nucleus.sum()).sum())]
                assert response.drawn_logprobs_T[t] == pytest.approx(
                    float(law[t, token] - nucleus.sum().log()), abs=1e-3
                )


def test_a_stop_token_ends_a_response_and_belongs_to_it():
    responses = [r for group in rollout(engine_of("qwen3"), Sampling(60, 1.5, n=8)) for r in group]
    tokenizer = build_tokenizer()
    assert {response.finish for response in responses} == {"stop", "length"}
    for response in responses:
        ids = response.token_ids_T.tolist()
        assert END not in ids[:-1]
        assert (ids[-1] == END) == (response.finish == "stop")
        assert response.finish == "stop" or len(ids) == 60
        assert response.text == tokenizer.decode(ids[:-1] if response.finish == "stop" else ids)
        assert response.sampled_T.all() and len(response.sampled_T) == len(ids)


def test_a_response_ends_where_the_models_context_does():
    model = tiny("qwen3", max_position_embeddings=16)
    engine = TorchEngine(model, build_tokenizer())
    (response,) = engine.submit(PROMPTS[1], Sampling(40), seed=5).result()
    assert len(response) <= 3
    with pytest.raises(ValueError, match="context"):
        engine.submit(np.arange(16), Sampling(1), seed=0)
    with pytest.raises(ValueError, match="no tokens"):
        engine.submit(np.zeros(0, np.int64), Sampling(1), seed=0)


@pytest.mark.parametrize("steps", [0, 1, 7, 30])
def test_streaming_tells_every_token_once_and_in_order(steps):
    engine = engine_of("llama")
    handles = submit_all(engine, Sampling(20, n=3))
    for _ in range(steps):  # what was drawn before anyone watched is told first
        engine.step()
    for handle in handles[:2]:
        for _ in range(2):  # and told again to whoever comes later
            told = [[], [], []]
            for j, new_ids in handle:
                told[j] += new_ids
            assert [told] == tokens([handle.result()])


def test_cancelled_responses_leave_and_the_others_are_not_changed():
    sampling = Sampling(30, n=3)
    expected = tokens(rollout(engine_of("qwen3"), sampling))
    engine = engine_of("qwen3", max_sequences=6)
    handles = submit_all(engine, sampling)
    engine.step()
    handles[0].cancel()
    handles[3].cancel()
    assert tokens(handle.result() for handle in handles[1:3]) == expected[1:3]
    with pytest.raises(RuntimeError, match="cancelled"):
        handles[0].result()
    assert not engine.busy


@pytest.mark.parametrize("kind", ["qwen3", "gemma3"])
def test_loaded_weights_are_drawn_from_and_stamped_on_tokens(kind):
    other = tiny(kind, seed=1)
    engine = engine_of(kind)
    handle = engine.submit(PROMPTS[0], Sampling(12), seed=4)
    engine.step()
    engine.load(Weights(7, dict(other.named_parameters())))
    (spanning,) = handle.result()
    assert spanning.versions_T.tolist() == [0] + [7] * (len(spanning) - 1)
    expected = TorchEngine(other, build_tokenizer()).submit(PROMPTS[1], Sampling(12), seed=4).result()
    assert tokens([engine.submit(PROMPTS[1], Sampling(12), seed=4).result()]) == tokens([expected])


def test_the_models_own_tensors_are_followed_without_a_copy_of_them():
    model = tiny("qwen3")
    engine = TorchEngine(model, build_tokenizer())
    before = engine.submit(PROMPTS[0], Sampling(30), seed=4).result()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)
    engine.load(Weights(1, dict(model.named_parameters())))
    after = engine.submit(PROMPTS[0], Sampling(30), seed=4).result()
    assert tokens([before]) != tokens([after])
    law = plain_law(model, PROMPTS[0], after[0], 1.0)
    np.testing.assert_allclose(after[0].logprobs_T, of_tokens(law, after[0]), atol=5e-5)


COPIED = ["q_proj", "v_proj", "up_proj", "q_norm", "input_layernorm", "post_attention_layernorm"]


@pytest.mark.fault("F11")
@pytest.mark.parametrize(
    "make, parts", [(FastDecoder, COPIED), (NativeDecoder, [*COPIED, "o_proj", "down_proj", "model.norm"])]
)
def test_whatever_the_decoder_has_not_followed_is_found_by_what_it_decodes_with(make, parts):
    model = load_model("nano")
    if make is NativeDecoder and not can_compute(model):
        pytest.skip("native.c was not compiled here, or this processor cannot run it")
    engine = TorchEngine(model, build_tokenizer(), decoder=make(model))
    parameters = dict(model.named_parameters())
    for version, part in enumerate(parts):
        engine.verify(Weights(version, parameters))
        moved = next(name for name in parameters if part in name)
        with torch.no_grad():
            parameters[moved].view(-1)[3] += 1e-6  # in the model's own tensor, of which the decoder has a copy
        with pytest.raises(RuntimeError, match=r"not the learner's: (layers\.0|head)"):
            engine.verify(Weights(version, parameters))
        engine.load(Weights(version + 1, parameters))


@pytest.mark.parametrize("kind", ["qwen3", "gemma3"])
def test_a_sync_that_was_left_out_or_other_weights_are_noticed(kind):
    engine = engine_of(kind)
    parameters = dict(engine.model.named_parameters())
    with pytest.raises(RuntimeError, match="version 0, and the learner is at version 1"):
        engine.verify(Weights(1, parameters))
    others = {name: parameter.detach() * (1 + 1e-6) for name, parameter in parameters.items()}
    with pytest.raises(RuntimeError, match="not the learner's"):
        engine.verify(Weights(0, others))


def test_weights_of_another_model_are_refused():
    engine = engine_of("qwen3")
    engine.load(Weights(1, tiny("qwen3", seed=1).state_dict()))  # tied weights may come under both of their names
    tensors = dict(tiny("qwen3").named_parameters())
    tensors.pop("model.norm.weight")
    with pytest.raises(ValueError, match=r"missing \['model.norm.weight'\]"):
        engine.load(Weights(1, tensors))


def test_release_and_close_leave_nothing_held():
    engine = engine_of("qwen3")
    first = tokens(rollout(engine, Sampling(10, n=2)))
    engine.release()
    assert not engine.decoder.caches
    assert tokens(rollout(engine, Sampling(10, n=2))) == first
    pending = engine.submit(PROMPTS[0], Sampling(10), seed=1)
    engine.close()
    with pytest.raises(RuntimeError, match="cancelled"):
        pending.result()


@pytest.mark.parametrize("kind", ["qwen3", "gemma3"])
def test_one_response_can_end_before_the_others_of_its_group(kind):
    sampling = Sampling(30, n=3)
    expected = tokens(rollout(engine_of(kind), sampling))
    engine = engine_of(kind, max_sequences=7)  # so that the last group waits
    handles = submit_all(engine, sampling)
    for _ in range(3):
        engine.step()
    handles[0].end(1)
    handles[3].end(0)  # before it has begun
    found = tokens(handle.result() for handle in handles)
    assert found == [[expected[0][0], expected[0][2]], *expected[1:3], expected[3][1:]]
    assert not engine.busy
    handles[1].end(2)  # it is there already
    assert tokens([handles[1].result()]) == expected[1:2]


@pytest.mark.parametrize("every", [1, 2, 7])
def test_what_was_drawn_is_read_from_outside_while_it_goes_on(every):
    engine = engine_of("qwen3", max_sequences=7)
    handles = submit_all(engine, Sampling(30, n=3))
    told = {handle: [[], [], []] for handle in handles}
    logprobs = {handle: [[], [], []] for handle in handles}
    step = 0
    while engine.busy:
        engine.step()
        step += 1
        if step % every:
            continue
        for row, columns in engine.drawn_beyond(lambda row: len(told[row.request][row.index])):
            told[row.request][row.index] += columns[0].tolist()
            logprobs[row.request][row.index] += columns[1].tolist()
    for handle in handles:
        for j, response in enumerate(handle.result()):
            known = len(told[handle][j])
            assert told[handle][j] == response.token_ids_T[:known].tolist() and known < len(response)
            assert logprobs[handle][j] == response.logprobs_T[:known].tolist()
            assert known >= len(response) - every
    assert engine.drawn_beyond(lambda row: 0) == []


def test_the_likeliest_tokens_of_each_place_are_those_of_the_law():
    model = load_model("nano")
    engine = TorchEngine(model, build_tokenizer())
    prompts = [np.array(engine.tokenizer.encode(f"<|user|>Solve x^2-{i}x=0<|end|><|assistant|>")) for i in (5, 7)]
    expected = [engine.submit(prompt, Sampling(60, 0.8, n=2), seed=i).result() for i, prompt in enumerate(prompts)]
    first, second = (engine.submit(prompt, Sampling(60, 0.8, n=2), seed=i) for i, prompt in enumerate(prompts))
    first.likeliest = 3
    assert tokens([first.result(), second.result()]) == tokens(expected), "to be looked at changes nothing"
    assert not second.likely
    for j, response in enumerate(first.result()):
        law = plain_law(model, prompts[0], response, 0.8)
        assert len(first.likely[j]) == len(response)
        for t, likely in enumerate(first.likely[j]):
            values, ids = law[t].topk(3)
            assert [id for id, _ in likely] == ids.tolist()
            np.testing.assert_allclose([logprob for _, logprob in likely], values, atol=1e-4)


def test_after_an_error_the_engine_can_be_used_again():
    engine = engine_of("qwen3")
    expected = tokens(rollout(engine, Sampling(10, n=2)))
    with torch.no_grad():
        kept = engine.model.base_model.norm.weight[3].clone()
        engine.model.base_model.norm.weight[3] = torch.nan
    engine.load(Weights(1, dict(engine.model.named_parameters())))
    handles = submit_all(engine, Sampling(10, n=2))
    with pytest.raises(FloatingPointError):
        handles[0].result()
    with torch.no_grad():
        engine.model.base_model.norm.weight[3] = kept
    engine.abandon()
    assert not engine.busy and all(handle.done for handle in handles if handle.cancelled)
    engine.load(Weights(2, dict(engine.model.named_parameters())))
    assert tokens(rollout(engine, Sampling(10, n=2))) == expected

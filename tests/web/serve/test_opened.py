"""A model is opened as `groupthink eval` opens it, with a lane for each core where it is small."""

import json

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from groupthink.model.place import NANO
from groupthink.rollout.engine import Sampling
from groupthink.rollout.fast import FastDecoder
from groupthink.web.serve import opened as module
from groupthink.web.serve.opened import MOST_TOKENS, TOKENS, open_model


@pytest.fixture(scope="module")
def nano():
    return open_model("nano")


def test_the_text_of_tokens_is_the_tokenizers(nano):
    tokenizer = nano.chat.tokenizer
    ids = [*range(len(tokenizer))]
    for some in (ids, ids[::-1], ids[5:9], []):
        assert nano.decode(some) == tokenizer.decode(some, skip_special_tokens=False)


def test_a_tokenizer_that_cleans_up_is_let_to():
    core = Tokenizer(models.WordLevel({"a": 0, ".": 1, "?": 2}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, clean_up_tokenization_spaces=True)
    assert module._decoding(tokenizer)([0, 1]) == tokenizer.decode([0, 1]) == "a."


def test_how_many_tokens_there_may_be(nano):
    assert nano.max_tokens(100, None) == nano.max_tokens(100, 500) == 100
    assert nano.max_tokens(100, 7) == 7
    assert nano.max_tokens(float("inf"), None) == TOKENS
    assert nano.max_tokens(float("inf"), 10**30) == MOST_TOKENS


def test_lanes_draw_the_same_from_the_same_weights(nano, monkeypatch):
    monkeypatch.setattr(module, "find_processes", lambda model: 3)
    lanes = nano.run().lanes
    assert len(lanes) == 3 and len({id(lane.engine.decoder) for lane in lanes}) == 3
    assert {id(lane.engine.model) for lane in lanes} == {id(nano.engine.model)}
    prompt = nano.chat.encode("Solve x^2-5x+6=0")
    drawn = [
        [response.token_ids_T.tolist() for response in lane.engine.submit(prompt, Sampling(60, n=4), 1).result()]
        for lane in lanes
    ]
    assert drawn[0] == drawn[1] == drawn[2]


def test_keys_and_values_have_their_share_of_the_memory(nano, monkeypatch):
    monkeypatch.setattr(module, "find_processes", lambda model: 2)
    monkeypatch.setattr(module, "free_memory", lambda device: 1_000_000)
    first, second = nano.run().lanes
    assert first.memory == second.memory == 250_000
    assert first.bytes_per_token == 4 * 2 * 2 * 32 * 4  # layers, keys and values, heads, their size, float32
    monkeypatch.setattr(module, "free_memory", lambda device: None)
    assert nano.run().lanes[0].memory == float("inf")


def test_a_models_words_are_those_of_its_run(tmp_path):
    """And nothing that the run says of trust counts."""
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    for file in NANO.iterdir():
        (run / "model" / file.name).write_bytes(file.read_bytes())
    (run / "recipe.toml").write_text('trust_remote_code = true\n[chat]\nopen_think = true\nsystem = "Be brief."\n')
    opened = open_model(str(run))
    assert opened.chat.opening == "<think>" and opened.chat.render("x").startswith("<|user|>Be brief.")
    (run / "model" / "config.json").write_text(
        json.dumps(
            json.loads((NANO / "config.json").read_text()) | {"auto_map": {"AutoConfig": "code.Config"}}
        ).replace("qwen3", "unheard_of")
    )
    with pytest.raises(ValueError, match="trust"):
        open_model(str(run))


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no model"):
        open_model(str(tmp_path))


def test_other_decoders_have_lanes_too(nano, monkeypatch):
    monkeypatch.setattr(module, "find_processes", lambda model: 2)
    first, second = (
        module.Opened(
            nano.name,
            nano.recipe,
            nano.chat,
            module.TorchEngine(nano.engine.model, nano.chat.tokenizer, decoder=FastDecoder(nano.engine.model)),
            nano.decode,
            nano.ends_tag,
        )
        .run()
        .lanes
    )
    assert type(first.engine.decoder) is type(second.engine.decoder) is FastDecoder

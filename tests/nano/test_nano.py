import hashlib
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from groupthink.model.chat import Chat
from groupthink.model.loading import load_model
from groupthink.model.place import NANO
from groupthink.nano.architecture import CONTEXT, FOLDER, write_architecture
from groupthink.nano.tokenizer import CHARACTERS, UNKNOWN
from groupthink.recipe import load_recipe
from groupthink.stage.evaluate import evaluate_model
from groupthink.task import TASKS, open_task


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(NANO)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(NANO).eval()


@pytest.mark.parametrize(
    "text",
    [
        CHARACTERS.replace(UNKNOWN, ""),
        " leading, trailing  and double  spaces ",
        "a , b . c ' s n't ! ?",  # what clean_up_tokenization_spaces would close up
        "\n\n<think> b=-5\n c=6 \n</think> x=2, x=3 ",
        "Solve x²−5x+6=0, x=±√4",
    ],
)
def test_text_comes_back_as_it_was(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_thinking_begins_and_ends_with_one_token(tokenizer):
    ids = tokenizer.encode("<think>a b</think>")
    assert tokenizer.convert_ids_to_tokens(ids) == ["<think>", "a", " ", "b", "</think>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>a b</think>"


def test_what_it_cannot_write_is_one_unknown_character(tokenizer):
    assert tokenizer.decode(tokenizer.encode("aéb")) == f"a{UNKNOWN}b"


@pytest.mark.parametrize("name", TASKS)
def test_it_can_write_every_problem_and_demonstration(tokenizer, name):
    task = open_task(name)
    unknown = tokenizer.convert_tokens_to_ids(UNKNOWN)
    longest = 0
    for problem in task.sample(0, 200) + task.held_out(100):
        text = task.demonstrate(problem, careful=True)
        ids = [*Chat(tokenizer).encode(problem.prompt), *tokenizer.encode(text)]
        assert unknown not in ids
        longest = max(longest, len(ids))
    assert longest < CONTEXT


def test_it_is_small(model):
    assert 0.7e6 < model.num_parameters() < 1.3e6
    assert sum(file.stat().st_size for file in NANO.iterdir()) <= 5e6
    assert model.config.model_type == "qwen3"


def test_its_folder_holds_nothing_that_runs():
    names = {file.name for file in NANO.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {name.rpartition(".")[2] for name in names} <= {"json", "safetensors", "jinja", "md"}
    assert "auto_map" not in json.loads((NANO / "config.json").read_text())


def test_it_is_like_a_base_model():
    """Mostly wrong, at times right, and almost always able to be."""
    found = evaluate_model("nano", problems=100, samples=16)
    assert 0.1 <= found["pass@1"] <= 0.4
    assert found["greedy"] <= 0.5
    assert found["pass@k"] >= 0.85


def test_its_card_is_of_these_weights():
    sha256 = hashlib.sha256((NANO / "model.safetensors").read_bytes()).hexdigest()
    assert sha256 in (NANO / "README.md").read_text()


def test_it_is_of_the_shape_that_its_recipe_draws(model, tmp_path):
    write_architecture(tmp_path)
    keys = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "eos_token_id", "pad_token_id")
    drawn, shipped = (json.loads((folder / "config.json").read_text()) for folder in (tmp_path, FOLDER))
    assert {key: drawn[key] for key in keys} == {key: shipped[key] for key in keys}
    assert (tmp_path / "tokenizer.json").read_text() == (FOLDER / "tokenizer.json").read_text()


def test_with_our_attention_it_is_the_same_model(tokenizer, model):
    ids = torch.from_numpy(Chat(tokenizer).encode("Solve x^2-5x+6=0"))[None]
    with torch.no_grad():
        assert (load_model("nano")(ids).logits - model(ids).logits).abs().max() < 1e-4


def test_it_answers_in_the_form_of_a_chain(tokenizer, model):
    """After a question of its task nearly all of its probability lies on beginning to think."""
    ids = torch.from_numpy(Chat(tokenizer).encode("Solve x^2-5x+6=0"))[None]
    with torch.no_grad():
        law = model(ids).logits[0, -1].softmax(dim=-1)
    assert law[tokenizer.convert_tokens_to_ids("<think>")] > 0.8


def test_the_packaged_recipe_is_the_one_that_is_shown():
    assert load_recipe() == load_recipe(Path(__file__).parents[2] / "recipes/nano.toml")

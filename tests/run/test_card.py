import yaml

from groupthink.recipe import load_recipe
from groupthink.run.card import model_card, write_card

BEFORE = {"pass@1": 0.2, "pass@1_low": 0.1, "pass@1_high": 0.3, "greedy": 0.3, "maj@k": 0.5, "pass@k": 0.9}
BEFORE |= {"problems": 200, "samples": 16}
AFTER = BEFORE | {"pass@1": 0.91234, "samples": 4}


def test_a_card_carries_the_figures(tmp_path):
    write_card(tmp_path, "my run: 1", load_recipe(), {"before": BEFORE, "after": AFTER})
    card = (tmp_path / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["model-index"][0]["name"] == "my run: 1"
    assert front["model-index"][0]["results"][0]["metrics"] == [{"type": "pass@1", "value": 0.9123}]
    assert "base_model" not in front
    assert "| before | 20.0% (10.0% to 30.0%) |" in card and "| after | 91.2% (" in card
    assert 'estimator = "center"' in card


def test_a_card_says_where_nobody_knows_what_is_right():
    unknown = dict.fromkeys(("pass@1", "pass@1_low", "pass@1_high", "greedy", "maj@k", "pass@k"))
    card = model_card("mine", load_recipe(), {"after": AFTER | unknown | {"unjudged": {"no answer is known": 200}}})
    assert "model-index" not in yaml.safe_load(card.split("---")[1])
    assert "| after | - (- to -) | - | - | - | 200 | 4 |" in card
    assert "200 problems are not judged: no answer is known." in card


def test_a_card_says_in_which_words_the_model_was_asked():
    prompt = 'Say "so".\nUser: Solve x^2-5x+6=0\nAssistant: <think>\n'
    card = model_card("mine", load_recipe(), {}, prompt, special_tokens=True)
    code = card.split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec("prompt = (" + code.split("prompt = (")[1].split("\n)")[0] + "\n)", names)
    assert names["prompt"] == prompt and "tokenizer(prompt, add_special_tokens=True," in code


def test_a_hub_model_is_named_as_the_base():
    card = model_card("mine", load_recipe(overrides=["model=Qwen/Qwen3-0.6B"]), {})
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == "Qwen/Qwen3-0.6B" and "model-index" not in front

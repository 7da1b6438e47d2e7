import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from groupthink.model.chat import Chat
from groupthink.model.demonstrations import encode_demonstrations
from groupthink.model.loading import new_model
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.recipe import load_recipe
from groupthink.run.metrics import read_metrics
from groupthink.stage.settings import SftSettings
from groupthink.stage.sft import demonstrations, imitation_batch
from groupthink.task import open_task
from groupthink.task.arithmetic import is_held_out
from groupthink.task.quadratics import held_out_pairs
from groupthink.task.roots import parse_roots
from tests.stage.conftest import resume, train, weights
from tests.tiny import tiny

BASE = load_recipe(Path(__file__).parents[2] / "recipes/nano-base.toml")
SFT = """\
stage = "sft"
model = '{place}/model'
steps = 10
checkpoint_every = 4

[rollout]
max_tokens = 8
processes = 1

[sft]
from_scratch = true
examples_per_step = 8
careful_share = 0.5

[policy]
learning_rate = 1e-2
warmup_steps = 0
threads = 1

[evaluate]
problems = 2
samples = 1
base_samples = 2
"""


@pytest.fixture(scope="module")
def tasks():
    return [open_task(name, BASE.seed) for name in BASE.sft.tasks]


def shown(tasks, step, seed=0, settings=BASE.sft, steps=BASE.steps):
    return demonstrations(tasks, settings, seed, step, steps)


def at_once(some) -> float:
    return float(np.mean([text.startswith("<think></think>") or "<think>" not in text for _, text in some]))


def test_what_is_shown_is_a_function_of_seed_and_step(tasks):
    assert shown(tasks, 7) == shown([open_task(name, BASE.seed) for name in BASE.sft.tasks], 7)
    assert shown(tasks, 7) != shown(tasks, 8)
    assert shown(tasks, 7) != shown(tasks, 7, seed=1)
    assert len(shown(tasks, 7)) == BASE.sft.examples_per_step


def test_the_first_steps_show_careful_work_and_the_others_as_much_haste_as_asked(tasks):
    settings = SftSettings(BASE.sft.tasks, (1.0, 0.0), 400, careful_share=0.75, hasty_share=1.0)
    assert at_once(shown(tasks, 74, settings=settings, steps=100)) == 0
    hasty = at_once(shown(tasks, 75, settings=settings, steps=100))
    assert 0.5 < hasty < 0.7
    half = SftSettings(BASE.sft.tasks, (1.0, 0.0), 400, careful_share=0.75, hasty_share=0.5)
    assert at_once(shown(tasks, 75, settings=half, steps=100)) == pytest.approx(hasty / 2, abs=0.1)


def test_tasks_are_shown_by_their_shares(tasks):
    settings = SftSettings(BASE.sft.tasks, (0.25, 0.75), 1000)
    computed = np.mean([prompt.startswith("Compute ") for prompt, _ in shown(tasks, 3, settings=settings)])
    assert computed == pytest.approx(0.75, abs=0.05)


def test_no_demonstration_of_the_base_shows_what_is_held_out(tasks):
    """In 20 of its steps, of both kinds: not in a prompt, not in an answer, not in what is checked on the way."""
    draw, careful = random.Random(11), round(BASE.sft.careful_share * BASE.steps)
    for step in draw.sample(range(careful), 10) + draw.sample(range(careful, BASE.steps), 10):
        for prompt, text in shown(tasks, step):
            if prompt.startswith("Compute "):
                assert not is_held_out(prompt.removeprefix("Compute "))
                continue
            stated = [roots_asked(prompt), parse_roots(text.rpartition("</think>")[2])]
            stated += [map(int, re.findall(r"-?\d+", part)) for part in re.findall(r"check: (-?\d+[-+]\d+)=", text)]
            stated += [[-int(one) for one in factors] for factors in re.findall(r"\(x([-+]\d+)\)\(x([-+]\d+)\)", text)]
            for roots in map(sorted, stated):
                assert (roots[0], roots[-1]) not in held_out_pairs(), text


def roots_asked(prompt: str) -> list[int]:
    """The roots of the equation in a prompt, found by trying."""
    equation = re.search(r"\S*x\S*=0", prompt)[0].replace("−", "-").replace("²", "^2").removesuffix("=0")
    terms = (r"([-+]?\d*)x\^2", r"([-+]?\d*)x(?!\^)", r"([-+]\d+)$")
    a, b, c = (sum(map(_factor, re.findall(term, equation))) for term in terms)
    return [x for x in range(-99, 100) if a * x * x + b * x + c == 0]


def _factor(text: str) -> int:
    return int(text) if re.search(r"\d", text) else int(f"{text}1")


def test_the_loss_is_a_mean_over_the_response_tokens():
    tokenizer = build_tokenizer()
    shown = [("Solve x^2-1=0", "<think></think>x=-1, x=1"), ("Compute 1+1", "2")]
    prompts, responses = encode_demonstrations(Chat(tokenizer), shown)
    assert tokenizer.decode(responses[1]) == "2<|end|>"
    assert tokenizer.decode(prompts[1]) == "<|user|>Compute 1+1<|end|><|assistant|>"
    batch = imitation_batch(prompts, responses)
    assert batch.weights_M.sum() == pytest.approx(1)
    assert len(set(batch.weights_M.tolist())) == 1
    assert batch.token_ids_M.tolist() == [*responses[0], *responses[1]]
    assert batch.starts.tolist() == [0, len(responses[0]), len(batch.token_ids_M)]


def test_the_model_is_looked_at_on_the_way(place, tmp_path):
    recipe = tmp_path / "sft.toml"
    recipe.write_text(SFT.format(place=place.as_posix()))
    run = train(tmp_path / "run", recipe, "evaluate.every=4")
    names = {file.name for file in (run.path / "evaluations").glob("*.json")}
    assert names == {"step-000004.json", "step-000008.json", "after.json"}


def test_a_model_learns_from_demonstrations_and_a_stopped_run_ends_as_one_that_was_not(place, tmp_path):
    recipe = tmp_path / "sft.toml"
    recipe.write_text(SFT.format(place=place.as_posix()))
    run = train(tmp_path / "run", recipe)
    losses = [line["loss"] for line in read_metrics(run.path / "metrics.jsonl")]
    assert len(losses) == 10
    assert losses[0] == pytest.approx(np.log(107), abs=0.3)  # new weights know nothing
    assert losses[-1] < losses[0] - 1

    whole = weights(run.path)
    (run.path / "summary.json").unlink()
    for name in ("model", "checkpoints/step-000010"):
        (run.path / name).rename(tmp_path / name.rpartition("/")[2])
    resume(run.path)
    assert weights(run.path) == whole
    assert [line["loss"] for line in read_metrics(run.path / "metrics.jsonl")] == losses


def test_a_data_set_that_is_imitated_and_evaluated_says_once_how_it_was_read(place, tmp_path):
    chats, recipe = tmp_path / "chats.jsonl", tmp_path / "sft.toml"
    recipe.write_text(SFT.format(place=place.as_posix()))
    rows = [
        [{"role": "user", "content": f"{n}+1"}, {"role": "assistant", "content": f"<think>{n}</think>{n + 1}"}]
        for n in range(40)
    ]
    chats.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    words = [f"task.data={chats.as_posix()}", 'sft.tasks=["data"]', "sft.shares=[1.0]", "steps=2"]
    run = train(tmp_path / "run", recipe, *words)
    events = map(json.loads, (run.path / "events.jsonl").read_text().splitlines())
    (event,) = [event for event in events if event["event"] == "task"]
    assert "the problem is its column 'messages'" in event["notes"][0]


def test_new_weights_are_drawn_by_seed(place):
    def drawn(seed):
        return torch.cat([tensor.flatten() for tensor in new_model(place / "model", seed).state_dict().values()])

    torch.rand(3)  # the state of torch's own draws does not matter
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_a_student_of_fewer_layers_is_an_ordinary_model(place, tmp_path):
    recipe = tmp_path / "sft.toml"
    recipe.write_text(SFT.format(place=place.as_posix()))
    run = train(tmp_path / "run", recipe, "sft.layers=1", "steps=2")
    whole = AutoModelForCausalLM.from_pretrained(place / "model")
    student = AutoModelForCausalLM.from_pretrained(run.path / "model")
    assert student.config.num_hidden_layers == len(student.config.layer_types) == 1
    layers = {name for name in whole.state_dict() if ".layers.1." in name}
    assert layers and student.state_dict().keys() == whole.state_dict().keys() - layers
    ids = torch.tensor([[7, 8, 9]])
    assert student.generate(ids, max_new_tokens=3, min_new_tokens=3).shape == (1, 6)
    begun = weights(run.path)
    (run.path / "summary.json").unlink()
    for name in ("model", "checkpoints/step-000002"):
        (run.path / name).rename(tmp_path / name.rpartition("/")[2])
    resume(run.path)
    assert weights(run.path) == begun


def test_more_layers_than_there_are_are_refused(place):
    with pytest.raises(ValueError, match=r"3 layers are asked for, and .* has 2"):
        new_model(place / "model", 0, layers=3)


@pytest.mark.parametrize("kind", ["qwen3", "gemma2"])
def test_the_gradient_is_that_of_transformers_own_loss_on_the_labels_of_the_responses(kind):
    draw = np.random.default_rng(0)
    prompts, responses = ([draw.integers(2, 107, n) for n in lengths] for lengths in ((5, 3, 8), (4, 9, 2)))
    imitation = ObjectiveSettings(surrogate="imitation", kl=0.0)
    settings = PolicySettings(max_grad_norm=1e9, threads=1, processes=1)
    learner = Learner(tiny(kind), None, settings, imitation, total_steps=1, temperature=1.0)
    seen: dict[str, torch.Tensor] = {}

    def look(*_):
        seen.update({name: parameter.grad.clone() for name, parameter in learner.parameters.items()})

    learner.optimizer.register_step_pre_hook(look)
    loss = learner.update(imitation_batch(prompts, responses)).metrics["loss"]

    model = tiny(kind)
    model.set_attn_implementation("eager")
    expected = torch.zeros(())
    for prompt, response in zip(prompts, responses, strict=True):
        token_ids = torch.tensor(np.concatenate([prompt, response]))[None]
        labels = token_ids.clone()
        labels[:, : len(prompt)] = -100
        expected = expected + model(token_ids, labels=labels, use_cache=False).loss * len(response) / 15
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in model.named_parameters():
        assert (seen[name] - parameter.grad).norm() < 1e-5 * parameter.grad.norm(), name

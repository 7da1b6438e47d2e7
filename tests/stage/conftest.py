"""A model of two small layers, the recipes that train it in a second or two, and one finished run."""

from pathlib import Path

import pytest

from groupthink import stage
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.terminal import open_view
from tests.tiny import tiny

STEPS = 4
GRPO = f"""\
stage = "grpo"
model = '{{place}}/model'
steps = {STEPS}
seed = 5
checkpoint_every = 1

[task]
problems_per_step = 2

[rollout]
group_size = 3
max_tokens = 24
temperature = 0.8
processes = 1

[reward]
"{{place}}/rewards.py:letters" = 1.0

[objective]
kl = 0.05

[policy]
learning_rate = 1e-3
warmup_steps = 3
schedule = "constant"
processes = 1
threads = 1

[evaluate]
problems = 3
samples = 2
base_samples = 2
"""
REWARDS = '''\
def letters(problem, response):
    """Even a model that knows nothing earns some of this reward."""
    return sum(map(str.isalpha, response.text)) / len(response)


def short(problem, response):
    return -float(len(response))
'''


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """A folder with a tiny model, its rewards and a recipe, `grpo.toml`."""
    folder = tmp_path_factory.mktemp("place")
    tiny("qwen3").save_pretrained(folder / "model")
    build_tokenizer().save_pretrained(folder / "model")
    (folder / "rewards.py").write_text(REWARDS)
    (folder / "grpo.toml").write_text(GRPO.format(place=folder.as_posix()))
    return folder


def train(path: Path, recipe: Path, *settings: str) -> Run:
    """A run from its beginning to its end, in this process."""
    return to_the_end(Run.create(path, load_recipe(recipe, settings)))


def resume(path: Path, *settings: str) -> Run:
    """The same run from where it stopped."""
    return to_the_end(Run.resume(path, settings))


def to_the_end(run: Run) -> Run:
    view = open_view()
    view.started(run.recipe, run.remaining_steps())
    stage.train(run, view)
    return run


@pytest.fixture(scope="session")
def finished(place, tmp_path_factory) -> Run:
    """A GRPO run that was never stopped. Not to be changed."""
    return train(tmp_path_factory.mktemp("runs") / "finished", place / "grpo.toml")


def weights(run: Path) -> bytes:
    return (run / "model/model.safetensors").read_bytes()

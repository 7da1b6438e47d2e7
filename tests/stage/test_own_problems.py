"""Runs on problems of the user's own: a data set, a mixture, a curriculum."""

import json

import pyarrow.parquet as parquet
import pytest

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.recipe import load_recipe
from groupthink.run.lines import read_lines
from groupthink.run.metrics import read_metrics
from groupthink.stage.evaluate import evaluate_model
from groupthink.stage.named import require_named
from groupthink.stage.supply import Supply
from groupthink.task import open_tasks
from tests.here import work_here
from tests.stage.conftest import STEPS, resume, train, weights
from tests.tiny import tiny


@pytest.fixture
def here(monkeypatch):
    work_here(monkeypatch)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "sums.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i}+1", "answer": i + 1}) + "\n" for i in range(50)))
    return path.as_posix()


@pytest.mark.fault("B12")
def test_a_run_on_a_data_set_says_how_it_read_it_and_resumes_to_the_same_bits(place, rows, tmp_path):
    settings = (f"task.data={rows}", "task.held_out=0.3", "task.verify=exact")
    straight = train(tmp_path / "straight", place / "grpo.toml", *settings)
    run = train(tmp_path / "run", place / "grpo.toml", *settings, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)
    (said, *_) = [event["notes"] for event in read_lines(straight.path / "events.jsonl") if event["event"] == "task"]
    assert "the problem is its column 'question', the answer is its column 'answer'" in said[0]
    told = []
    require_named(load_recipe(place / "grpo.toml", settings), told.append)
    assert told == said
    told = []
    figures = evaluate_model(str(run.path), problems=3, samples=1, max_tokens=8, note=told.append)
    assert figures["problems"] == 3 and "3 problems of data (held_out)" in told[-1]


@pytest.mark.fault("B5")
def test_prompts_that_are_too_long_for_the_model_are_left_out_and_named(place, tmp_path):
    path = tmp_path / "long.jsonl"
    rows = [{"question": f"{i}" + "+1" * (150 if i % 2 else 3), "answer": i} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = (f"task.data={path.as_posix()}", "task.held_out=0.4", "task.verify=exact", "steps=1")
    run = train(tmp_path / "run", place / "grpo.toml", *settings)
    (event,) = [event for event in read_lines(run.path / "events.jsonl") if event["event"] == "task"]
    assert len(event["too_long"]) == 20 and "data/train/2" in event["too_long"]
    for row in rows:
        row["question"] += "+1" * 150
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match="no problem of data is left to train on: every prompt is longer than the"):
        train(tmp_path / "none", place / "grpo.toml", *settings)


STRANGE = "1\ud800\x00\u202e\u2028\x1b[2J+"


@pytest.mark.fault("B9")
@pytest.mark.parametrize("kind", ["data", "own"])
def test_what_no_file_and_no_terminal_can_hold_is_no_harm_to_a_run(place, tmp_path, capsys, kind):
    """B9: in problems, answers and other columns."""
    path, rows = tmp_path / "strange.jsonl", [{"question": f"{STRANGE}{i}", "answer": STRANGE} for i in range(40)]
    path.write_text("".join(json.dumps({**row, "source": STRANGE}) + "\n" for row in rows))
    (tmp_path / "own.py").write_text(f"def strange(seed, index):\n    return {STRANGE!r} + str(index), {STRANGE!r}\n")
    named = {"data": f"task.data={path.as_posix()}", "own": f"task.name={tmp_path.as_posix()}/own.py:strange"}[kind]
    run = train(tmp_path / "run", place / "grpo.toml", named, "task.verify=exact", "task.held_out=0.3", "steps=1")
    rows = parquet.read_table(run.path / "rollouts/step-000000.parquet").to_pylist()
    assert all("\x1b[2J" in row["prompt"] and "\x00" in row["expected"] for row in rows)
    assert len(run.read_evaluation("after").rows) == 3 * 3
    require_named(run.recipe, print)
    assert capsys.readouterr().out


OWN = """
from groupthink.records import Problem


class Sums:
    size = None

    def __init__(self, seed):
        self.seen = 0

    def sample(self, step, n):
        return [self.sum(index) for index in range(step * n, (step + 1) * n)]

    def sum(self, index):
        return Problem(f"{self.seen}/{index}", "", f"{index}" + "+1" * (150 if index % 2 else 1 + self.seen), "?")

    def held_out(self, n):
        return [Problem(f"held/{index}", "", f"{index}+0", "?") for index in range(n)]

    def verify(self, problem, text):
        return text == problem.answer


class Finite(Sums):
    size = 8


class Adapting(Sums):
    def observe(self, problem, right, responses):
        self.seen += 1

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path.as_posix()}/own.py"


def asked(run, step):
    return [row["problem"] for row in parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet").to_pylist()]


def test_prompts_of_ones_own_task_that_are_too_long_do_not_end_the_run(place, own, tmp_path):
    run = train(tmp_path / "finite", place / "grpo.toml", f"task.name={own}:Finite", "steps=2")
    (event,) = [event for event in read_lines(run.path / "events.jsonl") if event["event"] == "task"]
    assert event["too_long"] == ["0/1", "0/3", "0/5", "0/7"]
    assert set(asked(run, 0)) | set(asked(run, 1)) == {"0/0", "0/2", "0/4", "0/6"}
    run = train(tmp_path / "endless", place / "grpo.toml", f"task.name={own}:Sums", "steps=1")
    assert set(asked(run, 0)) == {"0/0", "0/2"}  # the second is too long, and the one after it stands in


def test_a_task_of_ones_own_adapts_and_resumes_to_the_same_bits(place, own, tmp_path):
    straight = train(tmp_path / "straight", place / "grpo.toml", f"task.name={own}:Adapting")
    assert [asked(straight, step)[0].split("/")[0] for step in range(STEPS)] == ["0", "2", "4", "6"]
    run = train(tmp_path / "run", place / "grpo.toml", f"task.name={own}:Adapting", "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)
    assert json.loads((run.path / f"checkpoints/step-{STEPS:06d}/task.json").read_text()) == {"seen": 8}


def test_a_pool_larger_than_the_data_set_is_refused(rows):
    recipe = load_recipe(overrides=[f"task.data={rows}", "task.pool=60"])
    with pytest.raises(ValueError, match=r"task.pool is 60, and data has 4"):
        Supply(open_tasks(recipe.task), recipe)


def test_a_mixture_with_a_curriculum_resumes_to_the_same_bits(here, place, rows, tmp_path):
    pytest.importorskip("reasoning_gym", reason="pip install 'groupthink[gym]'")
    # At a share this small every group that has one right response counts; here none has, and the state goes along.
    mixture = 'task.mixture=["data", "gym:count_bits", "arithmetic"]'
    settings = (f"task.data={rows}", mixture, "task.raise_at=0.01", "task.problems_per_step=3")
    straight = train(tmp_path / "straight", place / "grpo.toml", *settings)
    run = train(tmp_path / "run", place / "grpo.toml", *settings, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)
    held = json.loads((run.path / f"checkpoints/step-{STEPS:06d}/task.json").read_text())
    assert held["gym:count_bits"] == {"level": 0, "right": 0, "responses": 3 * STEPS}
    assert len(read_metrics(run.path / "metrics.jsonl")) == STEPS


TWENTY = (
    *("basic_arithmetic", "bitwise_arithmetic", "chain_sum", "count_bits", "decimal_chain_sum", "dice", "gcd", "lcm"),
    *("leg_counting", "number_format", "power_function", "prime_factorization", "products", "simple_equations"),
    *("spell_backward", "letter_counting", "number_sorting", "countdown", "time_intervals", "count_primes"),
)


@pytest.mark.slow
def test_twenty_generators_train_for_three_steps(here, place, tmp_path):
    """In one run, a problem of each to a step."""
    pytest.importorskip("reasoning_gym", reason="pip install 'groupthink[gym]'")
    tiny("qwen3", max_position_embeddings=2048).save_pretrained(tmp_path / "model")
    build_tokenizer().save_pretrained(tmp_path / "model")
    names = ", ".join(f'"gym:{name}"' for name in TWENTY)
    words = (f"model={tmp_path.as_posix()}/model", f"task.mixture=[{names}]", "task.problems_per_step=20", "steps=3")
    run = train(tmp_path / "run", place / "grpo.toml", *words, "evaluate.problems=20")
    for step in range(3):
        rows = parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet").to_pylist()
        assert {row["problem"].split("/")[0] for row in rows} == {f"gym:{name}" for name in TWENTY}
        assert all(set(row["parts"]) >= {"accuracy", "format"} for row in rows)
    assert [line["grad_norm"] > 0 for line in read_metrics(run.path / "metrics.jsonl")] == [True] * 3

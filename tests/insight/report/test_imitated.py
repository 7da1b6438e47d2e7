"""Which held-out problems a model has imitated answers to, or a model that it comes from."""

import json
from pathlib import Path

import pytest

from groupthink.insight.report.imitated import imitated, runs_behind
from groupthink.recipe import dump_recipe, load_recipe
from groupthink.run.rollouts import as_text


@pytest.fixture
def data(tmp_path) -> Path:
    """Twenty problems with worked solutions."""
    rows = [
        {"question": f"What is {i} + 1?", "solution": f"{i} + 1 = {i + 1}", "answer": f"{i + 1}"} for i in range(20)
    ]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


SFT = ("stage=sft", "sft.shares=[1.0]")


def a_run(place: Path, *words: str) -> Path:
    (place / "model").mkdir(parents=True)
    (place / "model" / "config.json").write_text("{}")
    (place / "recipe.toml").write_text(dump_recipe(load_recipe(overrides=words)))
    return place


def rows(*prompts: str) -> list[dict]:
    return [{"problem": prompt, "prompt": prompt, "kind": kind} for prompt in prompts for kind in ("sampled", "greedy")]


ASKED = rows("What is 3 + 1?", as_text([{"role": "user", "content": "What is  4 + 1?"}]), "What is 99 + 1?")


def test_they_are_counted_for_each_run_behind_a_model(data, tmp_path):
    cold = a_run(tmp_path / "cold", *SFT, f'sft.tasks=["data:{data.as_posix()}"]')
    rl = a_run(tmp_path / "rl", f"model={(cold / 'model').as_posix()}")
    behind = list(runs_behind(str(rl)))
    assert [name for name, _ in behind] == ["rl", "cold"]
    assert imitated(ASKED, behind) == {"cold": 2}
    assert imitated(rows("What is 99 + 1?"), behind) == {}


def test_what_is_held_out_from_imitation_was_not_imitated(data, tmp_path):
    words = (*SFT, f'sft.tasks=["data:{data.as_posix()}"]', f"task.data={data.as_posix()}", "task.held_out=0.5")
    every = rows(*(f"What is {i} + 1?" for i in range(20)))
    (count,) = imitated(every, runs_behind(str(a_run(tmp_path / "cold", *words)))).values()
    assert 0 < count < 20


@pytest.mark.parametrize("change", ["from scratch", "data gone", "model gone", "not drawn", "generated"])
def test_where_nothing_was_imitated_or_nobody_knows_none_is_counted(data, tmp_path, change):
    tasks = '["quadratics"]' if change == "generated" else f'["data:{data.as_posix()}"]'
    words = [f"sft.tasks={tasks}"]
    if change == "not drawn":
        words = [f'sft.tasks=["quadratics", "data:{data.as_posix()}"]', "sft.shares=[1.0, 0.0]"]
    cold = a_run(tmp_path / "cold", *SFT, *words)
    model = f"model={(cold / 'model').as_posix()}"
    anew = (*SFT, "sft.from_scratch=true", 'sft.tasks=["quadratics"]') if change == "from scratch" else ()
    rl = a_run(tmp_path / "rl", model, *anew)
    if change == "data gone":
        data.unlink()
    if change == "model gone":
        (cold / "model" / "config.json").unlink()
    assert imitated(ASKED, runs_behind(str(rl))) == {}


def test_runs_that_were_renamed_into_a_ring_have_an_end(tmp_path):
    one = a_run(tmp_path / "one", f"model={(tmp_path / 'two').as_posix()}")
    a_run(tmp_path / "two", f"model={one.as_posix()}")
    assert [name for name, _ in runs_behind(str(one))] == ["one", "two"]

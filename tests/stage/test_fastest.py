import time
from types import SimpleNamespace

import pytest

from groupthink.recipe import load_recipe
from groupthink.stage import fastest as module
from groupthink.stage.fastest import fastest
from tests.stage.conftest import train


def measured(monkeypatch, seconds: dict[int, float]) -> int:
    """What is found where a generation takes so many seconds with so many processes."""
    engine, clock = SimpleNamespace(workers=[None] * (max(seconds) - 1)), SimpleNamespace(now=0.0, asked=[])

    def use(n):
        clock.n = n

    def generate(*_):
        clock.asked.append(clock.n)
        clock.now += seconds[clock.n]

    engine.use = use
    monkeypatch.setattr(module, "generate", generate)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    task = SimpleNamespace(sample=lambda step, n: [])
    found = fastest(engine, None, task, load_recipe())
    assert clock.asked[0] == max(seconds) and set(clock.asked) == set(seconds)
    return found


@pytest.mark.parametrize(
    "seconds, best",
    [
        ({1: 2.0, 2: 1.1}, 2),
        ({1: 2.0, 2: 1.95}, 1),  # not worth a process
        ({1: 1.0, 2: 3.0}, 1),  # a busy machine
        ({1: 4.0, 2: 2.2, 4: 1.5, 6: 1.48}, 4),
        ({1: 4.0, 2: 4.5, 4: 2.0, 8: 3.0}, 4),
    ],
)
def test_the_fewest_that_are_hardly_slower_than_any_are_taken(monkeypatch, seconds, best):
    assert measured(monkeypatch, seconds) == best


def test_a_run_measures_at_its_first_start_and_writes_down_what_it_found(place, tmp_path, monkeypatch):
    monkeypatch.setattr("groupthink.stage.workshop.find_processes", lambda model: 2)
    monkeypatch.setattr("groupthink.rollout.open.find_processes", lambda model: 2)
    monkeypatch.setattr("groupthink.stage.workshop.fastest", lambda *_: 1)
    run = train(tmp_path / "run", place / "grpo.toml", "rollout.processes=0", "policy.processes=0", "steps=1")
    assert run.recipe.rollout.processes == run.recipe.policy.processes == 1

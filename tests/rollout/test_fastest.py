import time
from types import SimpleNamespace

import pytest

from groupthink.rollout import fastest as module
from groupthink.rollout.fastest import fastest
from groupthink.rollout.settings import RolloutSettings


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
    found = fastest(engine, None, [], RolloutSettings(), seed=0)
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

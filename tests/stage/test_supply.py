import json

import pytest

from groupthink.recipe import load_recipe
from groupthink.records import Group, Score
from groupthink.run.metrics import read_metrics
from groupthink.stage.supply import Supply
from groupthink.task import close_task, open_task, open_tasks
from tests.here import work_here
from tests.stage.conftest import STEPS, resume, train, weights

POOL = ("task.pool=6", "task.rounds=3", "task.problems_per_step=2")


def supply(pool: int) -> Supply:
    return Supply(open_task("quadratics"), load_recipe(overrides=[f"task.pool={pool}", "task.problems_per_step=4"]))


def test_without_a_pool_problems_are_the_tasks_own():
    assert supply(0).draw(3, 4) == open_task("quadratics").sample(3, 4)


def test_a_pool_goes_round_in_its_problems_and_prefers_those_that_are_sometimes_solved():
    it = supply(8)
    every = {problem.id for place in range(8) for problem in open_task("quadratics").sample(place, 1)}
    drawn = it.draw(0, 8)
    assert {problem.id for problem in drawn} == every

    always, sometimes = drawn[0], drawn[1]
    for problem, right in ((always, 4), (sometimes, 2)):
        row = [Score(float(i < right), {"accuracy": float(i < right)}) for i in range(4)]
        it.observe(0, [Group(problem, None, ())], [row])
    chosen = [problem.id for turn in range(1, 200) for problem in it.draw(turn, 2)]
    assert chosen.count(sometimes.id) > 1.2 * chosen.count(always.id) > 0


def test_further_rounds_of_a_step_draw_what_the_step_does_not_have_yet():
    settings = ["task.pool=6", "task.problems_per_step=2", "task.rounds=3"]
    it = Supply(open_task("quadratics"), load_recipe(overrides=settings))
    for step in range(5):
        drawn = [problem.id for turn in range(3) for problem in it.draw(3 * step + turn, 2)]
        assert len(set(drawn)) == 6


@pytest.fixture
def asked_ahead(monkeypatch):
    """Draws from a generator that counts as slow: the training problems of each draw, and those that were asked for."""
    pytest.importorskip("reasoning_gym", reason="pip install 'groupthink[gym]'")
    work_here(monkeypatch)
    tasks = []

    def draws(turns, *words):
        recipe = load_recipe(overrides=['task.mixture=["gym:count_bits", "arithmetic"]', *words])
        task = open_tasks(recipe.task)
        tasks.append(task)
        ahead = task.tasks["gym:count_bits"]._made_ahead
        ahead.slow, sent, ask = True, [], ahead._ask

        def record(request):
            if request not in ahead._ready and not any(request in asked for asked in ahead._asked):
                sent.append(request[2])
            ask(request)

        ahead._ask = record
        supply = Supply(task, recipe)
        for turn in turns:
            drawn = supply.draw(turn, recipe.task.problems_per_step)
            yield [int(problem.id.rpartition("/")[2]) for problem in drawn if problem.task != "arithmetic"], sent

    yield draws
    for task in tasks:
        close_task(task)


def test_a_pools_problems_are_made_ahead_along_its_own_places_and_once(asked_ahead):
    drawn = set()
    for places, sent in asked_ahead(range(6), "task.pool=60", "task.problems_per_step=8"):
        drawn.update(places)
        assert sorted(sent) == sorted(drawn)


def test_rounds_that_may_not_be_needed_are_not_made_ahead(asked_ahead):
    words = ("task.rounds=3", "task.problems_per_step=4")
    for places, sent in asked_ahead([0, 1, 3], *words):  # two of each four problems are the generator's
        assert set(places) <= set(sent) and len(sent) == len(set(sent))
        needed = {turn * 2 + j for turn in (0, 1, *range(3, 200, 3)) for j in range(2)}
        assert set(sent) <= needed and len(sent) > 20


def test_a_run_with_a_pool_and_dynamic_sampling_resumes_to_the_same_bits(place, tmp_path):
    straight = train(tmp_path / "straight", place / "grpo.toml", *POOL)
    run = train(tmp_path / "run", place / "grpo.toml", *POOL, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)
    assert [line["problems/rounds"] >= 1 for line in read_metrics(run.path / "metrics.jsonl")] == [True] * STEPS
    newest = run.path / f"checkpoints/step-{STEPS:06d}/sampler.json"
    assert json.loads(newest.read_text())["size"] == 6


def test_penalties_stand_among_the_parts_and_change_what_is_compared(place, tmp_path):
    settings = ("objective.kl_place=reward", "objective.kl_estimator=k1", "objective.overlong_share=0.5")
    run = train(tmp_path / "run", place / "grpo.toml", *settings, "steps=2")
    first, second = read_metrics(run.path / "metrics.jsonl")
    assert abs(first["rewards/kl/mean"]) < 1e-4 < abs(second["rewards/kl/mean"])
    assert -1 <= first["rewards/overlong/mean"] < 0


def test_every_row_of_objectives_runs(place, tmp_path):
    from groupthink.policy.objective.rows import ROWS

    # At temperature 1 not every response of the step is cut: dapo masks those.
    settings = ("steps=1", "evaluate.problems=1", "rollout.temperature=1.0")
    for name in ROWS:
        run = train(tmp_path / name, place / "grpo.toml", f"objective.name={name}", *settings)
        assert read_metrics(run.path / "metrics.jsonl")[0]["grad_norm"] > 0, name

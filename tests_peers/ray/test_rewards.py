"""Rewards on a cluster: the scores of a local judge, whoever scores, and what becomes of a group that kills."""

import os
import signal
import time

import pytest

from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.recipe import load_recipe
from groupthink.reward.judge import Judge
from groupthink.rollout.generate import generate
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.scale.cluster import Cluster
from groupthink.scale.rewards import RayJudge
from groupthink.scale.settings import ScaleSettings
from groupthink.task import open_tasks
from tests_peers.ray.test_engines import until

REWARDS = """\
import os, time

def letters(problem, response):
    time.sleep(0.05)
    return sum(map(str.isalpha, response.text)) / len(response)

def deadly(problem, response):
    os.kill(os.getpid(), 9)

def wrong(problem, response):
    raise KeyError("nothing of the kind")
"""


@pytest.fixture(scope="module")
def groups():
    recipe, tokenizer = load_recipe(overrides=("rollout.group_size=4",)), load_tokenizer("nano")
    task = open_tasks(recipe.task, 0)
    engine = TorchEngine(load_model("nano"), tokenizer)
    return generate(engine, Chat(tokenizer, recipe.chat), task.sample(0, 6), recipe.rollout, 0)


@pytest.fixture
def judged(cluster, tmp_path):
    """A recipe that weighs a function of `REWARDS`, its local judge, and that of the cluster."""
    (tmp_path / "rewards.py").write_text(REWARDS)
    begun = []

    def begin(name):
        recipe = load_recipe(settings={"reward": {f"{tmp_path}/rewards.py:{name}": 1.0}, "scale": {"rewards": 2}})
        own = Cluster(ScaleSettings(rewards=2, failures=2, address=cluster.settings.address))
        begun.append(RayJudge(recipe, "", own))
        return Judge(recipe.reward, open_tasks(recipe.task, 0)), begun[-1]

    yield begin
    for judge in begun:
        judge.close()


@pytest.mark.fault("F20")
def test_scores_are_those_of_a_local_judge_in_the_same_order_and_after_a_death(judged, groups):
    local, judge = judged("letters")
    expected = local.score(groups)
    assert judge.score(groups) == expected and not judge.restarts
    process = judge.cluster.ray.get(judge.workers[0].process.remote())
    os.kill(process, signal.SIGKILL)
    assert judge.score(groups) == expected
    (reason,) = judge.restarts
    assert reason.startswith("worker 1 for rewards was lost")


def test_a_worker_that_waits_for_a_place_is_given_no_group(nodes, cluster, judged, groups):
    """Its machine is lost, and there is no room on another."""
    added = nodes.add_node(num_cpus=1)
    local, judge = judged("letters")  # spread: a worker on each
    own = Cluster(ScaleSettings(rewards=1, address=cluster.settings.address))
    rest = own.reserve([{"CPU": 3.0}], "others")
    try:
        expected = local.score(groups)

        def score():
            assert judge.score(groups) == expected
            return judge

        until(lambda: not score().opening)
        nodes.remove_node(added, allow_graceful=False)
        until(lambda: score().restarts)
        began = time.monotonic()
        assert len(score().opening) == 1 == len(judge.restarts) and time.monotonic() - began < 10
    finally:
        own.leave(rest)


def test_workers_that_cannot_begin_are_not_begun_for_ever(judged, groups, monkeypatch):
    _, judge = judged("letters")
    monkeypatch.setattr(judge, "recipe", None)  # what a worker cannot open
    for worker in range(2):
        judge._replace(worker, "for the test")
    with pytest.raises(RuntimeError, match=r"no worker for rewards can begin; the last one said: worker \d"):
        judge.score(groups)


def test_a_group_whose_workers_die_again_and_again_is_named(judged, groups):
    _, judge = judged("deadly")
    with pytest.raises(RuntimeError, match=r"(?s)responses to quadratics/\S+ could not be scored.* 2\. worker"):
        judge.score(groups)


def test_what_a_reward_raises_is_raised_here(judged, groups):
    _, judge = judged("wrong")
    with pytest.raises(KeyError, match="nothing of the kind"):
        judge.score(groups)

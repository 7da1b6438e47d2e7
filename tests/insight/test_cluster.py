"""Steps on a cluster: worked by hand, held against closed forms, and said in words; and whether there is room."""

import json
from dataclasses import replace
from itertools import pairwise
from math import inf
from types import SimpleNamespace

import pytest
import torch

from groupthink import cli
from groupthink.insight import plan as planning
from groupthink.insight.plan.cluster import room
from groupthink.insight.plan.cluster.machines import Node, node_of
from groupthink.insight.plan.cluster.rates import (
    Drawing,
    Layout,
    Learning,
    Rates,
    Sending,
    draw_lengths,
    fitted,
    fitted_drawing,
)
from groupthink.insight.plan.cluster.rehearsed import rates_of
from groupthink.insight.plan.cluster.simulate import simulate
from groupthink.insight.plan.cluster.verdict import Cluster, fewest
from groupthink.insight.plan.clustered import small_gpus
from groupthink.insight.plan.memory import needs
from groupthink.insight.plan.rehearsal.rehearse import at_depth
from groupthink.insight.plan.words import in_words
from groupthink.insight.plan.workload import Workload
from groupthink.recipe import load_recipe
from groupthink.scale import look
from groupthink.scale.settings import ScaleSettings
from tests.insight.test_plan import ALONE, NOTHING, REHEARSED, SHAPE, check
from tests.stage.conftest import place  # noqa: F401

THREE = [[4], [2], [3]]
"""Tokens of three groups of one response each."""

TOKEN_A_SECOND = Drawing(step=1.0, row=0.0)


def course(groups=THREE, *, steps=6, drawing=TOKEN_A_SECOND, token=0.1, sending=Sending(), prompt=0.0, **layout):  # noqa: B008
    rates = Rates(drawing, Learning(token=token), sending, prompt=prompt)
    asked = {"engines": 2, "learners": 1, "prompts": 1} | layout
    return simulate(rates, Layout(**asked), [groups] * steps)


# -- by hand --


def test_a_step_in_turns():
    # Engine 1 draws 4 tokens, engine 2 two and then three: 5 seconds. Nine tokens are learned from in 0.9.
    step = course().steps[0]
    assert (step.generate, step.learn, step.ended) == pytest.approx((5.0, 0.9, 5.9))
    assert step.drawing == pytest.approx((4 + 5) / 2)


def test_a_lag_of_one_hides_what_is_shorter():
    assert course([[4], [4]]).seconds == pytest.approx(4 + 0.8)
    assert course([[4], [4]], lag=1).seconds == pytest.approx(4.0)  # the other group is drawn meanwhile
    assert 4.5 <= course(lag=1, steps=20).seconds < 5.0  # 9 seconds for two engines, which fill each other's gaps
    assert course(lag=1, token=2.0).seconds == pytest.approx(18.0)  # learning, which never waits
    assert course(lag=1, token=2.0).share("generate") == pytest.approx(0.0)
    assert course(lag=0, token=2.0).seconds == pytest.approx(23.0)


def test_twice_the_learners_learn_in_half_the_time():
    assert course(learners=2).mean("learn") == pytest.approx(course().mean("learn") / 2)


def test_rows_are_drawn_together_and_leave_one_by_one():
    # Both have two tokens by 2 * (1 + 2); the longer one needs two more by itself, at 1 + 1 each.
    drawing = Drawing(step=1.0, row=1.0)
    assert course([[2, 4]], engines=1, drawing=drawing).mean("generate") == pytest.approx(10.0)
    assert drawing.seconds([[2, 4]]) == 10.0


def test_the_longest_response_of_a_group_holds_its_place():
    assert course([[10, 1], [1, 1]], engines=1).mean("generate") == pytest.approx(11.0)
    assert course([[10, 1], [1, 1]], engines=1, prompts=2).mean("generate") == pytest.approx(10.0)


def test_rows_past_what_an_engine_holds_wait():
    drawing = Drawing(step=1.0, row=0.0, most=2)
    assert course([[3, 3], [2, 2]], engines=1, prompts=2, drawing=drawing).mean("generate") == pytest.approx(5.0)


def test_prompts_are_read_first():
    drawing = replace(TOKEN_A_SECOND, prompt=0.5)
    assert course(engines=1, prompts=3, drawing=drawing).mean("generate") == pytest.approx(4 + 3 * 0.5)
    assert course(prompt=10.0).mean("learn") == pytest.approx((9 + 3 * 10) * 0.1)


def test_who_draws_from_older_weights_is_given_no_newer_work():
    # There are two steps on their way at a time, each from weights of its own: by order one is drawn after the other.
    one = {"engines": 1, "lag": 1, "prompts": 2, "token": 1e-6, "steps": 9}
    assert course([[10]], **one).seconds == pytest.approx(10.0, rel=1e-3)
    assert course([[10]], at_once=True, **one).seconds == pytest.approx(5.0, rel=1e-3)


def test_weights_are_put_by_all_learners_and_waited_for_without_a_lag():
    sending = Sending(put=2.0, fetch=5.0, take=1.0)
    assert course(sending=sending).mean("sync") == pytest.approx(3.0)  # nothing is fetched within a machine
    assert course(sending=sending, learners=2).mean("sync") == pytest.approx(2.0)
    assert course(sending=sending, machines=(inf,) * 4).mean("sync") == pytest.approx(2 + 5 * 2 + 1)
    assert course(sending=sending, lag=1).mean("sync") == pytest.approx(2.0)


def test_parts_that_share_a_core_slow_each_other_down():
    assert course([[4], [4]], machines=(1.0,)).mean("generate") == pytest.approx(8.0)
    assert course([[4], [4]], machines=(2.0,)).mean("generate") == pytest.approx(4.0)
    # Drawing and learning at once, on one core: 8 seconds of the one and 0.8 of the other, whatever the lag.
    assert course([[4], [4]], machines=(1.0,), lag=1, steps=8).seconds == pytest.approx(8.8, rel=0.01)
    assert course([[4], [4]], machines=(1.0, 1.0)).mean("generate") == pytest.approx(4.0)


def test_learners_exchange_weights_and_gradients_for_each_pass():
    learning = Learning(token=1.0, update=3.0, fixed=1.0, weights=40, gradients=80, micro_batch_tokens=10, bandwidth=10)
    assert learning.seconds(20, 1) == 1 + 3 + 20  # nobody to exchange with
    # Two: 10 tokens each are one pass, of which half of 2 * 40 + 80 bytes is another's.
    assert learning.seconds(20, 2) == 1 + (3 + 20) / 2 + 160 / 2 / 10
    assert learning.seconds(40, 2) == 1 + (3 + 40) / 2 + 2 * 160 / 2 / 10


# -- extremes, and what must hold of all --


LENGTHS = list(range(20, 200, 7))
SOME = draw_lengths(LENGTHS, 24, 4, 6, seed=3)
RATES = Rates(Drawing(step=0.01, row=0.002), Learning(token=1e-3))


def test_one_engine_without_bounds_takes_what_the_closed_form_says():
    one = simulate(RATES, Layout(1, 1, prompts=100), SOME)
    assert [step.generate for step in one.steps] == pytest.approx([RATES.drawing.seconds(groups) for groups in SOME])


def test_with_an_engine_for_each_group_the_slowest_group_decides():
    many = simulate(RATES, Layout(24, 1, prompts=1), SOME)
    slowest = [max(RATES.drawing.seconds([group]) for group in groups) for groups in SOME]
    assert [step.generate for step in many.steps] == pytest.approx(slowest)


def test_with_a_lag_and_slow_learners_a_step_is_what_they_take():
    slow = replace(RATES, learning=Learning(token=1.0))
    found = simulate(slow, Layout(4, 1, lag=1), [SOME[0]] * 6)
    assert found.seconds == pytest.approx(RATES.tokens(SOME[0]) * 1.0)
    assert found.idle > 0.9


def test_with_a_lag_and_slow_engines_a_step_is_what_they_draw():
    quick = replace(RATES, drawing=Drawing(0.0, 0.01), learning=Learning(token=1e-9))
    found = simulate(quick, Layout(3, 1, lag=2), [SOME[0]] * 24)
    assert found.seconds == pytest.approx(0.01 * RATES.tokens(SOME[0]) / 3, rel=0.02)
    assert found.idle < 0.02


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_more_of_anything_is_not_slower(lag, seed):
    steps = draw_lengths(LENGTHS, 16, 4, 10, seed)

    def seconds(engines, learners, lag):
        return simulate(RATES, Layout(engines, learners, lag, prompts=4), steps).seconds

    # (An order in which others finish may be a little worse by chance.)
    times = [seconds(engines, 2, lag) for engines in (1, 2, 4, 8, 16)]
    assert all(after <= 1.02 * before for before, after in pairwise(times))
    times = [seconds(4, learners, lag) for learners in (1, 2, 4)]
    assert all(after <= 1.02 * before for before, after in pairwise(times))
    assert seconds(4, 2, lag) <= 1.02 * seconds(4, 2, 0)


def test_the_same_lengths_give_the_same_course():
    layout = Layout(5, 2, lag=2, machines=(2.0, 3.0))
    assert simulate(RATES, layout, SOME) == simulate(RATES, layout, SOME)
    assert draw_lengths(LENGTHS, 2, 2, 2, seed=1) == draw_lengths(LENGTHS, 2, 2, 2, seed=1)
    assert draw_lengths(LENGTHS, 2, 2, 2, seed=1) != draw_lengths(LENGTHS, 2, 2, 2, seed=2)


def test_rates_are_found_again():
    drawing = Drawing(step=0.02, row=0.003)
    batches = [(groups, drawing.seconds(groups)) for groups in ([[9, 7]], [[5, 8], [30, 2]], SOME[0])]
    assert fitted_drawing(batches) == drawing
    assert fitted([(1.0, 1.0, 3.0), (1.0, 5.0, 2.0)])[1] == 0.0  # more rows do not take less
    assert fitted([(1.0, 10.0, 5.0), (2.0, 40.0, 20.0)]) == (0.0, 0.5)


# -- what limits a step --


def verdict(lag=1, token=1e-3, steps=10, **layout):
    rates = replace(RATES, learning=Learning(token=token))
    asked = {"engines": 4, "learners": 1} | layout
    return Cluster(rates, Layout(lag=lag, **asked), draw_lengths(LENGTHS, 24, 4, steps, seed=0)).verdict()


def test_learners_are_named_where_engines_are_idle():
    found = verdict(token=1e-2)
    assert found.bottleneck == "learners" and found.engines_idle > 0.5 and found.learners_idle < 0.01
    assert "engines are idle" in found.words and "2 learners a step takes" in found.words
    assert found.worth < 4


def test_engines_are_named_where_learning_waits():
    found = verdict(token=1e-4, engines=1)
    assert found.bottleneck == "engines" and f"with {found.worth} engines a step takes" in found.words
    enough = verdict(token=1e-4, engines=found.worth)
    assert enough.seconds < 0.95 * found.seconds


def test_the_fewest_engines_are_those_with_which_learning_does_not_wait():
    found = verdict(token=2e-3)
    assert verdict(token=2e-3, engines=found.worth).shares["generate"] < 0.05
    assert verdict(token=2e-3, engines=found.worth // 2).shares["generate"] >= 0.05


def test_turns_are_named_without_a_lag():
    found = verdict(lag=0)
    assert found.bottleneck == "turns" and "rollout.lag=1 it takes" in found.words
    assert sum(found.shares.values()) == pytest.approx(1)


def test_the_table_has_the_recipe_s_engines_and_gets_no_slower():
    found = verdict(engines=3)
    counts = [row.engines for row in found.table]
    assert counts == sorted({*counts, 3}) and counts[:3] == [1, 2, 3]
    assert all(after.seconds <= 1.02 * before.seconds for before, after in pairwise(found.table))
    assert next(row.seconds for row in found.table if row.engines == 3) == found.seconds


def test_what_stands_beside_both_is_named():
    rates = replace(RATES, score=100.0)
    found = Cluster(rates, Layout(4, 1, lag=1), SOME).verdict()
    assert found.bottleneck == "score" and "scale.rewards" in found.words
    assert fewest(lambda n: n >= 5, 3) == 3


# -- room --


def parts(*words, shape=SHAPE):
    return {part.name: part for part in room.parts_of(load_recipe(overrides=words), shape, Workload(10, 20))}


def test_what_a_learner_holds_is_shared_out():
    words = ("scale.engines=1", "objective.kl=0")
    large = replace(SHAPE, parameters=60_000_000, body=50_000_000, layers=10)  # gathered layer by layer
    one, two = (parts(*words, f"scale.learners={n}", shape=large)["learner"].held for n in (1, 2))
    every = 4 * large.parameters
    gathered = large.parameters - large.body + 2 * large.body / 10
    assert one["weights"] == every and one["optimizer"] == 2 * every and one["gradients"] == every + 4 * gathered
    assert two["weights"] == every / 2 and two["optimizer"] == every and two["gathered"] == 4 * gathered
    assert parts(*words, "scale.learners=2")["learner"].held["gathered"] == 4 * SHAPE.parameters  # small: whole
    half = parts(*words, "scale.learners=2", "policy.dtype=bfloat16", shape=large)["learner"].held
    assert half["weights"] == every / 2 and half["gathered"] == 2 * gathered  # held in float32, gathered in bfloat16


def test_weights_on_their_way_lie_in_the_store_or_with_the_learners():
    words = ("scale.engines=1", "scale.learners=2", "objective.kl=0", "policy.dtype=bfloat16")
    direct = (*words, "scale.transport=nixl")
    assert "weights on their way" not in parts(*words)["learner"].held
    assert parts(*direct)["learner"].held["weights on their way"] == 2 * SHAPE.parameters / 2
    stored = [room.store_bytes(load_recipe(overrides=its), SHAPE) for its in (words, direct)]
    assert stored == [2 * 2 * SHAPE.parameters, 0]


def test_what_is_lacking_is_said():
    its = parts("scale.engines=3", "scale.engine_cpus=2").values()
    fits = room.room_of(list(its), [Node("a", 4, 0, 1e10), Node("b", 2, 0, 1e10)], store=0.0, pack=False)
    assert fits.fits and [full.parts for full in fits.machines] == [{"engine": 2}, {"engine": 1}]
    short = room.room_of(list(its), [Node("a", 5, 0, 1e10)], store=0.0, pack=False)
    assert short.lacks == ("3 engines take 2 CPU each, and there is room for 2: add machines, or set scale.engines=2",)
    begun = parts("scale.engines=3", "scale.engine_cpus=2", "scale.least_engines=2").values()
    assert room.room_of(list(begun), [Node("a", 5, 0, 1e10)], store=0.0, pack=False).fits
    least = room.room_of(list(begun), [Node("a", 3, 0, 1e10)], store=0.0, pack=False).lacks
    assert least == ("2 engines take 2 CPU each, and there is room for 1: add machines, or set scale.engines=1",)
    words = (
        "scale.engines=8",
        "scale.engine_gpus=1",
        "scale.least_engines=4",
        "scale.learners=2",
        "scale.learner_gpus=1",
    )
    dealt = room.room_of(list(parts(*words).values()), [Node("a", 64, 8, 1e12)], store=0.0, pack=False)
    assert dealt.fits and dealt.machines[0].parts == {"engine": 6, "learner": 2}  # who must be there is first
    full = room.room_of(list(its), [Node("a", 8, 0, 1e8)], store=5e8, driver=1e8, pack=True)
    assert full.lacks[0].startswith("a is to hold ") and "0.1 GB are free" in full.lacks[0]


def test_a_gpu_that_is_too_small_is_said():
    large = replace(SHAPE, parameters=8_000_000_000, body=7_000_000_000)
    words = ("scale.learners=2", "scale.learner_gpus=1", "objective.kl=0")
    its = list(parts(*words, shape=large).values())
    nodes = [Node("a", 8, 2, 1e12, gpu_memory=24e9)]
    assert "GPU, and the smallest has 24 GB" in room.room_of(its, nodes, store=0.0, pack=False).lacks[0]
    assert room.room_of(its, [replace(nodes[0], gpu_memory=400e9)], store=0.0, pack=False).fits
    a100 = node_of("a", {"GPU": 8, "accelerator_type:A100": 1}, {"GPU": 8})  # of 40 GB, or of 80
    assert (a100.gpu_memory, a100.gpu_memory_least) == (80e9, 40e9)
    [note] = small_gpus(its, [a100])
    assert note.startswith("one learner fills ") and "if the cluster's have 40 GB, and not twice that" in note
    assert not small_gpus(its, nodes)


def test_the_driver_keeps_the_batches_that_learners_may_have_to_learn_from_again():
    def kept(*words):
        recipe = load_recipe(overrides=("scale.engines=1", "rollout.group_size=8", "task.problems_per_step=4", *words))
        return needs(recipe, SHAPE, ALONE, Workload(10, 100), "cpu", NOTHING)["cpu"].get("batches")

    assert kept("scale.learners=1", "checkpoint_every=5") == 10 * 32 * 100 * 29  # 5 x 8 + 3 x 4 + 1 bytes a token
    assert kept("scale.learners=1", "checkpoint_every=5", "steps=6") == 6 * 32 * 100 * 29
    assert kept("checkpoint_every=5") is None


# -- the plan --


CLUSTERED = replace(
    REHEARSED,
    seconds={"generate": 1.0, "score": 0.1, "learn": 2.0, "sync": 0.05, "record": 0.05},
    update=0.4,
    lengths=(10, 17, 24),
    drawing=(0.01, 0.001, 0.02),
)


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda *_, **__: CLUSTERED)


def test_rates_are_those_of_the_rehearsal():
    recipe = load_recipe(overrides=["scale.engines=2", "scale.learners=2", "scale.rewards=4"])
    load = Workload(11, 17, True)
    rates = rates_of(recipe, SHAPE, CLUSTERED, [Node("a", 8, 0, None)], load)
    assert rates.drawing == Drawing(0.01, 0.001, 0.02) and rates.score == 0.1 / 4
    assert rates.learning.computing(16 * (11 + 8 * 17)) == pytest.approx(2.0)
    assert rates.learning.gathers == 1 and rates.learning.weights == 4 * SHAPE.parameters


def test_rates_of_two_depths_are_two_points_of_a_line():
    deeper = replace(CLUSTERED, update=0.6, drawing=(0.03, 0.003, 0.02))
    found = at_depth(5, (1, 3), (CLUSTERED, deeper))
    assert found.drawing == pytest.approx((0.05, 0.005, 0.02)) and found.update == pytest.approx(0.8)
    assert at_depth(5, (1, 3), (REHEARSED, REHEARSED)).drawing is None


def test_check_of_a_cluster_on_this_machine(measured, capsys, monkeypatch):
    words = ("scale.engines=2", "scale.learners=1")
    code, out = check(capsys, monkeypatch, "--json", *words)
    its = json.loads(out)["plan"]
    cluster = its["cluster"]
    assert code == 0 and cluster["time"]["bottleneck"] == "turns" and cluster["room"]["lacks"] == []
    assert its["step_seconds"] == pytest.approx(cluster["time"]["seconds"])
    assert [row["engines"] for row in cluster["time"]["table"]][:2] == [1, 2]
    assert its["memory"][0]["parts"].keys() == {"batches", "libraries"}  # the driver holds an outline
    code, out = check(capsys, monkeypatch, *words)
    assert code == 0 and "Simulated: engines and learners take turns" in out and "engines idle" in out


@pytest.mark.usefixtures("warm_rehearsal")
def test_check_rehearses_what_one_of_several_engines_draws(place, capsys):  # noqa: F811
    words = ("scale.engines=2", "scale.learners=2", "stage=grpo_async", "rollout.lag=1", "policy.processes=0")
    code = cli.main(["check", str(place / "grpo.toml"), "rollout.processes=0", "policy.threads=0", *words, "--json"])
    its = json.loads(capsys.readouterr().out)["plan"]
    time = its["cluster"]["time"]
    assert code == 0 and time["seconds"] > 0 and sum(time["shares"].values()) == pytest.approx(1)
    assert its["step_seconds"] == pytest.approx(time["seconds"]) and its["staff"]["learning"] == 1


def test_check_looks_at_a_cluster_that_runs(measured, capsys, monkeypatch):
    asked = []

    def look_at(settings):
        asked.append(settings.address)
        return (Node("a", 2, 0, 1e11), Node("b", 1, 0, 1e11))

    monkeypatch.setattr(look, "look_at", look_at)
    words = ("scale.engines=8", "scale.learners=1", "scale.address=10.0.0.1:6379")
    code, out = check(capsys, monkeypatch, *words)
    assert code == 1 and asked == ["10.0.0.1:6379"]
    assert "2 machines, 3 CPU and 0 GPU free" in out and "It does not fit: 8 engines take 1 CPU each" in out
    assert "Note: the network between machines is assumed, not measured." in out


def test_what_needs_gpus_is_not_timed_without_one(measured):
    recipe = load_recipe(overrides=["scale.engines=2", "scale.engine_gpus=1"])
    found = planning.plan(recipe, nodes=[Node("a", 8, 2, 1e11)])
    assert found.cluster.time is None and found.step_seconds is None
    assert any("this machine has none" in note for note in found.notes)
    assert "It fits." in in_words(found)


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (("scale.engines=2",), {"decoder", "cache"}),
        (("scale.engines=2", "scale.learners=2"), {"weights", "optimizer", "gradients", "activations", "cache"}),
        (("scale.learners=2",), {"optimizer", "gradients", "activations"}),
    ],
)
def test_what_is_elsewhere_is_not_held_here(words, gone, measured):
    found = planning.plan(load_recipe(overrides=words))
    assert not gone & found.memory[0].parts.keys()


def test_train_refuses_a_cluster_for_which_this_machine_has_no_room(monkeypatch):
    planning.require_room(load_recipe(overrides=["scale.engines=2", "scale.learners=2"]))
    if not torch.cuda.is_available():
        with pytest.raises(
            ValueError, match=r"no room for what \[scale\] asks for: 2 engines take 1 CPU and 1 GPU each"
        ):
            planning.require_room(load_recipe(overrides=["scale.engines=2", "scale.engine_gpus=1"]))
    monkeypatch.setattr("groupthink.insight.plan.clustered.free_memory", lambda device: 10**8)
    with pytest.raises(ValueError, match=r"this machine is to hold .* of which 0.1 GB are free"):
        planning.require_room(load_recipe(overrides=["scale.engines=2"]))
    planning.require_room(load_recipe(overrides=["scale.engines=2", "scale.address=auto"]))  # that of others


def test_a_cluster_that_is_not_there_is_said(monkeypatch):
    def silent(*_, **words):
        raise look.subprocess.TimeoutExpired("python", words["timeout"])

    monkeypatch.setattr(look.subprocess, "run", silent)
    monkeypatch.setattr(look.socket, "create_connection", lambda *_, **__: SimpleNamespace(close=lambda: None))
    with pytest.raises(ValueError, match=r"'10.0.0.1:6379' did not answer within 3 s: is it running"):
        look.look_at(ScaleSettings(engines=1, address="10.0.0.1:6379"), patience=3)


def test_an_address_at_which_nobody_listens_is_said_at_once():
    with pytest.raises(ValueError, match=r"no cluster of Ray at scale.address='127.0.0.1:9' .*ray start --head"):
        look.look_at(ScaleSettings(engines=1, address="127.0.0.1:9"))

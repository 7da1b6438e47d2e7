"""Engine and learner are held against each other, and what is wrong is named."""

from types import SimpleNamespace

import numpy as np
import pytest

from groupthink.recipe import load_recipe
from groupthink.rollout import torch_engine
from groupthink.rollout.engine import EngineFailed
from groupthink.run.directory import Run
from groupthink.run.lines import read_lines
from groupthink.run.metrics import read_metrics
from groupthink.stage import grpo
from groupthink.stage.trust import likely_cause, require_agreement
from tests.stage.conftest import resume, to_the_end, train, weights
from tests.stage.test_resume import timeless

STARTS = np.array([0, 40, 80, 100])


def cause(difference_M, dtype="float32"):
    return likely_cause(np.asarray(difference_M, np.float32), np.ones(100, bool), STARTS, dtype)


def noise():
    return np.random.default_rng(0).normal(size=100)


def test_causes_are_told_apart_by_their_shape():
    few = 0.001 * noise()
    few[[7, 50]] = 3.0
    assert (
        "few tokens" in cause(few) and "rounds" not in cause(few) and "bfloat16 rounds much" in cause(few, "bfloat16")
    )
    place_M = np.concatenate([np.linspace(0, 1, n) for n in np.diff(STARTS)])
    assert "grows along a response" in cause(noise() * place_M**3)
    assert "likelier than the learner" in cause(-1 + 0.1 * noise())
    assert "less likely than the learner" in cause(1 + 0.1 * noise())
    assert "other functions" in cause(noise())


class RunOfOne:
    """As much of a run as is asked."""

    path = "runs/one"

    def __init__(self, bound=0.1, correction="none"):
        self.recipe = SimpleNamespace(
            rollout=SimpleNamespace(max_difference=bound),
            objective=SimpleNamespace(correction=correction),
            policy=SimpleNamespace(dtype="float32"),
        )
        self.events, self.notes = [], []

    def event(self, kind, **fields):
        self.events.append((kind, fields))

    def note(self, text):
        self.notes.append(text)

    def latest_checkpoint(self):
        return "runs/one/checkpoints/step-000000"

    def ask(self, difference, version=3, step=3, probed=None):
        responses = [SimpleNamespace(versions_T=np.full(n, version)) for n in np.diff(STARTS)]
        report = SimpleNamespace(difference_M=np.asarray(difference, np.float32))
        groups, batch = [SimpleNamespace(responses=responses)], SimpleNamespace(starts=STARTS)
        require_agreement(self, step, groups, batch, report, self, probed)


def test_a_difference_within_the_bound_is_no_news():
    run = RunOfOne()
    run.ask(0.09 * np.sign(noise()))
    assert not run.events and not run.notes


def test_past_the_bound_the_run_stops_and_names_step_figure_and_cause():
    run = RunOfOne()
    with pytest.raises(RuntimeError, match=r"in step 3 .* by 0\.5 nats a token.* is 0\.1: .*other functions"):
        run.ask(0.5 * np.sign(noise()))
    [(kind, fields)] = run.events
    assert kind == "disagreement" and fields["step"] == 3 and fields["difference"] == pytest.approx(0.5)


def test_a_recipe_that_corrects_goes_on_and_says_so():
    run = RunOfOne(correction="truncate_token")
    run.ask(0.5 * np.sign(noise()))
    assert run.events[0][1]["corrected"] and "goes on, for objective.correction='truncate_token'" in run.notes[0]


def test_what_was_not_measured_and_what_older_weights_drew_does_not_count():
    run = RunOfOne()
    partly = 0.5 * np.sign(noise())
    partly[:40] = np.nan  # a group that was not computed
    with pytest.raises(RuntimeError):
        run.ask(partly)
    run.ask(np.full(100, np.nan))
    run.ask(partly, version=2)
    RunOfOne(bound=0.0).ask(partly)


def test_where_all_was_drawn_by_older_weights_a_probe_is_held_against_the_bound():
    run, far = RunOfOne(), 0.5 * np.sign(noise())
    run.ask(far, version=2, probed=np.full(8, 0.01))
    run.ask(far, version=2, probed=np.array([3.0, -2.0, 0.01, 0.0, -0.02]))  # a few are no evidence
    run.ask(0.01 * far, probed=np.full(8, 0.5))  # the step's own tokens say more
    assert not run.events
    with pytest.raises(RuntimeError, match=r"in step 3 .* by 0\.5 nats, the median of 8 tokens .* is 0\.1: what draws"):
        run.ask(far, version=2, probed=np.array([0.5, -0.5] * 4))
    with pytest.raises(RuntimeError, match="by nan nats"):
        run.ask(far, version=2, probed=np.full(8, np.nan))
    RunOfOne(bound=0.0).ask(far, version=2, probed=np.full(8, 0.5))


def test_an_engine_that_draws_from_another_law_stops_the_run_after_its_step(place, tmp_path, monkeypatch):
    law = torch_engine.learner_law
    monkeypatch.setattr(torch_engine.native_law, "can_draw", lambda *_: False)
    monkeypatch.setattr(torch_engine, "learner_law", lambda logits, temperature: law(logits, temperature * 0.3))
    with pytest.raises(
        RuntimeError, match=r"(?s)in step 0 .* nats a token.*likelier .*another temperature.*step-000000"
    ):
        train(tmp_path / "run", place / "grpo.toml", "evaluate.problems=1")
    assert len(read_metrics(tmp_path / "run/metrics.jsonl")) == 1


def test_with_a_correction_it_goes_on_and_the_event_is_kept(place, tmp_path, monkeypatch):
    law = torch_engine.learner_law
    monkeypatch.setattr(torch_engine.native_law, "can_draw", lambda *_: False)
    monkeypatch.setattr(torch_engine, "learner_law", lambda logits, temperature: law(logits, temperature * 0.3))
    run = train(tmp_path / "run", place / "grpo.toml", "steps=1", "objective.correction=truncate_token")
    [event] = [line for line in read_lines(run.path / "events.jsonl") if line["event"] == "disagreement"]
    assert event["corrected"] and event["difference"] > 0.1


def test_a_sync_that_is_left_out_ends_the_run_in_its_step(place, tmp_path, monkeypatch):
    load = torch_engine.TorchEngine.load
    monkeypatch.setattr(
        torch_engine.TorchEngine, "load", lambda self, its: None if its.version == 2 else load(self, its)
    )
    with pytest.raises(RuntimeError, match="version 1, and the learner is at version 2: a sync was left out"):
        train(tmp_path / "run", place / "grpo.toml", "policy.learning_rate=1e-6")
    assert len(read_metrics(tmp_path / "run/metrics.jsonl")) == 2


def test_where_the_engine_gives_up_what_is_done_is_kept_and_a_resume_is_exact(place, tmp_path, monkeypatch, finished):
    begun, generate = [], grpo.generate

    def fail(*arguments):
        begun.append(arguments)
        if len(begun) == 3:
            raise EngineFailed("it is gone")
        return generate(*arguments)

    run = tmp_path / "run"
    recipe = load_recipe(place / "grpo.toml", ["checkpoint_every=100"])
    with monkeypatch.context() as patch, pytest.raises(EngineFailed) as raised, Run.create(run, recipe) as asked:
        patch.setattr(grpo, "generate", fail)
        to_the_end(asked)
    assert "step-000002" in raised.value.__notes__[0]
    resume(run, "checkpoint_every=1")
    assert weights(run) == weights(finished.path) and timeless(run) == timeless(finished.path)

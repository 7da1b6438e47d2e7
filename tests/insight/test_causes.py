"""Each cause by figures that show it, on top of those of a run that is well."""

import re

import numpy as np
import pytest

from groupthink.insight.causes import CAUSES, diagnose
from groupthink.insight.history import WINDOW, History
from groupthink.recipe import load_recipe, settings_of

STEPS = 40
ACCURACY, FORMAT, BREVITY = (f"rewards/{name}/mean" for name in ("accuracy", "format", "brevity"))
LENGTH, CUT, CUT_AFTER = "completions/mean_length", "completions/clipped_ratio", "completions/cut_after_answer"
MISMATCH = "sampling/sampling_logp_difference/mean"


def rising(first, last):
    return np.linspace(first, last, STEPS)


WELL = {
    "reward": rising(0.5, 0.95),
    ACCURACY: rising(0.4, 0.95),
    FORMAT: rising(0.9, 1.0),
    BREVITY: rising(0.4, 0.9),
    CUT: rising(0.02, 0.0),
    CUT_AFTER: 0.0,
    LENGTH: rising(50, 100),
    "completions/repetition": 0.003,
    "entropy": rising(0.1, 0.01),
    "kl": rising(0.0, 0.04),
    "clip_ratio/region_mean": 0.0,
    "skipped_updates": 0.0,
    "frac_reward_zero_std": rising(0.0, 0.6),
    "frac_all_right": rising(0.0, 0.6),
    "frac_all_wrong": 0.0,
    MISMATCH: 1e-7,
}


def history(changes, steps=STEPS, *overrides):
    columns = {name: np.broadcast_to(values, STEPS) for name, values in (WELL | changes).items()}
    lines = [{"step": step} | {name: float(values[step]) for name, values in columns.items()} for step in range(steps)]
    return History(load_recipe(overrides=overrides), lines)


FLAT = {"reward": 0.5, ACCURACY: 0.4, BREVITY: 0.4}
LATE = np.arange(STEPS) >= 30
ILL = {
    "mismatch": {MISMATCH: 0.3},
    "learning_rate": FLAT | {"reward": np.where(LATE, 0.1, 0.6), "kl": np.where(LATE, 3.0, 0.1)},
    "repetition": FLAT | {"completions/repetition": rising(0.0, 0.9), CUT: 0.9},
    "no_stop": FLAT | {CUT: 0.95, CUT_AFTER: 0.9},
    "truncated": FLAT | {CUT: 0.8, CUT_AFTER: 0.1},
    "format": FLAT | {FORMAT: 0.0},
    "too_hard": FLAT | {ACCURACY: 0.0, "frac_all_wrong": 1.0, "frac_reward_zero_std": 0.3},
    "too_easy": FLAT | {ACCURACY: 0.98, "frac_all_right": 0.9, "frac_reward_zero_std": 0.9},
    "no_variety": FLAT | {"frac_reward_zero_std": 0.95, "frac_all_right": 0.4, "entropy": 0.1},
    "hacking": {ACCURACY: 0.4, "reward": rising(0.4, 0.6), BREVITY: rising(0.0, 0.9)},
    "kl": FLAT | {"kl": np.geomspace(0.001, 8.0, STEPS)},
    "entropy": FLAT | {"entropy": rising(0.5, 0.0)},
    "length": FLAT | {LENGTH: rising(50, 180), "entropy": 0.1},
}


def test_a_run_that_is_well_has_no_finding_at_any_step():
    for steps in range(1, STEPS + 1):
        assert diagnose(history({}, steps)) == []


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_the_first_that_is_named(cause):
    first, *_ = diagnose(history(ILL[cause]))
    assert first.cause == cause and first.step == STEPS - 1
    assert any(sign.isdigit() for sign in first.evidence)


@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_advised_are_settings_that_there_are(cause):
    tables = {name.partition(".")[0] for name in settings_of(load_recipe()) if "." in name}
    advice = diagnose(history(ILL[cause]))[0].advice
    named = [name for name in re.findall(r"\b[a-z]+\.[a-z_]+\b", advice) if name.partition(".")[0] in tables]
    assert set(named) <= settings_of(load_recipe()).keys()
    assert named or cause in ("format", "no_stop"), advice  # which are of the model, not of the recipe


def test_nothing_is_said_before_there_is_enough_to_look_at():
    assert diagnose(history(ILL["no_variety"], WINDOW - 1)) == []
    assert diagnose(history(ILL["no_variety"], WINDOW))[0].cause == "no_variety"


@pytest.mark.fault("B14")
def test_cut_responses_are_seen_in_the_first_step():
    assert [finding.cause for finding in diagnose(history(ILL["truncated"], 1))] == ["truncated"]
    assert [finding.cause for finding in diagnose(history(ILL["no_stop"], 1))] == ["no_stop"]
    assert diagnose(history(ILL["truncated"], 0)) == []


def test_a_lucky_step_does_not_make_a_task_less_hard():
    lucky = ILL["too_hard"] | {ACCURACY: np.where(np.arange(STEPS) == 2, 6 / 128, 0.0)}
    [found] = [finding for finding in diagnose(history(lucky)) if finding.cause == "too_hard"]
    assert found.evidence == "of the responses of 40 steps 0.1% were right"
    learning = ILL["too_hard"] | {ACCURACY: rising(0.0, 0.1)}
    assert "too_hard" not in [finding.cause for finding in diagnose(history(learning))]


def test_what_cuts_the_law_is_named_where_groups_lack_variety():
    [plain] = diagnose(history(ILL["no_variety"]))
    assert "raise rollout.temperature (now 1) or rollout.group_size" in plain.advice
    [cut] = diagnose(history(ILL["no_variety"], STEPS, "rollout.top_k=1", "rollout.top_p=0.5"))
    assert "raise rollout.top_k (now 1) or rollout.top_p (now 0.5) or rollout.temperature" in cut.advice


def test_groups_without_variety_follow_from_a_policy_that_has_become_sure_of_itself():
    sure = ILL["no_variety"] | ILL["entropy"]
    assert [finding.cause for finding in diagnose(history(sure))] == ["entropy", "no_variety"]


def test_figures_that_are_not_there_are_no_evidence():
    lines = [{"step": step, "loss": 1.0} for step in range(STEPS)]
    assert diagnose(History(load_recipe(overrides=["stage=sft"]), lines)) == []


@pytest.mark.parametrize("cause", ["too_easy", "no_variety", "hacking", "kl"])
def test_rewards_are_no_fault_of_a_run_that_does_not_learn_from_them(cause):
    assert diagnose(history(ILL[cause], STEPS, "stage=distill", "distill.teacher=nano")) == []


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
def test_figures_that_are_no_numbers_are_no_evidence(nothing):
    """Nobody may know what is right; and what was not finite stands in the file as null."""
    well = history({})
    lines = [line | {ACCURACY: nothing, "kl": nothing, MISMATCH: nothing, "entropy": nothing} for line in well.lines]
    assert diagnose(History(well.recipe, lines)) == []


def test_weights_that_are_too_old_are_told_from_an_engine_that_computes_something_else():
    stale = history(WELL | ILL["mismatch"] | {"sampling/lag/mean": 16.0})
    assert "drawn by weights 16 updates old" in diagnose(stale)[0].evidence
    assert "stale" not in diagnose(history(ILL["mismatch"]))[0].evidence


def test_a_hack_is_named_by_the_part_that_pays_for_it():
    assert "reward.brevity rose by 0.1" in diagnose(history(ILL["hacking"]))[0].evidence


WELL_TOO = {
    "form comes first": {ACCURACY: rising(0.1, 0.14), FORMAT: rising(0.1, 0.95), BREVITY: 0.1, "entropy": 0.1},
    "right, and briefer": {ACCURACY: rising(0.95, 0.97), LENGTH: rising(386, 150), "frac_all_right": 0.2},
    "all but solved": {ACCURACY: rising(0.4, 0.91), "frac_reward_zero_std": 0.9},
    "one update refused long ago": {"skipped_updates": np.where(LATE, 1.0, 1.0)},
}


@pytest.mark.parametrize("course", WELL_TOO)
def test_courses_of_runs_that_are_well(course):
    assert diagnose(history(WELL_TOO[course])) == []


@pytest.mark.parametrize("setting", ["task.rounds=2", "task.pool=64", "task.raise_at=0.8", "reward.accuracy=0"])
def test_accuracy_says_nothing_of_learning_where_problems_are_chosen_by_it_or_it_is_not_paid(setting):
    flat = FLAT | {LENGTH: rising(300, 1200), BREVITY: rising(0.0, 0.9), "entropy": rising(0.5, 0.0)}
    assert diagnose(history(flat, STEPS, setting)) == []
    assert [finding.cause for finding in diagnose(history(flat))] == ["hacking", "entropy", "length"]

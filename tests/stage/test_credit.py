import dataclasses

import numpy as np
import pyarrow.parquet as parquet
import pytest

from groupthink.policy.assemble import assemble
from groupthink.policy.cut import live_groups
from groupthink.recipe import load_recipe
from groupthink.records import Group, Problem, Response
from groupthink.run.metrics import read_metrics
from groupthink.stage.credit import credit_tokens
from tests.stage.conftest import train

ADVANTAGES = np.array([[1.0, 0.0], [1.0, 1.0]])
KL = np.array([0.5, 0.25, 1.0, -0.5, 0.0, 2.0, 0.25, 0.5, 0.5, 0.5])  # nats, k1, of the tokens of `groups`
TO_GO = np.array([0.75, 0.25, 2.5, 1.5, 2.0, 2.0, 0.25, 1.5, 1.0, 0.5])  # the fifth token is a tool's


def response(length, finish="stop", tool=()):
    sampled = ~np.isin(np.arange(length), tool)
    logprobs = np.where(sampled, -1.0, np.nan).astype(np.float32)
    return Response(np.arange(length), sampled, logprobs, logprobs, np.zeros(length, np.int64), "", finish, 0)


def groups(finish="stop"):
    """Two groups of two responses, of 2, 4, 1 and 3 tokens; the last is the one that may be cut."""
    made = ((response(2), response(4, tool=[2])), (response(1), response(3, finish)))
    return [Group(Problem(str(place), "t", ""), np.array([9]), rows) for place, rows in enumerate(made)]


def credited(*settings, finish="stop"):
    """The batch before and after, by the row with these settings on top; a KL of 0.5 a nat."""
    recipe = load_recipe(overrides=["objective.name=reinforce++", "objective.kl=0.5", *settings])
    batch = assemble(groups(finish), ADVANTAGES, recipe.objective, 8)
    return batch, credit_tokens(batch, batch.old_logprobs_M - KL.astype(np.float32), recipe)


def verl(returns, counted):
    """`masked_whiten`."""
    n = counted.sum()
    mean = returns[counted].sum() / n
    variance = ((returns - mean)[counted] ** 2).sum() / (n - 1)
    return np.where(counted, (returns - mean) / np.sqrt(variance + 1e-8), 0)


def test_each_token_pays_for_the_kl_from_it_on():
    """1 - 0.75 / 2, 1 - 0.25 / 2, then 0 - 2.5 / 2, ..."""
    batch, found = credited("advantage.whiten_tokens=false")
    expected = [0.625, 0.875, -1.25, -0.75, -1.0, -1.0, 0.875, 0.25, 0.5, 0.75]
    np.testing.assert_allclose(found.advantages_M[batch.sampled_M], np.delete(expected, 4), rtol=1e-6)
    for column in dataclasses.fields(batch):
        if column.name != "advantages_M":
            assert getattr(found, column.name) is getattr(batch, column.name)


def test_what_is_left_is_whitened_as_verl_does():
    batch, found = credited()
    returns = np.repeat(ADVANTAGES.ravel(), [2, 4, 1, 3]) - 0.5 * TO_GO
    np.testing.assert_allclose(found.advantages_M, verl(returns, batch.sampled_M), rtol=1e-5)
    assert found.advantages_M.dtype == np.float32 and found.advantages_M[4] == 0


def test_responses_that_are_masked_do_not_count():
    """Without KL: 1, 1, then three 0 and 1, of which the mean is 1/2."""
    batch, found = credited("objective.kl=0", "objective.overlong=masked", finish="length")
    expected = np.array([1, 1, -1, -1, 0, -1, 1, 0, 0, 0]) * 0.5 / 0.3**0.5
    np.testing.assert_allclose(found.advantages_M, expected, rtol=1e-6)
    assert (batch.weights_M[-3:] == 0).all()


def test_a_group_of_equal_rewards_teaches_where_its_tokens_have_advantages():
    recipe = load_recipe(overrides=["objective.kl=0", "advantage.whiten_tokens=true"])
    centred = np.array([[0.5, -0.5], [0.0, 0.0]])
    batch = assemble(groups(), centred, recipe.objective)
    assert live_groups(batch).tolist() == [0]
    found = credit_tokens(batch, None, recipe)
    assert live_groups(found).tolist() == [0, 1]  # of 2 tokens at 0.5 and 3 at -0.5 the mean is not 0
    assert (found.advantages_M[6:] > 0).all()


@pytest.mark.parametrize("place", ["loss", "reward"])
def test_without_such_settings_a_batch_stays_as_it_is(place):
    batch, found = credited("advantage.whiten_tokens=false", f"objective.kl_place={place}")
    assert found is batch
    batch, found = credited("advantage.whiten_tokens=false", "objective.kl=0")
    assert found is batch


@pytest.mark.parametrize("estimator", ["reward", "center"])
def test_a_run_learns_from_what_reinforce_pp_is(place, tmp_path, estimator):
    """The tables of a run have all that the advantages are made of, which are made again here: as verl makes them."""
    settings = ("objective.name=reinforce++", f"advantage.estimator={estimator}", "steps=2", "evaluate.problems=1")
    run = train(tmp_path / "run", place / "grpo.toml", *settings)
    assert run.recipe.objective.kl == 0.05
    for step, line in enumerate(read_metrics(run.path / "metrics.jsonl")):
        assert line["grad_norm"] > 0 and "rewards/kl/mean" not in line
        rows = parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet").to_pylist()
        returns = []
        for row in rows:
            base = row["group_mean"] if estimator == "center" else 0
            assert row["advantage"] == pytest.approx(row["reward"] - base)
            kl = np.array(row["logprobs"]) - np.array(row["reference_logprobs"])
            togo = np.zeros(len(kl))
            running = 0.0
            for t in reversed(range(len(kl))):
                running = togo[t] = kl[t] + running
            returns.append(row["reward"] - base - 0.05 * togo)
        if step:
            assert max(np.ptp(one) for one in returns) > 1e-4  # there is some KL by now
        returns = np.concatenate(returns)
        found = np.concatenate([row["advantages"] for row in rows])
        np.testing.assert_allclose(found, verl(returns, np.ones(len(returns), bool)), rtol=1e-3, atol=1e-4)

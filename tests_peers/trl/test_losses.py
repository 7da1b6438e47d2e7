"""Each loss of TRL's, from rewards and log-probabilities to the gradient on the logits, against groupthink's."""

import re
from collections.abc import Callable

import pytest
import torch
from trl import GRPOConfig

from groupthink.policy.objective.rows import ROWS
from tests_peers.trl.cases import CASES
from tests_peers.trl.ours import found_by_us, settings_of
from tests_peers.trl.rollouts import CUTS, make_rollouts
from tests_peers.trl.theirs import found_by_trl

TOLERANCE = 1e-10
ELSEWHERE = {"rloo": "test_rloo.py", "reinforce++": "TRL does not have it"}


@pytest.mark.parametrize(("name", "cut"), [(name, cut) for name, case in CASES.items() for cut in case.cuts])
def test_loss_and_gradient_are_trl_s(name: str, cut: str, compared: Callable[[], None]):
    case, rollouts = CASES[name], make_rollouts()
    settings, estimator = settings_of(case.row, **case.ours)
    theirs = found_by_trl(rollouts, case.theirs, kind=case.trainer, cut=CUTS[cut])
    ours, losses = found_by_us(rollouts, settings, estimator, cut=CUTS[cut])

    assert ours.loss == pytest.approx(theirs.loss, rel=TOLERANCE)
    torch.testing.assert_close(ours.gradient_MV, theirs.gradient_MV, rtol=TOLERANCE, atol=TOLERANCE * theirs.scale)

    # The comparison would say nothing if what the case is about did nothing, or did it to every token alike.
    plain = found_by_trl(rollouts, {**case.theirs, **case.off}, kind=case.trainer, cut=CUTS[cut])
    touched_M = (theirs.gradient_MV - plain.gradient_MV).abs().amax(1) > 1e-3 * theirs.scale
    taught_M = plain.gradient_MV.abs().amax(1) > 1e-3 * theirs.scale
    assert touched_M.any()
    assert case.all or (taught_M & ~touched_M).any()
    if settings.surrogate in ("clip", "gmpo"):
        clipped_M = losses.low_M | losses.high_M
        assert clipped_M.any() and not clipped_M.all()
    compared()


def test_every_loss_of_trl_s_and_every_row_of_ours_has_a_case():
    explained = GRPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    losses = set(re.findall(r"'(\w+)'", explained.split(". ")[1]))
    assert "dapo" in losses and losses <= {case.theirs.get("loss_type", "grpo") for case in CASES.values()}
    assert set(ROWS) == {case.row for case in CASES.values()} | set(ELSEWHERE)

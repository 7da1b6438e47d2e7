"""Every row on the worked case (see worked.py), by hand; and its gradient, in closed form, on a two-token model."""

import dataclasses
import math

import pytest
import torch

from groupthink.policy.objective.loss import token_losses
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import ObjectiveSettings
from tests.policy.objective.worked import (
    ADVANTAGES,
    RATIOS,
    SAMPLED,
    TO_REFERENCE,
    column,
    reduced,
    worked_tokens,
)

POLICY_TERMS = {
    #            +1: 0.5, 1.1             -2: 3, (tool), 1, 0.3                    +1/2: 2.5, 1.25
    "grpo": (-0.5, -1.1, 6.0, 0.0, 2.0, 1.6, -0.6, -0.6),  # 0.3 counts as 0.8, 2.5 and 1.25 as 1.2
    "dr_grpo": (-0.5, -1.1, 6.0, 0.0, 2.0, 1.6, -0.6, -0.6),
    "dapo": (-0.5, -1.1, 6.0, 0.0, 2.0, 1.6, -0.64, -0.625),  # 2.5 counts as 1.28
    "bnpo": (-0.5, -1.1, 6.0, 0.0, 2.0, 1.6, -0.6, -0.6),
    "rloo": (-0.5, -1.1, 6.0, 0.0, 2.0, 0.6, -1.25, -0.625),
    "reinforce++": (-0.5, -1.1, 6.0, 0.0, 2.0, 1.6, -0.6, -0.6),
    # sqrt(0.55) = 0.74162, cbrt(0.9) = 0.96549 counts as 0.9997, sqrt(3.125) = 1.76777 as 1.0004
    "gspo": (-0.74161985, -0.74161985, 1.9994, 0.0, 1.9994, 1.9994, -0.5002, -0.5002),
    "gspo_token": (-0.74161985, -0.74161985, 1.9994, 0.0, 1.9994, 1.9994, -0.5002, -0.5002),
    # -r A log pi: 0.5 * 0.69315, 1.1 * 1.38629, -6 * 0.51083, -2 * 0.69315, -0.6 * 1.60944, ...
    "cispo": (0.34657359, 1.52492380, -3.06495374, 0.0, -1.38629436, -0.96566275, 0.86643398, 0.13946472),
    # -4 sigmoid(r - 1) A above, -4 / 1.05 sigmoid(1.05 (r - 1)) A below
    "sapo": (-1.51016268, -2.09991675, 6.78783374, 0.0, 3.80952381, 2.46932169, -1.63514895, -1.12435300),
    # exp of means of logarithms: (log 0.5 + log 1.1) / 2, (log 3 + 0 - 0.4) / 3, (0.4 + log 1.25) / 2
    "gmpo": (-0.74161985, -0.74161985, 2.52443669, 0.0, 2.52443669, 2.52443669, -0.68278490, -0.68278490),
    "luspo": (-0.74161985, -0.74161985, 1.996, 0.0, 1.996, 1.996, -0.50125, -0.50125),
    # phi: 0.55^2 e^1.35 = 1.16687, 0.9^3 e^0.2 = 0.89040, 3.125^2 e^-6.375 = 0.016637
    "vespo": (0.80881350, 1.61762700, -0.90968094, 0.0, -1.23436012, -2.86609544, 0.00576591, 0.00185621),
}

LOSSES = {
    "grpo": (-0.8 + 3.2 - 0.6) / 3 + 0.001 * (0.30685282 + 0.19314718) / 3,  # k3: 2 - log 2 - 1, 0.5 + log 2 - 1, 0
    "dr_grpo": (-1.6 + 9.6 - 1.2) / (3 * 10),
    "dapo": (-1.6 + 9.6 - 1.265) / 7,
    "bnpo": (-1.6 + 9.6 - 1.2) / 7 + 0.001 * (2 * 0.30685282 + 3 * 0.19314718) / 7,
    "rloo": (-1.6 + 8.6 - 1.875) / 3,
    "reinforce++": (-0.8 + 3.2 - 0.6) / 3,
    "gspo": (-0.74161985 + 1.9994 - 0.5002) / 3,
    "gspo_token": (-0.74161985 + 1.9994 - 0.5002) / 3,
    "cispo": -2.53951477 / 7,
    "sapo": (-1.80503971 + 4.35555975 - 1.37975098) / 3,
    "gmpo": (-0.74161985 + 2.52443669 - 0.68278490) / 3,
    "luspo": (2 * -0.74161985 + 3 * 1.996 + 2 * -0.50125) / 3,
    "vespo": -2.57607388 / 7,
}


@pytest.mark.parametrize("row", ROWS)
def test_the_policy_term_of_each_token_by_hand(row):
    settings = ObjectiveSettings.of_row(row, kl=0.0)
    found = token_losses(worked_tokens(settings), settings).losses_M * torch.tensor(SAMPLED)
    torch.testing.assert_close(found, column(*POLICY_TERMS[row]), rtol=0, atol=1e-8)


@pytest.mark.parametrize("row", ROWS)
def test_the_loss_of_the_batch_by_hand(row):
    settings = ObjectiveSettings.of_row(row)
    tokens = worked_tokens(settings)
    found = reduced(tokens, settings, token_losses(tokens, settings).losses_M)
    assert found.item() == pytest.approx(LOSSES[row], abs=1e-8)


def inside(ratio: float, advantage: float, low: float, high: float) -> bool:
    """Whether PPO's clip leaves a gradient."""
    return ratio <= 1 + high if advantage > 0 else ratio >= 1 - low


def geometric(ratios: list[float]) -> float:
    return math.prod(ratios) ** (1 / len(ratios))


def clip_slopes(ratios, advantage, low, high):
    """d loss / d log pi of -min(r A, clip(r) A) for each token: -r A, or 0."""
    return [-r * advantage * inside(r, advantage, low, high) for r in ratios]


def sequence_slopes(ratios, advantage, low, high):
    """The same of the response's ratio s, which is in each token to the power of 1 / L."""
    s = geometric(ratios)
    return [-s * advantage * inside(s, advantage, low, high) / len(ratios) for _ in ratios]


def sapo_slopes(ratios, advantage):
    """-4 sigmoid(x) (1 - sigmoid(x)) r A at x = tau (r - 1)."""
    tau = 1.0 if advantage > 0 else 1.05
    gates = [1 / (1 + math.exp(-tau * (r - 1))) for r in ratios]
    return [-4 * gate * (1 - gate) * r * advantage for gate, r in zip(gates, ratios, strict=True)]


def gmpo_slopes(ratios, advantage):
    """-A times the geometric mean / L, or 0 for a token whose logarithm is clipped."""
    logs = [math.log(r) for r in ratios]
    held = [min(log, 0.4) if advantage > 0 else max(log, -0.4) for log in logs]
    mean = math.exp(sum(held) / len(held))
    return [-advantage * mean / len(held) * (log == kept) for log, kept in zip(logs, held, strict=True)]


def vespo_slopes(ratios, advantage):
    w, (k, decay) = math.prod(ratios), (2, 3) if advantage > 0 else (3, 2)
    return [-(w**k) * math.exp(decay * (1 - w)) * advantage for _ in ratios]


def mean_slopes(slopes, ratios):
    """Each response's mean over its tokens."""
    return [slope / len(ratios) for slope in slopes]


# Of one response: the slopes of its share of B times the loss; `7 / 3` turns a mean over 7 tokens into that.
SLOPES = {
    "grpo": lambda r, a: mean_slopes(clip_slopes(r, a, 0.2, 0.2), r),
    "dr_grpo": lambda r, a: [slope / 10 for slope in clip_slopes(r, a, 0.2, 0.2)],
    "dapo": lambda r, a: [slope / (7 / 3) for slope in clip_slopes(r, a, 0.2, 0.28)],
    "bnpo": lambda r, a: [slope / (7 / 3) for slope in clip_slopes(r, a, 0.2, 0.2)],
    "rloo": lambda r, a: [-x * a for x in r],
    "reinforce++": lambda r, a: mean_slopes(clip_slopes(r, a, 0.2, 0.2), r),
    "gspo": lambda r, a: sequence_slopes(r, a, 3e-4, 4e-4),
    "gspo_token": lambda r, a: sequence_slopes(r, a, 3e-4, 4e-4),
    "cispo": lambda r, a: [-min(x, 5) * a / (7 / 3) for x in r],
    "sapo": lambda r, a: mean_slopes(sapo_slopes(r, a), r),
    "gmpo": gmpo_slopes,
    "luspo": lambda r, a: [len(r) * slope for slope in sequence_slopes(r, a, 2e-3, 2.5e-3)],
    "vespo": lambda r, a: [slope / (7 / 3) for slope in vespo_slopes(r, a)],
}


def test_the_worked_case_covers_ratios_on_both_sides_of_every_clip():
    assert RATIOS.min() == 0.3 and RATIOS.max() == 3.0
    assert {(bool(r > 1.2), bool(a > 0)) for r, a in zip(RATIOS, ADVANTAGES, strict=True)} == {
        (high, up) for high in (True, False) for up in (True, False)
    }


@pytest.mark.parametrize("row", ROWS)
def test_the_gradient_of_a_two_token_model_in_closed_form(row):
    """Every token is drawn from softmax(z) of two logits: d log pi_k / d z = onehot_k - softmax(z)."""
    settings = ObjectiveSettings.of_row(row)
    drawn = torch.tensor([0, 1, 0, 0, 1, 1, 0, 1])
    logits = column(0.4, -0.3).requires_grad_()
    tokens = worked_tokens(settings, logits.log_softmax(0)[drawn])
    reduced(tokens, settings, token_losses(tokens, settings).losses_M).backward()

    responses = {0: [0, 1], 1: [2, 4, 5], 2: [6, 7]}  # without the tool's token
    expected = torch.zeros(2, dtype=torch.float64)
    for places in responses.values():
        ratios = [RATIOS[place].item() for place in places]
        slopes = SLOPES[row](ratios, ADVANTAGES[places[0]].item())
        if settings.kl and settings.kl_place == "loss":  # d k3 / d log pi = 1 - pi_ref / pi
            per = len(places) if settings.reduction == "sequence_mean" else 7 / 3
            slopes = [s + 0.001 * (1 - TO_REFERENCE[at].item()) / per for s, at in zip(slopes, places, strict=True)]
        for slope, place in zip(slopes, places, strict=True):
            onehot = torch.eye(2, dtype=torch.float64)[drawn[place]]
            expected += slope / 3 * (onehot - logits.detach().softmax(0))
    torch.testing.assert_close(logits.grad, expected, rtol=1e-12, atol=1e-15)


def test_at_a_ratio_of_one_every_row_without_kl_follows_the_policy_gradient():
    """d loss / d log pi = -A of each token, whatever the surrogate (of GSPO and GMPO: of each response)."""
    for row in ROWS:
        settings = ObjectiveSettings.of_row(row, kl=0.0)
        logprobs = column(-0.3, -1.2, -0.7, -2.0, -0.1, -0.9, -0.5, -0.2).requires_grad_()
        tokens = dataclasses.replace(worked_tokens(settings, logprobs), old_logprobs_M=logprobs.detach())
        per_response = tokens.mean_over_response(token_losses(tokens, settings).losses_M)
        per_response[[0, 2, 6]].sum().backward()
        expected = -ADVANTAGES / column(2, 2, 3, 3, 3, 3, 2, 2) * torch.tensor(SAMPLED)
        torch.testing.assert_close(logprobs.grad, expected, msg=lambda text, row=row: f"{row}: {text}")


def test_rows_name_settings_that_exist_and_differ_from_grpo():
    estimators = (
        "center, standardize, leave_one_out, rank, batch_std, reinforce_pp, whiten, maxrl, pass_at_k, gdpo, reward"
    )
    names = {setting.name for setting in dataclasses.fields(ObjectiveSettings)}
    for row, settled in ROWS.items():
        for full_name, value in settled.items():
            table, _, name = full_name.partition(".")
            if table == "objective":
                assert name in names and type(value) is type(getattr(ObjectiveSettings(), name)), full_name
            elif full_name == "advantage.whiten_tokens":
                assert value is True
            else:
                assert full_name == "advantage.estimator" and value in estimators.split(", "), full_name
        ObjectiveSettings.of_row(row)
    assert ROWS["grpo"] == {}

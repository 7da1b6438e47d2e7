"""Objectives in the words of both sides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests_peers.trl.rollouts import CUTS

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """An objective, and the settings of TRL's that take out of it what the case is about."""

    row: str  # of groupthink's
    theirs: Settings
    off: Settings
    ours: Settings = field(default_factory=dict)  # on top of the row
    all: bool = False  # it is about every token, and not about some of them
    trainer: str = "grpo"  # of TRL's
    cuts: tuple[str, ...] = tuple(CUTS)


STANDARDIZED = {"scale_rewards": "group"}
SEQUENCE = {"importance_sampling_level": "sequence"}
DAPO = {"loss_type": "dapo", "epsilon_high": 0.28, "mask_truncated_completions": True, **STANDARDIZED}
GSPO = {"epsilon": 3e-4, "epsilon_high": 4e-4, **SEQUENCE, **STANDARDIZED}
LUSPO = {"loss_type": "luspo", "epsilon": 2e-3, "epsilon_high": 2.5e-3, **SEQUENCE, **STANDARDIZED}
CISPO = {"loss_type": "cispo", **STANDARDIZED}
SAPO = {"loss_type": "sapo", **STANDARDIZED}
VESPO = {"loss_type": "vespo"}
K3 = {"beta": 0.1, "use_bias_correction_kl": False}

UNCLIPPED = {"epsilon": 1e9, "epsilon_high": 1e9}
FLAT = {"vespo_k_pos": 0.0, "vespo_k_neg": 0.0, "vespo_lambda_pos": 0.0, "vespo_lambda_neg": 0.0}
LINEAR = {"sapo_temperature_pos": 1e-4, "sapo_temperature_neg": 1e-4}
MISMATCH = {"vllm_importance_sampling_correction": True}
UNBOUNDED = {"vllm_importance_sampling_clip_min": None, "vllm_importance_sampling_clip_max": 1e9}

# TRL takes the quantile, or the mean, of a micro-batch; we of a mini-batch.
ONE_MICRO_BATCH = ("whole", "second of two mini-batches")


def correction(mode: str, low: float | None, high: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """TRL's settings, and ours."""
    theirs = {
        **MISMATCH,
        "vllm_importance_sampling_mode": mode,
        "vllm_importance_sampling_clip_min": low,
        "vllm_importance_sampling_clip_max": high,
    }
    level, what = mode.split("_")
    return theirs, {"correction": f"{what}_{level}", "correction_low": low or 0.0, "correction_high": high}


def corrected(mode: str, low: float | None, high: float) -> Case:
    theirs, ours = correction(mode, low, high)
    return Case("grpo", theirs, off=UNBOUNDED, ours=ours)


def masked(loss_type: str, reduction: str) -> Case:
    return Case(
        "grpo",
        {"loss_type": loss_type, "mask_truncated_completions": True},
        off={"mask_truncated_completions": False},
        ours={"reduction": reduction, "overlong": "masked"},
        all=loss_type != "grpo",
    )


TOKEN_TRUNCATED = correction("token_truncate", None, 1.8)
TOKEN_MASKED = correction("token_mask", None, 1.8)
ICEPOP = correction("token_mask", 0.5, 2.0)

CASES = {
    "grpo": Case("grpo", K3, off=UNCLIPPED, ours={"kl": 0.1}),
    "grpo, standardized": Case("grpo", STANDARDIZED, off=UNCLIPPED, ours={"estimator": "standardize"}),
    "dr_grpo": Case("dr_grpo", {"loss_type": "dr_grpo"}, off=UNCLIPPED),
    "dapo": Case("dapo", DAPO, off=UNCLIPPED),
    "bnpo": Case("bnpo", {"loss_type": "bnpo", **STANDARDIZED}, off=UNCLIPPED),
    "gspo": Case("gspo", GSPO, off=UNCLIPPED),
    # TRL has no loss of that name: where a response has one advantage, it is gspo's.
    "gspo_token": Case("gspo_token", GSPO, off=UNCLIPPED),
    "luspo": Case("luspo", LUSPO, off=UNCLIPPED),
    # TRL names the bound itself. Its 5.0, and our 4.0, would clip nothing here.
    "cispo": Case("cispo", {**CISPO, "epsilon_high": 1.5}, off=UNCLIPPED, ours={"clip_high": 0.5}),
    "sapo": Case("sapo", SAPO, off=LINEAR, all=True),
    "vespo": Case("vespo", VESPO, off=FLAT, all=True),
    "gmpo": Case("gmpo", {"epsilon": 0.4, **STANDARDIZED}, off={"epsilon": 1e9}, all=True, trainer="gmpo"),
    "two-sided clip": Case("grpo", {"delta": 1.5}, off={"delta": None}, ours={"ceiling": 1.5}),
    "two-sided clip of responses": Case("gspo", {**GSPO, "delta": 1.01}, off={"delta": None}, ours={"ceiling": 1.01}),
    "k3": Case("grpo", K3, off={"beta": 0.0}, ours={"kl": 0.1}, all=True),
    "k3, summed over tokens": Case("luspo", {**LUSPO, **K3}, off={"beta": 0.0}, ours={"kl": 0.1}, all=True),
    "k3, unbiased": Case(
        "grpo",
        {"beta": 0.1, "use_bias_correction_kl": True},
        off={"use_bias_correction_kl": False},
        ours={"kl": 0.1, "kl_estimator": "k3_unbiased"},
        all=True,
    ),
    "mismatch, tokens truncated": corrected("token_truncate", None, 1.5),
    "mismatch, responses truncated": corrected("sequence_truncate", None, 2.0),
    "mismatch, tokens masked": corrected("token_mask", 0.5, 2.0),
    "mismatch, responses masked": corrected("sequence_mask", 0.5, 3.0),
    "mismatch, tokens truncated in vespo": Case(
        "vespo", {**VESPO, **TOKEN_TRUNCATED[0]}, off=UNBOUNDED, ours=TOKEN_TRUNCATED[1], all=True
    ),
    "mismatch, tokens masked in vespo": Case(
        "vespo", {**VESPO, **TOKEN_MASKED[0]}, off=UNBOUNDED, ours=TOKEN_MASKED[1]
    ),
    "top entropy": Case(
        "grpo",
        {"top_entropy_quantile": 0.4},
        off={"top_entropy_quantile": 1.0},
        ours={"focus": "top_entropy", "focus_share": 0.4},
        cuts=ONE_MICRO_BATCH,
    ),
    "top entropy of responses that are not masked": Case(
        "dapo",
        {**DAPO, "top_entropy_quantile": 0.4},
        off={"top_entropy_quantile": 1.0},
        ours={"focus": "top_entropy", "focus_share": 0.4},
        cuts=ONE_MICRO_BATCH,
    ),
    "stale negatives": Case(
        "grpo",
        {"off_policy_mask_threshold": 0.05},
        off={"off_policy_mask_threshold": None},
        ours={"stale_negatives": 0.05},
    ),
    "stale negatives, by what the engine drew": Case(
        "grpo",
        {"off_policy_mask_threshold": 0.8, "epsilon": 0.6, **ICEPOP[0]},
        off={"off_policy_mask_threshold": None},
        ours={"stale_negatives": 0.8, "clip_low": 0.6, "clip_high": 0.6, **ICEPOP[1]},
    ),
    "truncated responses, mean over responses": masked("grpo", "sequence_mean"),
    "truncated responses, mean over tokens": masked("dapo", "token_mean"),
    "truncated responses, constant": masked("dr_grpo", "constant"),
    "truncated responses, sum": masked("luspo", "sequence_sum"),
    "truncated responses, mean over a micro-batch": masked("bnpo", "micro_batch_mean"),
    "entropy bonus": Case(
        "dapo",
        {**DAPO, "mask_truncated_completions": False, "entropy_coef": 0.02},
        off={"entropy_coef": 0.0},
        ours={"overlong": "kept", "entropy_bonus": 0.02},
        all=True,
        cuts=("whole",),
    ),
    "many at once": Case(
        "dapo",
        {**DAPO, "delta": 2.0, "beta": 0.1, "use_bias_correction_kl": True, "top_entropy_quantile": 0.8, **ICEPOP[0]},
        off=UNCLIPPED,
        ours={
            "ceiling": 2.0,
            "kl": 0.1,
            "kl_estimator": "k3_unbiased",
            "focus": "top_entropy",
            "focus_share": 0.8,
            **ICEPOP[1],
        },
        cuts=ONE_MICRO_BATCH,
    ),
}

"""Objectives as their papers made them: what each row settles, where a recipe says nothing itself.

Written by full name, and only where it differs from grpo, which is the defaults. Two of those are not the paper's:
the advantage is centred and not divided by the standard deviation (`advantage.estimator="standardize"` is), and
kl is 0.001 as in DeepSeek-R1.
"""

from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "grpo": {},  # arXiv 2402.03300
    "dr_grpo": {  # arXiv 2503.20783
        "advantage.estimator": "center",
        "objective.reduction": "constant",
        "objective.kl": 0.0,
    },
    "dapo": {  # arXiv 2503.14476, sections 3 and 4.1; dynamic sampling (3.2) is left to task.rounds
        "advantage.estimator": "standardize",
        "objective.reduction": "token_mean",
        "objective.clip_high": 0.28,
        "objective.kl": 0.0,
        "objective.overlong": "masked",
        "objective.overlong_share": 0.2,
    },
    "bnpo": {  # TRL's name; not the "Beta normalization" of arXiv 2506.02864
        "advantage.estimator": "standardize",
        "objective.reduction": "micro_batch_mean",
    },
    "rloo": {  # arXiv 2402.14740, appendix C
        "advantage.estimator": "leave_one_out",
        "objective.surrogate": "unclipped",
        "objective.reduction": "sequence_sum",
        "objective.kl": 0.03,
        "objective.kl_estimator": "k1",
        "objective.kl_place": "reward",
    },
    "reinforce++": {  # arXiv 2501.03262, equations 1, 4 and 5; with baseline its estimator is "center"
        "advantage.estimator": "reward",
        "advantage.whiten_tokens": True,
        "objective.kl_estimator": "k1",
        "objective.kl_place": "to_go",
    },
    "gspo": {  # arXiv 2507.18071, section 5.1
        "advantage.estimator": "standardize",
        "objective.ratio": "sequence",
        "objective.clip_low": 3e-4,
        "objective.clip_high": 4e-4,
        "objective.kl": 0.0,
    },
    "gspo_token": {  # the same, section 4.3
        "advantage.estimator": "standardize",
        "objective.ratio": "sequence_token",
        "objective.clip_low": 3e-4,
        "objective.clip_high": 4e-4,
        "objective.kl": 0.0,
    },
    "cispo": {  # arXiv 2506.13585, equations 4 and 5; weights up to 5, as in arXiv 2510.13786
        "advantage.estimator": "standardize",
        "objective.surrogate": "cispo",
        "objective.reduction": "token_mean",
        "objective.clip_low": 1.0,
        "objective.clip_high": 4.0,
        "objective.kl": 0.0,
    },
    "sapo": {  # arXiv 2511.20347, equations 5 and 6
        "advantage.estimator": "standardize",
        "objective.surrogate": "sapo",
        "objective.sapo_positive": 1.0,
        "objective.sapo_negative": 1.05,
        "objective.kl": 0.0,
    },
    "gmpo": {  # arXiv 2507.20673, equation 4; the clip is in logarithms
        "advantage.estimator": "standardize",
        "objective.surrogate": "gmpo",
        "objective.clip_low": 0.4,
        "objective.clip_high": 0.4,
        "objective.kl": 0.0,
    },
    "luspo": {  # arXiv 2602.05261, section 5.1
        "advantage.estimator": "standardize",
        "objective.ratio": "sequence",
        "objective.reduction": "sequence_sum",
        "objective.clip_low": 2e-3,
        "objective.clip_high": 2.5e-3,
        "objective.kl": 0.0,
    },
    "vespo": {  # arXiv 2602.10693, equation 20; the reduction is TRL's
        "advantage.estimator": "center",
        "objective.surrogate": "vespo",
        "objective.reduction": "token_mean",
        "objective.vespo_k_positive": 2.0,
        "objective.vespo_lambda_positive": 3.0,
        "objective.vespo_k_negative": 3.0,
        "objective.vespo_lambda_negative": 2.0,
        "objective.kl": 0.0,
    },
}

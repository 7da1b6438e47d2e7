"""The objective: what the learner makes smaller, put together from choices that do not depend on each other.

    loss = sum over tokens of weight * (keep * surrogate + kl * KL - entropy_bonus * entropy)

| choice | file |
|---|---|
| the ratio of new to old probability, of a token or of a response | `ratio` |
| what is made of ratio and advantage | `surrogates`, `clipping`; `functions` for one of the user's own |
| how far from the reference, and where that counts | `kl` |
| each token's share of the loss (weight) | `reduction`, `overlong` |
| what sampling differences and staleness are worth (keep) | `correction` |
| which tokens teach (keep) | `focus` |
| how much uncertainty is worth | `entropy` |

A row of `rows` names such a choice as a paper made it; `settings` holds them all. Maths is pure functions of
columns, over the M response tokens of a micro-batch (`tokens`) or, in numpy, of a whole batch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from groupthink.policy.objective.settings import ObjectiveSettings

if TYPE_CHECKING:
    from groupthink.policy.objective.clipping import clipped_high, clipped_low, clipped_surrogate
    from groupthink.policy.objective.kl import k3
    from groupthink.policy.objective.loss import Losses, token_local, token_losses
    from groupthink.policy.objective.ratio import LARGEST_LOG_RATIO, importance_ratio
    from groupthink.policy.objective.reduction import local_weights, share_tokens
    from groupthink.policy.objective.surrogates import imitation
    from groupthink.policy.objective.tokens import Tokens

__all__ = [
    "LARGEST_LOG_RATIO",
    "Losses",
    "ObjectiveSettings",
    "Tokens",
    "clipped_high",
    "clipped_low",
    "clipped_surrogate",
    "imitation",
    "importance_ratio",
    "k3",
    "local_weights",
    "share_tokens",
    "token_local",
    "token_losses",
]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is asked for: a recipe is read without it."""
    if name in __all__:
        for home in ("tokens", "ratio", "clipping", "surrogates", "kl", "reduction", "loss"):
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

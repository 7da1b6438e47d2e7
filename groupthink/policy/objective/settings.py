"""The table [objective] of a recipe."""

from dataclasses import dataclass
from typing import Any

from groupthink.nearest import nearest
from groupthink.policy.objective.rows import ROWS

SURROGATES = ("clip", "unclipped", "cispo", "sapo", "gmpo", "vespo", "imitation")
CHOICES = {
    "ratio": ("token", "sequence", "sequence_token"),
    "reduction": ("sequence_mean", "token_mean", "constant", "micro_batch_mean", "sequence_sum"),
    "kl_estimator": ("k1", "k2", "k3", "k3_unbiased"),
    "kl_place": ("loss", "reward", "to_go"),
    "correction": ("none", "truncate_token", "truncate_sequence", "mask_token", "mask_sequence"),
    "focus": ("all", "clip_cov", "kl_cov", "top_entropy"),
    "overlong": ("kept", "masked"),
}
SLIVER = 0.1  # the most tokens that clip_cov and kl_cov may pick; their papers pick 2e-4 of them


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """What the learner makes smaller."""

    name: str = "grpo"  # the row of `rows` that fills whatever a recipe leaves open

    # What is made of ratio and advantage, and which ratio that is
    surrogate: str = "clip"  # "unclipped", "cispo", "sapo", "gmpo", "vespo", "imitation"; or "FILE.py:FUNCTION"
    ratio: str = "token"  # of new to old probability; "sequence": of a response (GSPO); "sequence_token" (GSPO-token)
    clip_low: float = 0.2  # the ratio earns nothing below 1 - clip_low (R1's 10: no bound) ...
    clip_high: float = 0.2  # ... and nothing above 1 + clip_high; cispo's weight is held within them, gmpo's log ratio
    ceiling: float = 0.0  # clip: the ratio is never taken to be above it, whatever the advantage; 0: off
    dual_clip: float = 0.0  # clip: where A < 0 the loss is at most dual_clip * |A|; 0: off
    sapo_positive: float = 1.0  # tau: how fast sapo's gate closes, where A > 0 ...
    sapo_negative: float = 1.05  # ... and elsewhere
    vespo_k_positive: float = 2.0  # how fast vespo's weight falls below a ratio of 1, where A > 0 ...
    vespo_k_negative: float = 3.0  # ... and elsewhere
    vespo_lambda_positive: float = 3.0  # how fast it falls above 1, where A > 0 ...
    vespo_lambda_negative: float = 2.0  # ... and elsewhere

    # Each token's share of the loss, and what becomes of responses that were cut
    reduction: str = "sequence_mean"  # "token_mean" (DAPO), "constant" (Dr. GRPO), "sequence_sum", "micro_batch_mean"
    overlong: str = "kept"  # truncated responses: learned from, or "masked"
    overlong_share: float = 0.0  # of max_tokens, at its end, over which a reward falls by 1 (DAPO 0.2); 0: off

    # How far from the reference
    kl: float = 0.001  # weight of the KL divergence to the reference; 0: no reference is loaded
    kl_estimator: str = "k3"  # "k1", "k2", or "k3_unbiased" (ratio * k3)
    kl_place: str = "loss"  # or off each "reward", before they are compared; or "to_go": off a token's advantage
    reference_every: int = 0  # updates after which the reference takes on ... (R1: 400); 0: it is held fixed
    reference_mixing: float = 1.0  # ... this share of the policy; 1: all of it. Every 1 and 0.01: a moving average

    # What sampling differences and staleness are worth
    correction: str = "none"  # of sampling differences: "truncate_" or "mask_", then "token" or "sequence"
    correction_low: float = 0.5  # weights below it are masked
    correction_high: float = 5.0  # weights above it are truncated to it, or masked (TIS 2; TRL 3 for sequences)
    stale_negatives: float = 0.0  # nats per token: leave out responses with A < 0 whose log(old / new) is more; 0: off

    # Which tokens teach
    focus: str = "all"  # tokens that teach: "top_entropy", "clip_cov" (all but a few), "kl_cov" (a few are held back)
    focus_share: float = 0.2  # of the tokens: those that top_entropy keeps, or that a cov picks (2e-4, say)
    focus_low: float = 1.0  # clip_cov picks among covariances from here ...
    focus_high: float = 5.0  # ... to here
    focus_kl: float = 0.1  # weight of |log(new / old)| on the tokens that kl_cov picks

    # How much uncertainty is worth
    entropy_bonus: float = 0.0  # weight of the entropy that is wanted
    entropy_target: float = 0.2  # nats; a steered bonus counts at this entropy and below
    entropy_step: float = 0.0  # by which the bonus rises or falls after an update; 0: it is fixed

    @classmethod
    def of_row(cls, name: str, **changes: Any) -> "ObjectiveSettings":
        """What the row called `name` says of the objective, with `changes` by field.

        Its estimator of advantages is not in it: that is the recipe's to set. `ObjectiveSettings(name=...)` names a
        row and takes nothing from it.
        """
        given = {key.partition(".")[2]: value for key, value in ROWS.get(name, {}).items() if "objective." in key}
        return cls(**{"name": name, **given, **changes})

    def __post_init__(self) -> None:
        self._require("name", self.name in ROWS, f"did you mean {nearest(self.name, ROWS)}?")
        known = self.surrogate in SURROGATES or ".py:" in self.surrogate
        self._require("surrogate", known, f"choose one of {', '.join(SURROGATES)}, or FILE.py:FUNCTION of your own")
        for name, choices in CHOICES.items():
            self._require(name, getattr(self, name) in choices, f"choose one of {', '.join(choices)}")
        for name in ("clip_low", "clip_high", "kl", "correction_low", "stale_negatives", "focus_kl", "reference_every"):
            self._require(name, getattr(self, name) >= 0, "set it to at least 0")
        for name in ("entropy_bonus", "entropy_target", "entropy_step", "vespo_k_positive", "vespo_k_negative"):
            self._require(name, getattr(self, name) >= 0, "set it to at least 0")
        for name in ("sapo_positive", "sapo_negative", "vespo_lambda_positive", "vespo_lambda_negative"):
            self._require(name, getattr(self, name) > 0, "set it above 0")
        self._require("overlong_share", 0 <= self.overlong_share <= 1, "set it between 0 and 1")
        self._require("reference_mixing", 0 < self.reference_mixing <= 1, "set it above 0 and up to 1")
        self._require("focus_share", 0 < self.focus_share <= 1, "set it above 0 and up to 1")
        self._require("correction_high", self.correction_high > self.correction_low, "set it above correction_low")
        self._require("focus_high", self.focus_high > self.focus_low, "set it above focus_low")
        self._require_bounds()
        self._require_sense()

    def _require_bounds(self) -> None:
        if self.surrogate == "clip":
            above = self.ceiling == 0 or self.ceiling > 1 + self.clip_high
            self._require("ceiling", above, f"set it above 1 + clip_high = {1 + self.clip_high:g}, or to 0 (off)")
            self._require("dual_clip", self.dual_clip == 0 or self.dual_clip > 1, "set it above 1, or to 0 (off)")

    def _require_sense(self) -> None:
        """Choices that are each fine alone, and not together."""
        for name in ("ceiling", "dual_clip"):
            own = getattr(self, name) == 0 or self.surrogate == "clip" or ".py:" in self.surrogate
            self._require(name, own, f"{self.surrogate} does not look at it; set it to 0")
        self._require("reference_every", self.kl > 0 or not self.reference_every, "there is no reference where kl is 0")
        if self.reference_mixing < 1:
            cure = "how often the reference moves is said by reference_every, which is 0; set that, or this to 1"
            self._require("reference_mixing", self.reference_every > 0, cure)
        if self.surrogate in ("gmpo", "vespo"):
            cure = f'{self.surrogate} makes the ratio of a response itself; set it to "token"'
            self._require("ratio", self.ratio == "token", cure)
        if self.surrogate == "vespo":
            cure = "vespo weighs whole responses itself; choose truncate_token, mask_token or none"
            self._require("correction", not self.correction.endswith("_sequence"), cure)
        if self.kl_place != "loss":
            cure = "its gain is in the gradient, and a reward or an advantage has none; choose k1, k2 or k3"
            self._require("kl_estimator", self.kl_estimator != "k3_unbiased", cure)
        if self.kl_place == "to_go" and self.kl > 0:
            one = self.ratio == "sequence" or self.surrogate == "gmpo"
            cure = "the ratio is a response's here, and spreads each token's advantage over all; choose loss or reward"
            self._require("kl_place", not one, cure)
        if self.focus in ("clip_cov", "kl_cov"):
            cure = f"{self.focus} picks a sliver of the tokens; set it to at most {SLIVER:g}, 2e-4 for instance"
            self._require("focus_share", self.focus_share <= SLIVER, cure)

    def _require(self, name: str, holds: bool, cure: str) -> None:
        if not holds:
            raise ValueError(f"objective.{name} is {getattr(self, name)!r}: {cure}")

"""What goes wrong with a run, each as a question to its figures. The answer is a finding with evidence, or None.

A rule fires on what is seen, not on what a recipe says; what it advises is a setting. `CAUSES` has those first that
bring others with them: responses that repeat themselves are cut, too, and a policy that is sure of itself gives groups
without variety.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from groupthink.insight.history import WINDOW, History, mean
from groupthink.recipe import BY_REWARDS

ACCURACY, FORMAT = "rewards/accuracy/mean", "rewards/format/mean"
LENGTH, CUT, CUT_AFTER = "completions/mean_length", "completions/clipped_ratio", "completions/cut_after_answer"
REPEATED = "completions/repetition"
DEAD, ALL_RIGHT, ALL_WRONG = "frac_reward_zero_std", "frac_all_right", "frac_all_wrong"
MISMATCH = "sampling/sampling_logp_difference/mean"
DIFFERENCE = 0.05
"""Nats a token. In float32 an engine differs by 1e-7, in bfloat16 by some 0.01; at a lag of one by up to 0.01."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding(cause="truncated", evidence="82% of the responses ...", advice="raise rollout.max_tokens", step=12)"""

    cause: str
    evidence: str
    advice: str
    step: int  # the last that was looked at


Cause = Callable[[History], tuple[str, str] | None]
"""Evidence and advice, or None."""


def mismatch(run: History) -> tuple[str, str] | None:
    """The engine draws from another policy than the one that learns: stale weights, or another computation."""
    difference, lag = run.recent(MISMATCH), run.recent("sampling/lag/mean") or 0.0
    if difference is None or difference <= DIFFERENCE:
        return None
    seen = f"the log-probabilities of engine and learner differ by {difference:.3f} nats on average"
    if lag >= 1:
        return (
            f"{seen}: what is learned from was drawn by weights {lag:.0f} updates old",
            f"lower rollout.lag (now {run.recipe.rollout.lag}) or policy.learning_rate, or set objective.correction",
        )
    return (
        seen,
        "the engine has stale weights, another precision or another law: look at rollout.engine and policy.dtype, and "
        "keep rollout.max_difference on, which stops such a run",
    )


def learning_rate(run: History) -> tuple[str, str] | None:
    """Updates are so large that they undo what was learned."""
    skipped = run.values("skipped_updates")[-WINDOW:]
    if skipped and skipped[-1] - skipped[0] >= 2:
        return (
            f"{skipped[-1] - skipped[0]:.0f} of the last {len(skipped)} updates were not finite and were not made",
            "lower policy.learning_rate, or policy.max_grad_norm",
        )
    kl, reward = run.values("kl"), run.values("reward")
    jumps = [after - before for before, after in pairwise(kl)]
    if jumps and max(jumps) > 0.5 and fell(reward):
        at = jumps.index(max(jumps)) + 1
        return (
            f"KL rose from {kl[at - 1]:.3f} to {kl[at]:.3f} in one step, and the reward fell from "
            f"{max(reward):.2f} to {run.recent('reward'):.2f}",
            f"lower policy.learning_rate (now {run.recipe.policy.learning_rate:g}) by a factor of 3 to 10",
        )
    clipped = run.recent("clip_ratio/region_mean")
    if clipped is not None and clipped > 0.3:
        return (
            f"{clipped:.0%} of the tokens are clipped: later updates to a batch start far from where it was drawn",
            "lower policy.learning_rate, policy.epochs or policy.minibatches",
        )
    return None


def fell(values: list[float]) -> bool:
    """Whether the last steps are far below the best that came before them: by half of what it was, or more."""
    smooth = [sum(values[i : i + 3]) / 3 for i in range(len(values) - 2)]
    return bool(smooth) and smooth[-1] < max(smooth) - 0.5 * abs(max(smooth)) and max(smooth) - smooth[-1] > 0.1


def repetition(run: History) -> tuple[str, str] | None:
    """Responses say the same again and again."""
    repeated = run.recent(REPEATED)
    if repeated is None or repeated < 0.25:
        return None
    return (
        f"{repeated:.0%} of what is written in a response has been written in it before",
        "look at what a long response is paid for (reward.brief, reward.long), or lower policy.learning_rate",
    )


def no_stop(run: History) -> tuple[str, str] | None:
    """The answer is given, and the response goes on."""
    cut, after = run.recent(CUT), run.recent(CUT_AFTER)
    if cut is None or after is None or cut < 0.5 or after < 0.5 * cut:
        return None
    return (
        f"{cut:.0%} of the responses are cut at rollout.max_tokens={run.recipe.rollout.max_tokens}, {after:.0%} after "
        "an answer was given",
        "the policy has not learned to end: check the model's end-of-sequence token in generation_config.json, or show "
        'it demonstrations that end (stage="sft")',
    )


def truncated(run: History) -> tuple[str, str] | None:
    """Responses are cut before their answer."""
    cut, after = run.recent(CUT), run.recent(CUT_AFTER) or 0.0
    if cut is None or cut < 0.5 or after >= 0.5 * cut:
        return None
    return (
        f"{cut - after:.0%} of the responses are cut at rollout.max_tokens={run.recipe.rollout.max_tokens} before an "
        "answer",
        "raise rollout.max_tokens, or pay for brevity (reward.brief, reward.long)",
    )


def template(run: History) -> tuple[str, str] | None:
    """No response has the form that is paid, though they end."""
    form = run.recent(FORMAT)
    if form is None or form > 0.05 or not run.recipe.reward.format or (run.recent(CUT) or 0.0) >= 0.5:
        return None
    return (
        f"the reward for format is {form:.2f}: no response has one <think>...</think> and an answer after it",
        "see whether the chat template opens <think> itself, or ask for the form in the prompt; else begin with "
        'demonstrations of it (stage="sft")',
    )


def too_hard(run: History) -> tuple[str, str] | None:
    """Next to nothing is ever right, so nothing is learned. A lucky step is no sign of more."""
    right = mean(run.values(ACCURACY))
    if right is None or right > 0.01 or not run.recipe.reward.accuracy:
        return None
    return (
        f"of the responses of {len(run.values(ACCURACY))} steps {right:.1%} were right",
        "take easier problems, a stronger model, more responses to a problem (rollout.group_size), or begin with "
        'demonstrations (stage="sft")',
    )


def too_easy(run: History) -> tuple[str, str] | None:
    """Nearly all was right from the first step."""
    early, dead = run.early(ACCURACY), run.recent(ALL_RIGHT)
    if early is None or dead is None or early < 0.93 or dead < 0.5:
        return None
    return (
        f"{early:.0%} of the responses of the first steps were right, and {dead:.0%} of the groups are all right",
        "take harder problems (task.split, another task), or let task.rounds look for groups that teach something",
    )


def no_variety(run: History) -> tuple[str, str] | None:
    """Responses to a problem are worth the same, all of them right or none."""
    dead, right = run.recent(DEAD), run.recent(ACCURACY)
    if dead is None or right is None or dead < 0.8 or not 0.05 < right < 0.85:
        return None
    return (
        f"in {dead:.0%} of the groups all responses earn the same, though {right:.0%} of all responses are right",
        f"raise {' or '.join(narrow(run))} or rollout.group_size (now {run.recipe.rollout.group_size}), or set "
        "task.rounds to look for other groups",
    )


def narrow(run: History) -> list[str]:
    """The settings that keep responses to a problem alike, with what they are now; those that cut the law first."""
    rollout = run.recipe.rollout
    cut = [f"rollout.top_k (now {rollout.top_k})"] if rollout.top_k else []
    cut += [f"rollout.top_p (now {rollout.top_p:g})"] if rollout.top_p < 1 else []
    return [*cut, f"rollout.temperature (now {rollout.temperature:g})"]


def hacking(run: History) -> tuple[str, str] | None:
    """A reward that is no measure of the answer rises, and the answers get no better."""
    early, now = run.early(ACCURACY), run.recent(ACCURACY)
    if not run.learns_accuracy or early is None or now is None:
        return None
    part, rise = paid_most(run)
    learned = run.recipe.reward.accuracy * (now - early)
    if rise < 0.05 or learned > 0.3 * rise or now > 0.9:
        return None
    return (
        f"reward.{part} rose by {rise:.2f}, and the share of right answers from {early:.0%} to {now:.0%}",
        f"read some responses: what is the policy paid for? Lower reward.{part}, or pay it for right answers alone",
    )


def paid_most(run: History) -> tuple[str, float]:
    """The part of the reward that rose most, by its weight, but for accuracy and format: form is learned first."""
    rises = {
        name: weight * ((run.recent(f"rewards/{name}/mean") or 0) - (run.early(f"rewards/{name}/mean") or 0))
        for name, weight in run.recipe.reward.weights.items()
        if name not in ("accuracy", "format")
    }
    return max(rises.items(), key=lambda each: each[1])


def kl_runs_away(run: History) -> tuple[str, str] | None:
    """The policy leaves its reference, further at every step."""
    kl = run.values("kl")
    now = run.recent("kl")
    if now is None or len(kl) < WINDOW or now < 0.5 or now < 2 * (run.early("kl") or 0):
        return None
    return (
        f"KL to the reference is {now:.2f} nats a token, after {run.early('kl'):.3f} in the first steps",
        f"raise objective.kl (now {run.recipe.objective.kl:g}), or lower policy.learning_rate",
    )


def entropy_collapse(run: History) -> tuple[str, str] | None:
    """The policy has become sure of itself before it was right."""
    early, now = run.early("entropy"), run.recent("entropy")
    right = (run.early(ACCURACY), run.recent(ACCURACY))
    if not run.learns_accuracy or early is None or now is None or None in right:
        return None
    if now > 0.2 * early or (right[1] or 0) > 0.75:
        return None
    return (
        f"entropy fell from {early:.3f} to {now:.3f} nats a token, with {right[1]:.0%} right",
        "raise objective.entropy_bonus, objective.clip_high or rollout.temperature, or lower policy.learning_rate",
    )


def length_drift(run: History) -> tuple[str, str] | None:
    """Responses grow or shrink, and are right no more often."""
    early, now = run.early(LENGTH), run.recent(LENGTH)
    right = (run.early(ACCURACY), run.recent(ACCURACY))
    if not run.learns_accuracy or not early or now is None or None in right:
        return None
    if 0.5 < now / early < 2 or right[1] - right[0] > 0.05 or (right[1] or 0) > 0.9:  # type: ignore[operator]
        return None
    return (
        f"responses went from {early:.0f} to {now:.0f} tokens, and the share of right ones from {right[0]:.0%} to "
        f"{right[1]:.0%}",
        "set reward.brief and reward.long to what a right answer needs, or take an objective without a bias by length "
        '(objective.name="dr_grpo")',
    )


CAUSES: dict[str, Cause] = {
    "mismatch": mismatch,
    "learning_rate": learning_rate,
    "repetition": repetition,
    "no_stop": no_stop,
    "truncated": truncated,
    "format": template,
    "too_hard": too_hard,
    "too_easy": too_easy,
    "hacking": hacking,
    "kl": kl_runs_away,
    "entropy": entropy_collapse,
    "no_variety": no_variety,
    "length": length_drift,
}
"""By name, what brings others with it first."""


AT_ONCE = ("no_stop", "truncated")
"""What is seen in the first step already, before an hour is spent."""


WITHOUT_REWARDS = ("mismatch", "learning_rate", "repetition", "no_stop", "truncated")
"""What can be wrong where nothing is learned from rewards: what they pay for does not steer such a run."""


def diagnose(run: History) -> list[Finding]:
    """What is wrong with a run, the likeliest cause first; before there are WINDOW steps, AT_ONCE alone."""
    if not len(run):
        return []
    of_stage = tuple(CAUSES) if run.recipe.stage in BY_REWARDS else WITHOUT_REWARDS
    names = of_stage if len(run) >= WINDOW else AT_ONCE
    answers = {name: CAUSES[name](run) for name in names}
    found = {name: answer for name, answer in answers.items() if answer is not None}
    return [Finding(name, *answer, run.step) for name, answer in found.items()]

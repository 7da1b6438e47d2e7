"""Are engine and learner one policy? What a step has measured, held against the bound that the recipe sets."""

from collections.abc import Sequence

import numpy as np

from groupthink.records import Batch, Group, Report
from groupthink.run.directory import Run
from groupthink.run.terminal import View

FEW = 0.05
"""Of the tokens: where these hold half of all difference, it is a few tokens that differ."""

SIDED = 0.8
"""Of the mean difference's size: from here on it is to one side."""

GROWS = 3.0
"""Times as large at the ends of responses as at their beginnings."""


def require_agreement(
    run: Run,
    step: int,
    groups: Sequence[Group],
    batch: Batch,
    report: Report,
    view: View,
    probed_R: np.ndarray | None = None,
) -> None:
    """Stop the run, or say that it corrects, where the two laws differ by more than `rollout.max_difference`.

    The difference is that of the log-probabilities of the sampled tokens, in nats: the mean of its size, over tokens
    that the learner saw before it moved. Tokens of older weights differ by what was learned since, and do not count;
    where there are no others, `probed_R` does, the differences of a probe (`probe.py`): the median of their sizes, for
    they are few. Raises RuntimeError.
    """
    bound = run.recipe.rollout.max_difference
    versions_M = np.concatenate([response.versions_T for group in groups for response in group.responses])
    measured_M = np.isfinite(report.difference_M) & (versions_M == step)
    if bound and measured_M.any():
        mean = float(np.abs(report.difference_M[measured_M]).mean(dtype=np.float64))
        if mean > bound:
            cause = likely_cause(report.difference_M, measured_M, batch.starts, run.recipe.policy.dtype)
            _disagree(run, step, mean, f"by {mean:.2g} nats a token,", cause, view)
    elif bound and probed_R is not None and len(probed_R):
        typical = float(np.median(np.abs(probed_R)))
        if not typical <= bound:
            seen = f"by {typical:.2g} nats, the median of {len(probed_R)} tokens that were drawn from the same weights,"
            _disagree(run, step, typical, seen, "what draws computes another law than the learner", view)


def _disagree(run: Run, step: int, difference: float, seen: str, cause: str, view: View) -> None:
    bound, correction = run.recipe.rollout.max_difference, run.recipe.objective.correction
    found = (
        f"in step {step} the engine's log-probabilities differ from the learner's {seen} and rollout.max_difference is "
        f"{bound:g}: {cause}"
    )
    run.event("disagreement", step=step, difference=difference, cause=cause, corrected=correction != "none")
    if correction != "none":
        view.note(f"{found}. The run goes on, for objective.correction={correction!r} weighs what was drawn")
        return
    raise RuntimeError(
        f"{found}. The figures and responses of this step are in {run.path}. When the cause is mended, begin another "
        f"run from its last checkpoint (model={run.latest_checkpoint()}), or weigh what was drawn by "
        "objective.correction='truncate_token'"
    )


def likely_cause(difference_M: np.ndarray, measured_M: np.ndarray, starts: np.ndarray, dtype: str) -> str:
    """In words, what the shape of the difference points to. `difference_M`: the learner's less the engine's."""
    seen_M = np.where(measured_M, difference_M, 0.0)
    size_M = np.abs(seen_M)
    sizes = np.sort(size_M[measured_M])[::-1]
    if sizes[: max(1, int(FEW * len(sizes)))].sum() > size_M.sum() / 2:
        return "few tokens hold most of it, as where experts are chosen, or two tokens are level but for rounding" + (
            f"; {dtype} rounds much, float32 hardly" if dtype != "float32" else ""
        )
    lengths_B = np.diff(starts)
    place_M = (np.arange(len(size_M)) - np.repeat(starts[:-1], lengths_B)) / np.repeat(lengths_B, lengths_B)
    early, late = (size_M[measured_M & where] for where in (place_M < 0.25, place_M >= 0.75))
    if len(early) and len(late) and late.mean() > GROWS * early.mean():
        return "it grows along a response, as where positions, a window of attention or old keys and values differ"
    mean = seen_M[measured_M].mean()
    if abs(mean) > SIDED * size_M[measured_M].mean():
        side = "likelier" if mean < 0 else "less likely"
        return (
            f"the engine holds nearly all that was drawn for {side} than the learner does, as where it draws at "
            "another temperature or from a law that top-p or top-k cut, and gives the log-probabilities of that"
        )
    return "all tokens differ, as where the two compute other functions: an adapter, a scale or quantised weights"

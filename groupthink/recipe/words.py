"""A recipe in plain words."""

from groupthink.recipe.recipe import Recipe
from groupthink.recipe.writing import departures_of


def describe_step(recipe: Recipe) -> str:
    """In plain words, what one step of this recipe does."""
    updates = recipe.policy.minibatches * recipe.policy.epochs
    if recipe.stage == "evaluate":
        asked = recipe.evaluate
        return f"No step: the model is measured on {asked.problems} held-out problems, {asked.samples} samples of each."
    if recipe.stage == "sft":
        shown = recipe.sft.examples_per_step
        return f"A step: {shown} demonstrations, from which the model is updated {_times(updates)}."
    problems, group_size, tokens = recipe.task.problems_per_step, recipe.rollout.group_size, recipe.rollout.max_tokens
    if recipe.stage == "sample":
        return (
            f"A step: {problems} problems x {recipe.sample.responses} responses = "
            f"{problems * recipe.sample.responses} responses of at most {tokens} tokens, of which right ones are kept; "
            f"{recipe.sample.problems} problems in all."
        )
    responses = problems * group_size
    rounds = f" in up to {recipe.task.rounds} rounds" if recipe.task.rounds > 1 else ""
    sampled = (
        f"A step: {problems} problems x {group_size} responses = {responses} responses of at most {tokens} tokens "
        f"({responses * tokens:,} at most){rounds}, from which the"
    )
    if recipe.stage == "distill":
        teacher = recipe.distill.teacher
        return f"{sampled} student is updated {_times(updates)}, towards what {teacher} makes of each token."
    departures = [f"{name}={value} (its row: {row})" for name, (value, row) in departures_of(recipe).items()]
    return f"{sampled} policy is updated {_times(updates)}." + (
        f" The objective is {recipe.objective.name}, but for {', '.join(departures)}." if departures else ""
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")

"""What a recipe names, looked for before anything is begun: tasks with their splits, trackers, the user's functions."""

from groupthink.recipe import Recipe
from groupthink.reward.named import named_rewards
from groupthink.run.trackers import require_trackers
from groupthink.task import open_task


def require_named(recipe: Recipe) -> None:
    """Raise ValueError for a task, split, reward or surrogate that is not there, or where code cannot be confined.

    (A model: `loading.require_model`.)
    """
    require_trackers(recipe)
    open_task(recipe.task.name, recipe.seed, recipe.task.split)
    for task in recipe.sft.tasks:
        open_task(task, recipe.seed)
    named_rewards(recipe.reward)
    if ":" in recipe.objective.surrogate:
        from groupthink.policy.objective.functions import find_surrogate  # imports torch

        find_surrogate(recipe.objective.surrogate)

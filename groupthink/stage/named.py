"""What a recipe names, looked for before anything is begun: tasks with their splits, trackers, the user's functions."""

from collections.abc import Callable

from groupthink.recipe import BY_SAMPLES, Recipe
from groupthink.reward.judge import require_environment
from groupthink.reward.named import named_rewards
from groupthink.run.trackers import require_trackers
from groupthink.scale.cluster import require_installed
from groupthink.stage.sample.askable import require_enough, require_sampled
from groupthink.task import close_task, notes_of, open_demonstrated, open_tasks


def require_named(recipe: Recipe, tell: Callable[[str], None] | None = None, *, data_to_come: bool = False) -> None:
    """Raise ValueError for a task, split, reward or surrogate that is not there, or where code cannot be confined.

    So it is for `reward.environment` where the task is none. (A model: `loading.require_model`.) `tell` is told how a
    task read what it was given, such as the columns of a data set. `data_to_come`: the recipe's tasks only stand for a
    data set that a stage has still to make, so that their problems are not looked at.
    """
    require_trackers(recipe)
    require_installed(recipe.scale)
    for place, task in enumerate(
        (
            open_tasks(recipe.task, recipe.seed),
            *(open_demonstrated(name, recipe.seed, recipe.task) for name in recipe.sft.tasks),
        )
    ):
        try:
            if tell is not None:
                for note in notes_of(task):
                    tell(note)
            if place == 0 and recipe.stage in BY_SAMPLES:
                require_environment(recipe.reward, task)
            if data_to_come:
                continue
            if place == 0 and recipe.stage == "sample":
                require_sampled(recipe, task)
                require_enough(task, recipe.sample.problems)
            if place > 0 and recipe.stage == "sft":
                task.demonstrate(task.sample(0, 1)[0], True)  # it says what is missing
        finally:
            close_task(task)
    named_rewards(recipe.reward, recipe.code, recipe.judge)
    if ":" in recipe.objective.surrogate:
        from groupthink.policy.objective.functions import find_surrogate  # imports torch

        find_surrogate(recipe.objective.surrogate)

"""Whether a data set can be sampled on a task's problems: known before anything is drawn."""

from groupthink.recipe import Recipe
from groupthink.task import Task
from groupthink.task.program_tests import COLUMNS
from groupthink.task.reply import reply_of

FEW = 8
"""Problems that are looked at, of a task that may have no end."""


def require_sampled(recipe: Recipe, task: Task) -> None:
    """Raise ValueError where nothing could be kept of what is drawn on a task's problems."""
    require_single_turns(task)
    if recipe.reward.code == 0:
        require_verdicts(task)


def require_single_turns(task: Task) -> None:
    """Raise ValueError where responses have turns between which the task replies."""
    if reply_of(task):
        raise ValueError(
            f"task {task.name} replies to what the policy writes, and a row of a data set is one chain of thought and "
            'its answer: take another task for stage="sample"'
        )


def require_enough(task: Task, problems: int) -> None:
    """Raise ValueError where a finite task would give a problem twice."""
    size = getattr(task, "size", None)
    if size is not None and problems > size:
        raise ValueError(
            f"sample.problems is {problems}, and {task.name} has {size} problems to train on: take at most so many, "
            "and in sample.responses more responses to each"
        )


def require_verdicts(task: Task) -> None:
    """Raise ValueError where tests decide what is right, and nobody would run them: all would be `unjudged`."""
    problems = task.sample(0, FEW)
    by_tests = [one for one in problems if any(one.info.get(column) is not None for column in COLUMNS)]
    if len(by_tests) == len(problems) and all(task.verify(one, "").right is None for one in by_tests):
        raise ValueError(
            f"tests decide what is right in {task.name}, and reward.code is 0: nothing would be kept. Set it to 1, and "
            "programs are run"
        )

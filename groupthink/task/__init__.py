"""Problems, and the rules that check their answers.

Generated ones need no label, and each is a function of (seed, index). Others come from a data set, from reasoning-gym
or from a task of the user's; several tasks can be mixed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, cast

from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.arithmetic import Arithmetic
from groupthink.task.mixture import mix_tasks
from groupthink.task.quadratics import Quadratics, Split
from groupthink.task.settings import NOTHING, TaskSettings
from groupthink.task.unlabelled import Unlabelled
from groupthink.task.verdict import Verdict


class Task(Protocol):
    """A family of problems, and the rule that checks their answers. One of several turns is `Replying`, too.

    It may have `notes` (what is said of it at the start), `size` (where it is finite, how many training problems there
    are), `expect(indices)` (which of them are asked for next), `close()`, and what `Adaptive` has.
    """

    name: str

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step."""
        ...

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees; fewer where a finite task has no more."""
        ...

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """A worked solution `<think>reasoning</think>answer`; where not `careful`, as a base model's data would be."""
        ...

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """Whether `text` states the answer; `lenient` takes the last one found anywhere in it."""
        ...

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """What a chain's reasoning does, by name (a method, checking, going back); empty where there are no names."""
        ...


def _quadratics(seed: int, split: str) -> Task:
    if split in ("held_out", "beyond", "wide"):
        return Quadratics(seed, cast(Split, split))
    raise ValueError(f"quadratics has no split {split!r}: choose held_out, beyond or wide")


def _arithmetic(seed: int, split: str) -> Task:
    if split != "held_out":
        raise ValueError(f"arithmetic has no split {split!r}: choose held_out")
    return Arithmetic(seed)


LOADED = ":load_environment"
"""How the name of a function ends that gives an environment of `verifiers`: the library calls it so."""

TASKS: dict[str, Callable[[int, str], Task]] = {"quadratics": _quadratics, "arithmetic": _arithmetic}


def require_name(name: str) -> None:
    """Raise ValueError for a name that no task can have; what stands after a colon is looked for when it is opened."""
    kind, colon, rest = name.partition(":")
    if name in TASKS or name == "data" or (kind and colon and rest):
        return
    known = ", ".join(TASKS)
    raise ValueError(
        f"no task is called {name!r}: did you mean {nearest(name, TASKS)}? (there are: {known}, gym:GENERATOR of "
        "reasoning-gym, verifiers:ENVIRONMENT, data:PLACE, stage:NAME in a pipeline, and your own as module:thing or "
        "file.py:thing)"
    )


def open_task(name: str, seed: int = 0, split: str = "held_out", settings: TaskSettings | None = None) -> Task:
    """The task called `name`, its `held_out` drawing from `split`; `settings` say the rest of it.

    Raises ValueError for a name or a split that is not there, and for whatever a data set, a generator or a task of
    the user's is refused for; FileNotFoundError for a data set that is not there.
    """
    settings = settings or TaskSettings()
    require_name(name)
    if name in TASKS:
        return TASKS[name](seed, split)
    kind, _, rest = name.partition(":")
    if kind == "data":
        from groupthink.task.data import DataTask

        if not (place := rest or settings.data):
            raise ValueError('the task "data" is the data set that task.data names: set it, or write data:PLACE')
        return DataTask(name, place, settings, seed, split)
    if kind == "stage":
        from groupthink.task.data import DataTask

        if not (written := settings.arguments_of(rest).get("place")):
            raise ValueError(
                f"{name} is the data set that stage {rest!r} of a pipeline wrote, and here is no pipeline: name its "
                f"folder, as data:RUN/stages/NUMBER-{rest}/data"
            )
        return DataTask(name, written, replace(settings, prompt="", answer=""), seed, split)  # its columns are ours
    if kind == "gym":
        from groupthink.task.gym import GymTask

        return GymTask(rest, settings, seed, split)
    if kind == "verifiers" or name.endswith(LOADED):
        from groupthink.task.environment import open_environment

        return open_environment(name, rest if kind == "verifiers" else name, settings, seed, split)
    from groupthink.task.own import open_own

    return open_own(name, settings, seed, split)


def open_demonstrated(name: str, seed: int, settings: TaskSettings) -> Task:
    """The task called `name`, for its demonstrations. Raises as `open_task`.

    A data set is held out from as far as evaluations by `settings` draw from it: from one that they do not name,
    nothing is.
    """
    split = "held_out"
    if place := _data_place(name, settings):
        splits = dict(zip(settings.names, settings.own_splits, strict=True))
        drawn = [own for other, own in splits.items() if _data_place(other, settings) == place]
        split = drawn[0] if drawn else NOTHING
    return open_task(name, seed, split, settings)


def _data_place(name: str, settings: TaskSettings) -> str:
    """Where the data set called `name` lies; empty for a task that is none."""
    kind, _, rest = name.partition(":")
    if kind == "stage":
        return str(settings.arguments_of(rest).get("place", ""))
    return (rest or settings.data) if kind == "data" else ""


def open_tasks(settings: TaskSettings, seed: int = 0, split: str | None = None) -> Task:
    """The task, or the mixture of tasks, that a recipe names; `split` goes before its own. Raises as `open_task`."""
    tasks: list[Task] = []
    try:
        for name, own_split in zip(settings.names, settings.own_splits, strict=True):
            tasks.append(open_task(name, seed, split or own_split, settings))
    except BaseException:
        for task in tasks:
            close_task(task)
        raise
    if settings.unlabelled:
        tasks = [Unlabelled(task) for task in tasks]
    return tasks[0] if len(tasks) == 1 else mix_tasks(tasks, settings.shares)


def notes_of(task: Task) -> tuple[str, ...]:
    """What a task has to say of how it read what it was given."""
    return getattr(task, "notes", ())


def close_task(task: Task) -> None:
    """End what a task has running, if it has anything."""
    if close := getattr(task, "close", None):
        close()

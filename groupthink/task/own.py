"""A task of the user's: a class or a function, found by name, with what it leaves out filled in.

    class Riddles:                                   # name = "riddles.py:Riddles"
        def __init__(self, seed): ...                # or (seed, split), and what `"Riddles:key" = value` says
        def sample(self, step, n) -> list[Problem]
        def held_out(self, n) -> list[Problem]
        def verify(self, problem, text) -> Verdict   # or True and False; with `lenient` where it wants to know
        # demonstrate, traits, notes, reply: see `Task` and `Replying`
        # size: where the problems come to an end, how many there are; indices from there on are further epochs
        # observe, state, restore: all three, where problems follow from how earlier ones went; see `Adaptive`

    def riddles(seed, index):                        # name = "riddles.py:riddles"
        return "What has keys and opens nothing?", "a piano"

`sample(step, n)` gives the problems from step * n on. Problem i is also sample(i, 1): so a mixture and a pool ask, and
so it is asked for one that stands in for another, which is too long for the model.

A function gives problem `index`, from 0 to 2^30: a prompt and an answer, or a Problem. Its answers are compared by
`task.verify`, and the share `task.held_out` of its prompts is kept from training by a hash.
"""

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.adaptive import METHODS, Adaptive
from groupthink.task.answer import Rule, open_rule
from groupthink.task.around import Around
from groupthink.task.columns import clean_prompt
from groupthink.task.fitting import Fits, FittingProblems
from groupthink.task.hashed import walk
from groupthink.task.reply import Said
from groupthink.task.settings import TaskSettings
from groupthink.task.verdict import Verdict
from groupthink.user_code import find_thing

NEEDED = ("sample", "held_out", "verify")


def open_own(name: str, settings: TaskSettings, seed: int, split: str) -> "OwnTask":
    """The task called `module:thing` or `file.py:thing`; a file is relative to the working folder.

    Raises ValueError where there is no such thing, where it is no task, or where it has no such split.
    """
    thing, attribute = find_thing(name, "task"), name.rpartition(":")[2]
    arguments = settings.arguments_of(attribute)
    if not inspect.isclass(thing) and callable(getattr(thing, "sample", None)):
        task = thing  # an object, as a Python program may give one
    elif inspect.isclass(thing):
        task = thing(**_accepted(name, thing, {"seed": seed, "split": split}, arguments))
    else:
        task = FunctionTask(name, thing, settings, seed, arguments)
    if split != "held_out" and not (inspect.isclass(thing) and "split" in inspect.signature(thing).parameters):
        raise ValueError(f"{name} has no split {split!r}: choose held_out, or let its class take `split`")
    if missing := [method for method in NEEDED if not callable(getattr(task, method, None))]:
        raise ValueError(f"task {name} has no {' and no '.join(missing)}: a task has {', '.join(NEEDED)}")
    _require_all_of_adapting(name, task)
    _require_size(name, task)
    return OwnReplyingTask(name, task) if callable(getattr(task, "reply", None)) else OwnTask(name, task)


class OwnTask(Around):
    """A task of the user's, whose problems and verdicts are checked, and called by the name in the recipe."""

    def __init__(self, name: str, task: Any):
        super().__init__(name, task)
        self._asks_lenient = "lenient" in inspect.signature(task.verify).parameters
        self._fits: Fits = _always
        self._fitting: FittingProblems | None = None  # where the task's own may be too long for the model
        self._pass_on(*METHODS)

    @property
    def size(self) -> int | None:
        """How many problems a finite task has to train on: those that fit."""
        if self._fitting is None or self._fitting.size is None:
            return super().size
        return len(self._fitting)

    def sample(self, step: int, n: int) -> list[Problem]:
        if self._fitting is not None and self._fitting.left_out:
            return [self._fitting.at(index) for index in range(step * n, (step + 1) * n)]
        problems = self._sampled(step, n)
        if self._fitting is None:
            return problems
        return [
            problem if self._fits(problem) else self._fitting.at(step * n + place)
            for place, problem in enumerate(problems)
        ]

    def held_out(self, n: int) -> list[Problem]:
        problems = self._checked(self.task.held_out(n), "held_out")
        if not 0 < len(problems) <= n:
            raise ValueError(f"task {self.name}: held_out({n}) gave {len(problems)} problems")
        fitting = [problem for problem in problems if self._fits(problem)]
        if not fitting:
            raise ValueError(f"task {self.name}: all {len(problems)} held-out problems are too long for the model")
        return fitting

    def keep(self, fits: Fits, why: str) -> list[str]:
        """Leave out problems that do not fit, and give the ids of a finite task's. Raises ValueError where all are.

        One that adapts has other problems at other times: they are looked at when they come.
        """
        if isinstance(self.task, FunctionTask):
            self.task.fits = fits
            return []
        size = None if isinstance(self, Adaptive) else self.size
        fitting = FittingProblems(self.name, lambda index: self._sampled(index, 1)[0], fits, size)
        if size is not None and not len(fitting):
            raise ValueError(f"no problem of {self.name} is left to train on: {why}")
        self._fits, self._fitting = fits, fitting
        return fitting.left_out

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        found = self.task.verify(problem, text, lenient) if self._asks_lenient else self.task.verify(problem, text)
        if isinstance(found, Verdict):
            return found
        if found in (True, False):  # numpy's, too
            return Verdict(bool(found), text)
        raise ValueError(f"task {self.name}: verify gave {found!r} for {problem.id}: return a Verdict, True or False")

    def _sampled(self, step: int, n: int) -> list[Problem]:
        """The user's own problems."""
        problems = self._checked(self.task.sample(step, n), "sample")
        if len(problems) != n:
            raise ValueError(f"task {self.name}: sample({step}, {n}) gave {len(problems)} problems")
        return problems

    def _checked(self, problems: Any, method: str) -> list[Problem]:
        if not isinstance(problems, Sequence) or not all(isinstance(problem, Problem) for problem in problems):
            raise ValueError(
                f"task {self.name}: {method} gave {type(problems).__name__} {str(problems)[:60]!r}: return a list of "
                "groupthink.records.Problem"
            )
        return [replace(problem, task=self.name, prompt=clean_prompt(problem.prompt)) for problem in problems]


class OwnReplyingTask(OwnTask):
    """One whose responses have several turns."""

    def reply(self, problem: Problem, turns: Sequence[str]) -> Said | None:
        said = self.task.reply(problem, turns)
        if said is None or isinstance(said, str):
            return said
        if isinstance(said, list | tuple) and said and all(map(_is_message, said)):
            return clean_prompt(tuple(said))
        raise ValueError(
            f"task {self.name}: reply gave {said!r} for {problem.id}: return text, a tuple of messages with role and "
            "content, or None"
        )


class FunctionTask:
    """The problems that `function(seed, index)` makes."""

    def __init__(
        self, name: str, function: Callable[..., Any], settings: TaskSettings, seed: int, arguments: Mapping[str, Any]
    ):
        if not settings.held_out:
            raise ValueError(
                f"task.held_out is 0, and {name} has no other problems to measure by: give a share above 0"
            )
        self.name, self.seed, self.share = name, seed, settings.held_out
        self._call = lambda index: function(seed, index, **arguments)
        _accepted(name, function, {"seed": seed, "index": 0}, arguments, all_given=True)
        self._rule = open_rule(settings.verify or "exact")
        self.fits: Fits = _always

    def sample(self, step: int, n: int) -> list[Problem]:
        return [self._walked("train", index) for index in range(step * n, (step + 1) * n)]

    def held_out(self, n: int) -> list[Problem]:
        return [self._walked("held_out", index) for index in range(n)]

    def verify(self, problem: Problem, text: str) -> Verdict:
        if problem.answer is None:
            return Verdict(None, None, "no answer is known")
        return self._rule(problem.answer, text)

    def rule_of(self, problem: Problem) -> Rule:
        """What compares answers, several at a time."""
        return self._rule

    def close(self) -> None:
        self._rule.close()

    def _walked(self, split: str, index: int) -> Problem:
        _, problem = walk(self._made, lambda made: made.prompt, split, index, self.share, self.name)
        return replace(problem, id=f"{self.name}/{split}/{self.seed}/{index}")

    def _made(self, place: int) -> Problem | None:
        """The problem at a place; None where it is too long for the model."""
        made = self._call(place)
        if isinstance(made, tuple) and len(made) == 2 and made[0] and isinstance(made[0], str):
            made = Problem("", self.name, made[0], str(made[1]))
        if isinstance(made, Problem) and made.answer is not None:
            made = replace(made, prompt=clean_prompt(made.prompt))
            return made if self.fits(made) else None
        raise ValueError(
            f"task {self.name} gave {str(made)[:60]!r} for problem {place}: return a prompt and an answer, "
            "or a Problem with both"
        )


def _is_message(thing: Any) -> bool:
    return isinstance(thing, Mapping) and all(isinstance(thing.get(part), str) for part in ("role", "content"))


def _always(problem: Problem) -> bool:
    return True


def _require_all_of_adapting(name: str, task: Any) -> None:
    """Raise ValueError for a task that takes in how problems went, and cannot say what has become of it."""
    missing = [method for method in METHODS if not callable(getattr(task, method, None))]
    if callable(getattr(task, "observe", None)) and missing:
        raise ValueError(
            f"task {name} has `observe`, and no {' and no '.join(missing)}: a resume goes on from what `state()` gave, "
            "as plain JSON, by `restore(state)`"
        )


def _require_size(name: str, task: Any) -> None:
    """Raise ValueError for a `size` that is no number of problems."""
    size = getattr(task, "size", None)
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise ValueError(
            f"task {name}: its `size` is {size!r}: give the number of its training problems, None where they have no "
            "end, or call by another name what means something else"
        )


def _accepted(
    name: str, thing: Callable[..., Any], offered: dict[str, Any], arguments: Mapping[str, Any], all_given: bool = False
) -> dict[str, Any]:
    """Of what is `offered`, what `thing` takes, with the recipe's arguments. Raises ValueError for any it does not."""
    parameters = inspect.signature(thing).parameters
    open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for key in itertools.chain(arguments, offered if all_given else ()):
        if key not in parameters and not open_ended:
            hint = f": did you mean {nearest(key, parameters)}?" if parameters else ""
            raise ValueError(f"task {name} takes no argument {key!r}{hint}")
    given = {key: value for key, value in offered.items() if key in parameters} | dict(arguments)
    try:
        inspect.signature(thing).bind(**given)
    except TypeError as error:
        raise ValueError(f'task {name}: {error}; arguments are given as "THING:key" = value in [task]') from None
    return given

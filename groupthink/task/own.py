"""A task of the user's: a class or a function, found by name, with what it leaves out filled in.

    class Riddles:                                   # name = "riddles.py:Riddles"
        def __init__(self, seed): ...                # or (seed, split), and what `"Riddles:key" = value` says
        def sample(self, step, n) -> list[Problem]
        def held_out(self, n) -> list[Problem]
        def verify(self, problem, text) -> Verdict   # or True and False; with `lenient` where it wants to know
        # demonstrate, traits, reply: see `Task` and `Replying`

    def riddles(seed, index):                        # name = "riddles.py:riddles"
        return "What has keys and opens nothing?", "a piano"

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
from groupthink.task.answer import Rule, open_rule
from groupthink.task.hashed import walk
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
    return OwnReplyingTask(name, task) if callable(getattr(task, "reply", None)) else OwnTask(name, task)


class OwnTask:
    """A task of the user's, whose problems and verdicts are checked, and called by the name in the recipe."""

    def __init__(self, name: str, task: Any):
        self.name, self.task = name, task
        self._asks_lenient = "lenient" in inspect.signature(task.verify).parameters

    def sample(self, step: int, n: int) -> list[Problem]:
        problems = self._checked(self.task.sample(step, n), "sample")
        if len(problems) != n:
            raise ValueError(f"task {self.name}: sample({step}, {n}) gave {len(problems)} problems")
        return problems

    def held_out(self, n: int) -> list[Problem]:
        problems = self._checked(self.task.held_out(n), "held_out")
        if not 0 < len(problems) <= n:
            raise ValueError(f"task {self.name}: held_out({n}) gave {len(problems)} problems")
        return problems

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """Raises ValueError where the user's task has no demonstrations."""
        if not callable(getattr(self.task, "demonstrate", None)):
            raise ValueError(f"task {self.name} has no `demonstrate`, from which sft learns")
        return self.task.demonstrate(problem, careful)

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        found = self.task.verify(problem, text, lenient) if self._asks_lenient else self.task.verify(problem, text)
        if isinstance(found, Verdict):
            return found
        if found in (True, False):  # numpy's, too
            return Verdict(bool(found), text)
        raise ValueError(f"task {self.name}: verify gave {found!r} for {problem.id}: return a Verdict, True or False")

    def rule_of(self, problem: Problem) -> Rule | None:
        """What compares answers, several at a time, where the user's task tells it."""
        tell = getattr(self.task, "rule_of", None)
        return tell(problem) if callable(tell) else None

    def traits(self, reasoning: str | None) -> frozenset[str]:
        named = getattr(self.task, "traits", None)
        return frozenset(named(reasoning)) if callable(named) else frozenset()

    def close(self) -> None:
        if callable(close := getattr(self.task, "close", None)):
            close()

    def _checked(self, problems: Any, method: str) -> list[Problem]:
        if not isinstance(problems, Sequence) or not all(isinstance(problem, Problem) for problem in problems):
            raise ValueError(
                f"task {self.name}: {method} gave {type(problems).__name__} {str(problems)[:60]!r}: return a list of "
                "groupthink.records.Problem"
            )
        return [replace(problem, task=self.name) for problem in problems]


class OwnReplyingTask(OwnTask):
    """One whose responses have several turns."""

    def reply(self, problem: Problem, turns: Sequence[str]) -> str | None:
        said = self.task.reply(problem, turns)
        if said is not None and not isinstance(said, str):
            raise ValueError(f"task {self.name}: reply gave {said!r} for {problem.id}: return text, or None")
        return said


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

    def sample(self, step: int, n: int) -> list[Problem]:
        return [self._walked("train", index) for index in range(step * n, (step + 1) * n)]

    def held_out(self, n: int) -> list[Problem]:
        return [self._walked("held_out", index) for index in range(n)]

    def verify(self, problem: Problem, text: str) -> Verdict:
        assert problem.answer is not None, "problems of a function have answers"
        return self._rule(problem.answer, text)

    def rule_of(self, problem: Problem) -> Rule:
        """What compares answers, several at a time."""
        return self._rule

    def close(self) -> None:
        self._rule.close()

    def _walked(self, split: str, index: int) -> Problem:
        _, problem = walk(self._made, lambda made: made.prompt, split, index, self.share, self.name)
        return replace(problem, id=f"{self.name}/{split}/{self.seed}/{index}")

    def _made(self, place: int) -> Problem:
        made = self._call(place)
        if isinstance(made, Problem) and made.answer is not None:
            return made
        if isinstance(made, tuple) and len(made) == 2 and made[0] and isinstance(made[0], str):
            return Problem("", self.name, made[0], str(made[1]))
        raise ValueError(
            f"task {self.name} gave {str(made)[:60]!r} for problem {place}: return a prompt and an answer, "
            "or a Problem with both"
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

"""Programs, for problems that ask for one: the problem's own, one that does nothing, and some that want to be paid."""

import ast
import builtins
import json
from collections.abc import Iterator
from dataclasses import dataclass

from groupthink.records import Problem
from groupthink.reward.unit_tests import Calls, Dialogues, read_tests

REFERENCES = ("code", "canonical_solution", "solution", "reference_solution", "solutions")
"""Columns in which data sets of programs have one that is right."""

IDLE = "pass"
FORKS = "import os\nfor _ in range(3):\n    os.fork()"  # a few: without a sandbox it runs on the user's own machine
ENDLESS = "while True:\n    pass"
FLOOD = "while True:\n    print('x' * 1000)"
GREEDY = "held = 'x' * (1 << 42)"
EARLY = "import os\nos._exit(0)"


@dataclass(frozen=True, slots=True)
class Tested:
    """What is known of a problem that brings tests."""

    reference: str | None  # a program that is said to be right
    names: tuple[str, ...]  # the functions that its tests call
    printed: str | None  # what a program is to print for the first test; None where functions are called


def tested(problem: Problem) -> Tested | None:
    """None where a problem has no tests, or none that can be read: the reward itself will say so."""
    try:
        tests = read_tests(problem)
    except ValueError:
        return None
    if tests is None:
        return None
    if isinstance(tests, Dialogues):
        return Tested(_reference(problem), (), tests.pairs[0][1])
    return Tested(_reference(problem), (tests.entry,) if tests.entry else _called(tests), None)


def fenced(program: str) -> str:
    """As an answer has a program."""
    return f"```python\n{program.rstrip()}\n```"


def always_the_same(known: Tested) -> str:
    """A program that knows nothing, and gives for everything what may pass.

    Where it is to print, what the first test expects; where it is called, an object that says it is equal to anything.
    """
    if known.printed is not None:
        return f"print({known.printed!r})"
    equal = "class Equal:\n    def __eq__(self, other):\n        return True\n    __hash__ = None\n"
    return equal + "".join(f"\ndef {name}(*given, **named):\n    return Equal()\n" for name in known.names)


def _called(tests: Calls) -> tuple[str, ...]:
    """The functions that tests call by a name that is not Python's own."""
    found: dict[str, None] = {}
    for test in tests.tests:
        nodes = list(ast.walk(ast.parse(test)))
        own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        calls = (node.func for node in nodes if isinstance(node, ast.Call))
        names = (call.id for call in calls if isinstance(call, ast.Name))
        found |= dict.fromkeys(name for name in names if name not in own and not hasattr(builtins, name))
    return tuple(name for name in found if name != "_same")


def _reference(problem: Problem) -> str | None:
    """A program that the data set says is right, completed by the prompt where it is the end of what that begins."""
    prompt = problem.prompt if isinstance(problem.prompt, str) else ""
    for held in _held(problem):
        for program in (held, prompt + held):
            if _is_program(program):
                return program
    return None


def _held(problem: Problem) -> Iterator[str]:
    for value in (*(problem.info.get(column) for column in REFERENCES), problem.answer):
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                continue
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value.strip():
            yield value


def _is_program(text: str) -> bool:
    """Whether a text is Python that does something: a word or a number alone is Python, too."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in body)

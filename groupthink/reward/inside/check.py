"""Runs tests against functions of a program that another process keeps: `check.py JOB WATCHED SECONDS MEGABYTES`.

No line of the program runs here, and no line of the tests there (`serve.py`): what the program gives arrives as plain
data. For each test a line is written to the standard error: 1 where it passed, else 0.

The job is JSON: `setup`, code that comes first; `tests`, a list of code; `entry`, the name of the function that is
tested, or null; `check`: whether the tests define `check(candidate)`, which is then called.
"""

import ast
import builtins
import json
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from limits import take_job  # type: ignore[import-not-found]  # beside this file, and no package is there
from plain import LONGEST, dumps, loads  # type: ignore[import-not-found]

sys.path.pop(0)

LOCAL = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, int, float, str, list, tuple, dict, set)
"""What the setup defines and the tests use as it is; its classes, and what is made of them, are the program's."""


SPEAKING = (AssertionError, StopIteration, StopAsyncIteration)
"""Exceptions that mean something to the tests: the last two end a loop of theirs, as if all had been gone through."""


class Failed(Exception):
    """What the program raised, where that is no built-in exception; or it can no longer be asked."""


class Link:
    """Asks the program; answers come in the order of the questions."""

    def __init__(self, questions: Any, answers: Any):
        self.questions, self.answers = questions, answers

    def ask(self, kind: str, what: Any, *rest: Any) -> Any:
        about = what if isinstance(what, str) else [what]
        print(dumps([kind, about, *rest], _number_of), file=self.questions, flush=True)
        line = self.answers.readline(LONGEST)
        if not line.endswith("\n"):
            raise Failed("the program has ended, or gave too much")
        outcome, *given = loads(line, lambda number: Remote(self, number))
        if outcome != "value":
            name, text = given
            raise _exception(str(name))(text)
        value, changed = given
        # Only where that is what a function is for: else it could empty xs, and be right in `f(xs) == sorted(xs)`.
        if kind == "call" and value is None:
            _change(rest[0], changed)
        return value


class Remote:
    """An object of the program's: what is asked of it is asked there, and it equals nothing but itself."""

    def __init__(self, link: Link, what: str | int):
        self._link, self._what = link, what

    def _subject(self) -> Any:
        return self._what if isinstance(self._what, str) else self

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._link.ask("call", self._subject(), list(arguments), named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._link.ask("attribute", self._subject(), name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._link.ask("items", self._subject()))

    def __len__(self) -> int:
        return self._link.ask("length", self._subject())

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self._link.ask("item", self._subject(), key)


def same(found: Any, expected: Any) -> bool:
    """As data sets of calls write results: tuples are lists, and a list of one may hold the result."""
    found = _listed(found)
    return found == expected or (isinstance(expected, list) and len(expected) == 1 and found == expected[0])


def main() -> None:
    job = json.loads(take_job())
    sys.set_int_max_str_digits(0)
    link = Link(os.fdopen(os.dup(1), "w", encoding="utf-8"), os.fdopen(os.dup(0), encoding="utf-8"))
    verdicts = os.fdopen(os.dup(2), "w", encoding="ascii")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # what the tests read and print
        os.dup2(nothing, number)
    space: dict[str, Any] = {}
    exec(compile(job["setup"], "setup.py", "exec"), space)
    for name in [name for name, value in space.items() if not isinstance(value, LOCAL)]:
        del space[name]
    space |= {"__name__": "tests", "__builtins__": builtins, "_same": same}
    for name in remote_names(job["tests"], job["entry"], set(space)):
        space[name] = Remote(link, name)
    if job["entry"] is not None and "candidate" in space:
        space["candidate"] = Remote(link, job["entry"])
    for test in job["tests"]:
        print(int(passes(test, space, job)), file=verdicts, flush=True)


def passes(test: str, space: dict[str, Any], job: dict[str, Any]) -> bool:
    try:
        exec(compile(test, "tests.py", "exec"), space)
        if job["check"]:
            space["check"](Remote(space[job["entry"]]._link, job["entry"]))
        return True
    except BaseException:  # a test may leave by SystemExit, too
        return False


def remote_names(tests: list[str], entry: str | None, known: set[str]) -> set[str]:
    """The names in the tests that are the program's: the one that is tested, and those that nothing else defines.

    A built-in function is the program's only where the tests call nothing else: else a program could make
    `set(f(1)) == set([2])` true by defining `set`. A helper of the tests is theirs, though a program that fails before
    it is defined could bring one of its own.
    """
    trees = [ast.parse(test) for test in tests]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    own = known | {name for tree in trees for statement in tree.body for name in defined(statement)}
    names = {name for name in used if name not in own and not hasattr(builtins, name)}
    if entry is not None:
        return names | {entry}
    called = [
        {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        for tree in trees
    ]
    always = set.intersection(*called) if called else set()
    return names if names or len(always) != 1 else always


def defined(statement: ast.stmt) -> list[str]:
    """What a statement brings in by `def`, `class` or `import`."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in statement.names]
    return []


def _exception(name: str) -> type[Exception]:
    """The built-in exception of this name; Failed for any other, and for one that would speak for the tests."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and kind not in SPEAKING:
        return kind
    return Failed


def _change(arguments: list[Any], changed: list[Any]) -> None:
    """What the program did to the lists, dicts and sets that it was given."""
    for before, after in zip(arguments, changed, strict=True):
        if isinstance(before, list) and isinstance(after, list):
            before[:] = after
        elif isinstance(before, dict | set) and type(before) is type(after):
            before.clear()
            before.update(after)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _number_of(value: Any) -> int:
    if isinstance(value, Remote) and isinstance(value._what, int):
        return value._what
    raise TypeError(f"{type(value).__name__} cannot be given to the program: it is no plain data")


if __name__ == "__main__":
    main()

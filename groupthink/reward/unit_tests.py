"""The tests of a problem whose answer is a program, made ready to be run.

`groupthink.task.program_tests` reads them, from the columns of a data set; here they become what a program is to print,
or code that calls its functions. What is Python is run in a sandbox alone.
"""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groupthink.records import Problem
from groupthink.task import program_tests


@dataclass(frozen=True, slots=True)
class Dialogues:
    """What a program reads, and what it is to print."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Calls:
    """Code that calls the program's functions."""

    tests: tuple[str, ...]
    setup: str = ""  # comes before the tests, and before the program
    entry: str | None = None  # the function that is tested; None: whatever the tests call
    check: bool = False  # the tests define check(candidate)

    def job(self) -> str:
        """For `inside/check.py`."""
        return json.dumps({"setup": self.setup, "tests": self.tests, "entry": self.entry, "check": self.check})


UnitTests = Dialogues | Calls


def read_tests(problem: Problem) -> UnitTests | None:
    """The tests of a problem; None where it has none. Raises ValueError where they cannot be read."""
    info = problem.info
    if all(info.get(name) is None for name in program_tests.COLUMNS):
        return None
    try:
        tests = _made_ready(program_tests.read_tests(info), {"prompt": problem.prompt, **info})
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as error:  # nested too deeply
        raise ValueError(
            f"problem {problem.id} has tests that cannot be used ({type(error).__name__}: {error}): write assert "
            "lines, a function check(candidate) with its entry_point, or inputs and outputs"
        ) from error
    if not (tests.pairs if isinstance(tests, Dialogues) else tests.tests):
        raise ValueError(f"problem {problem.id} has an empty list of tests: leave it out, or write one")
    return tests


def _made_ready(given: program_tests.Tests, info: Mapping[str, Any]) -> UnitTests:
    if isinstance(given, str):
        return _from_code(given, info)
    code, cases = [test for test in given if isinstance(test, str)], [test for test in given if isinstance(test, dict)]
    if code and cases:
        raise TypeError("some are code, and others input and output")
    if code:
        for test in code:
            ast.parse(test)
        return Calls(tuple(code), _setup(info), info.get("entry_point"))
    pairs = [(case["input"], case["output"]) for case in cases]
    called = {case.get("function") for case in cases}
    if any(called):
        (name,) = called  # a problem tests one function
        return _from_calls(str(name), pairs)
    return Dialogues(tuple((_text(a), _text(b)) for a, b in pairs))


def _from_code(code: str, info: Mapping[str, Any]) -> Calls:
    """The tests of a file of Python: each statement that asserts, each function test_...; `check` is one as a whole.

    They run one after the other, as the file would: a test begins with what stands between it and the one before.
    """
    statements = [node for node in ast.parse(code).body if not _imports_program(node)]
    functions = [node.name for node in statements if isinstance(node, ast.FunctionDef)]
    if "check" in functions:
        return Calls((code,), _setup(info), str(info["entry_point"]), check=True)
    tests: list[str] = []
    before: list[ast.stmt] = []  # since the last test
    for node in statements:
        before.append(node)
        if _asserts(node):
            tests.append(_source_of(before))
            before = []
    for name in functions:
        if name.startswith("test"):
            tests.append("\n".join([_source_of(before), f"{name}()"]).strip())
            before = []
    if tests and before:
        tests[-1] = "\n".join([tests[-1], _source_of(before)])
    return Calls(tuple(tests), _setup(info), info.get("entry_point"))


def _asserts(node: ast.stmt) -> bool:
    """Whether a statement of a file is a test: an assertion, or a loop or block that holds one.

    Not a function or a class, which only says what is to be done, nor what runs where the file is a program.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return False
    return any(isinstance(part, ast.Assert) for part in ast.walk(node))


def _source_of(statements: Sequence[ast.stmt]) -> str:
    return "\n".join(map(ast.unparse, statements))


def _imports_program(node: ast.stmt) -> bool:
    """Whether a statement fetches what is tested, by a name that data sets give the program: it is there already."""
    return isinstance(node, ast.ImportFrom) and node.module in ("solution", "main", "program")


def _from_calls(name: str, pairs: Sequence[tuple[Any, Any]]) -> Calls:
    read = [(program_tests.from_json(given), program_tests.from_json(expected)) for given, expected in pairs]
    return Calls(
        tuple(f"assert _same({name}(*{_source(given)}), {_source(expected)})" for given, expected in read), entry=name
    )


def _source(value: Any) -> str:
    """A value of JSON as Python writes it; `inf` and `nan` would be names there."""
    if isinstance(value, list):
        return f"[{', '.join(map(_source, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_source(inner)}' for key, inner in value.items())}}}"
    return f"float({str(value)!r})" if isinstance(value, float) and not math.isfinite(value) else repr(value)


def _setup(info: Mapping[str, Any]) -> str:
    """What stands before tests and program: imports, helpers, the beginning of what is to be completed."""
    imports = info.get("test_imports") or ()
    parts = [info.get("setup"), info.get("test_setup_code"), *([imports] if isinstance(imports, str) else imports)]
    code = "\n".join(part for part in parts if part)
    ast.parse(code)
    prompt, entry = info.get("prompt"), info.get("entry_point")
    if isinstance(prompt, str) and entry and f"def {entry}" in prompt and _is_python(prompt):
        return f"{code}\n{prompt}"
    return code


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _text(given: Any) -> str:
    """Input or output as text; a list is its lines."""
    return given if isinstance(given, str) else "\n".join(map(str, given)) if isinstance(given, list) else str(given)

"""The tests of a problem whose answer is a program, as data sets write them down.

    tests, test_list    ["assert f(1) == 2", ...]; test_setup_code, test_imports        MBPP
    tests, test         "def check(candidate): ..." with entry_point, prompt            HumanEval
    tests, input_output {"inputs": [...], "outputs": [...]}, with fn_name for calls     APPS, TACO

or functions test_...(), as for pytest, or pairs {"input": ..., "output": ...}. JSON text is read; what is Python is run
in a sandbox alone.
"""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groupthink.records import Problem

COLUMNS = ("tests", "test_list", "test", "input_output")


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
    given = next((info[name] for name in COLUMNS if info.get(name) is not None), None)
    if given is None:
        return None
    try:
        tests = _read(_from_json(given), {"prompt": problem.prompt, **info})
    except (KeyError, TypeError, ValueError, SyntaxError) as error:
        raise ValueError(
            f"the tests of problem {problem.id} cannot be read ({type(error).__name__}: {error}): write assert lines, "
            "a function check(candidate) with its entry_point, or inputs and outputs"
        ) from error
    if not (tests.pairs if isinstance(tests, Dialogues) else tests.tests):
        raise ValueError(f"problem {problem.id} has an empty list of tests: leave it out, or write one")
    return tests


def _read(given: Any, info: Mapping[str, Any]) -> UnitTests:
    if isinstance(given, str):
        return _from_code(given, info)
    if isinstance(given, Mapping):
        name = given.get("fn_name") or info.get("fn_name")
        pairs = list(zip(given["inputs"], given["outputs"], strict=True))
        return _from_calls(name, pairs) if name else Dialogues(tuple((_text(a), _text(b)) for a, b in pairs))
    if not isinstance(given, Sequence):
        raise TypeError(f"they are a {type(given).__name__}")
    if given and all(isinstance(item, str) for item in given):
        for item in given:
            ast.parse(item)
        return Calls(tuple(given), _setup(info), info.get("entry_point"))
    pairs = [(item["input"], item["output"]) if isinstance(item, Mapping) else tuple(item) for item in given]
    called = {item.get("function") for item in given if isinstance(item, Mapping)}
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
    read = [(_from_json(given), _from_json(expected)) for given, expected in pairs]
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
    parts = [info.get("setup"), info.get("test_setup_code"), *(info.get("test_imports") or ())]
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


def _from_json(given: Any) -> Any:
    """What JSON text says, where it is the text of a list or of an object; anything else as it is."""
    if isinstance(given, str) and given.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(given)
        except json.JSONDecodeError:
            return given
    return given


def _text(given: Any) -> str:
    """Input or output as text; a list is its lines."""
    return given if isinstance(given, str) else "\n".join(map(str, given)) if isinstance(given, list) else str(given)

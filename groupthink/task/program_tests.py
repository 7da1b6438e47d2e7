"""Tests that problems about programs bring, in the forms in which data sets publish them.

A test is a piece of Python that raises where the program is wrong (MBPP, HumanEval), or what a program reads and is to
write (APPS, TACO, LiveCodeBench): {"input": ..., "output": ...}, with "function" where one is called instead.
"""

import base64
import json
import pickletools
import zlib
from typing import Any

from groupthink.task.tables import Row

Test = str | dict[str, Any]

COLUMNS = ("test_list", "test", "tests", "input_output", "public_test_cases", "private_test_cases")


def has_tests(row: Row) -> bool:
    """Whether a row brings tests in a form that is known."""
    return any(row.get(column) for column in COLUMNS) and not isinstance(row.get("test"), dict)


def read_tests(row: Row) -> list[Test]:
    """The tests of a row; none where there are none. Raises ValueError where they cannot be read."""
    try:
        return _read(row)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise ValueError(f"the tests cannot be read ({type(error).__name__}: {error})") from None


def _read(row: Row) -> list[Test]:
    if row.get("test_list"):  # MBPP
        setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or [])
        return [f"{setup}\n{test}" if setup else str(test) for test in row["test_list"]]
    if row.get("test"):  # HumanEval
        call = f"\ncheck({row['entry_point']})\n" if row.get("entry_point") else ""
        return [f"{row['test']}{call}"]
    if row.get("tests"):
        held = row["tests"] if not isinstance(row["tests"], str) else _unpack(row["tests"])
        return [test if isinstance(test, str) else _pair(test) for test in (held if isinstance(held, list) else [held])]
    if row.get("input_output"):  # APPS, TACO
        held = _unpack(row["input_output"])
        name = {"function": held["fn_name"]} if held.get("fn_name") else {}
        return [
            {"input": given, "output": wanted, **name}
            for given, wanted in zip(held["inputs"], held["outputs"], strict=True)
        ]
    cases: list[Any] = []  # LiveCodeBench
    for column in ("public_test_cases", "private_test_cases"):
        held = _unpack(row.get(column) or "[]")
        cases += held
    name = _unpack(row.get("metadata") or "{}").get("func_name")
    return [_call(case, name) if name and case.get("testtype") == "functional" else _pair(case) for case in cases]


def _pair(case: dict[str, Any]) -> Test:
    name = {"function": case["function"]} if case.get("function") else {}
    return {"input": case["input"], "output": case["output"], **name}


def _call(case: dict[str, Any], name: str) -> Test:
    """Of a function: each argument is JSON on a line of its own, and so is the result."""
    arguments = [json.loads(line) for line in case["input"].splitlines() if line.strip()]
    return {"input": arguments, "output": json.loads(case["output"]), "function": name}


def _unpack(held: Any) -> Any:
    """JSON, or JSON packed by LiveCodeBench: base64 of zlib of a pickled text. A pickle is read as data, never run."""
    if not isinstance(held, str):
        return held
    try:
        return json.loads(held)
    except ValueError:
        pass
    packed = zlib.decompressobj().decompress(base64.b64decode(held, validate=True), 2**28)
    texts = [argument for _, argument, _ in pickletools.genops(packed) if isinstance(argument, str)]
    if len(texts) != 1:
        raise ValueError("a pickle of something else than one text")
    return json.loads(texts[0])

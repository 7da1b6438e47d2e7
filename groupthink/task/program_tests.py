"""Tests that problems about programs bring, read from the columns in which data sets publish them.

    test_list                   ["assert f(1) == 2", ...]; test_setup_code, test_imports        MBPP
    test, tests                 "def check(candidate): ..." with entry_point                    HumanEval
    input_output, tests         {"inputs": [...], "outputs": [...]}, with fn_name for calls     APPS, TACO
    public_test_cases, ...      [{"input": ..., "output": ..., "testtype": ...}], packed        LiveCodeBench

or functions test_...(), as for pytest, or pairs of input and output. Nothing is run here: what runs them is
`groupthink.reward.code`.
"""

import base64
import json
import pickletools
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

Test = str | dict[str, Any]
"""Python that raises where the program is wrong; or {"input": ..., "output": ...}, which the program reads and is to
write, with "function" where one is called instead."""

Tests = str | list[Test]
"""Python with all of the tests in it, or each of them."""

CASES = ("public_test_cases", "private_test_cases")
COLUMNS = ("tests", "test_list", "test", "input_output", *CASES)
"""In the order in which they are looked for."""

_LIKE_TESTS = re.compile(r"\b(?:assert|def)\b|[\[{]|^[A-Za-z0-9+/=]{64,}$")  # code, JSON, or what is packed


def has_tests(row: Mapping[str, Any]) -> bool:
    """Whether a row brings tests in a form that is known. (A column called "test" may say something else.)"""
    return any(_may_be_tests(row.get(column)) for column in COLUMNS) and not isinstance(row.get("test"), dict)


def read_tests(row: Mapping[str, Any]) -> Tests:
    """The tests of a row; empty where there are none. What it gives, as a column `tests`, it reads as the same.

    Raises ValueError where they cannot be read.
    """
    try:
        return _read(row)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise ValueError(f"the tests cannot be read ({type(error).__name__}: {error})") from None


def _may_be_tests(held: Any) -> bool:
    """Not where it is nothing, a number, or some words."""
    if isinstance(held, str):
        return _LIKE_TESTS.search(held) is not None
    return isinstance(held, Sequence | Mapping) and len(held) > 0


def _read(row: Mapping[str, Any]) -> Tests:
    for column in ("tests", "test_list", "test"):
        if held := row.get(column):
            return _of_any_form(from_json(held), row)
    if held := row.get("input_output"):
        return _pairs(_unpack(held), row)
    name = _unpack(row.get("metadata") or "{}").get("func_name")
    cases = [case for column in CASES for case in _unpack(row.get(column) or "[]")]
    return [_call(case, name) if name and case.get("testtype") == "functional" else _pair(case) for case in cases]


def _of_any_form(held: Any, row: Mapping[str, Any]) -> Tests:
    if isinstance(held, str):
        return held
    if isinstance(held, Mapping):
        return [_pair(held)] if "input" in held else _pairs(held, row)
    if not isinstance(held, Sequence):
        raise TypeError(f"they are of the type {type(held).__name__}")
    return [test if isinstance(test, str) else _pair(test) for test in held]


def _pairs(held: Mapping[str, Any], row: Mapping[str, Any]) -> list[Test]:
    name = held.get("fn_name") or row.get("fn_name")
    called = {"function": name} if name else {}
    return [_pair((given, wanted)) | called for given, wanted in zip(held["inputs"], held["outputs"], strict=True)]


def _pair(case: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    if not isinstance(case, Mapping):
        given, wanted = case
        return {"input": given, "output": wanted}
    called = {"function": case["function"]} if case.get("function") else {}
    return {"input": case["input"], "output": case["output"], **called}


def _call(case: Mapping[str, Any], name: str) -> Test:
    """Of a function: each argument is JSON on a line of its own, and so is the result."""
    arguments = [json.loads(line) for line in case["input"].splitlines() if line.strip()]
    return {"input": arguments, "output": json.loads(case["output"]), "function": name}


def from_json(held: Any) -> Any:
    """What JSON text says, where it is the text of a list or of an object; anything else as it is."""
    if isinstance(held, str) and held.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(held)
        except json.JSONDecodeError:
            return held
    return held


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

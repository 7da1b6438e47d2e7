"""The rows of docs/promises.md, and the tests that are marked as holding them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/promises.md"
TEST = re.compile(r"`(tests\w*/[\w/]+\.py::test_\w+)`")

Tests = dict[str, set[str]]
"""Tests (path::name) by the row that they hold."""


def rows() -> Tests:
    """The table's rows, and which tests it says hold them."""
    lines = re.findall(r"^\| ([FBS]\d+) \|(.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a row stands there twice"
    return {row: set(TEST.findall(rest)) for row, rest in lines}


def named() -> set[str]:
    """All tests that the page names, in its table and above it."""
    return set(TEST.findall(PAGE.read_text()))


def marked() -> Tests:
    """The rows that marks name, and which tests have them."""
    found: Tests = {}
    for name, test in _tests():
        for row in _rows_of(test):
            found.setdefault(row, set()).add(name)
    return found


def there() -> set[str]:
    """Every test that there is."""
    return {name for name, _ in _tests()}


def _tests() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for folder in ("tests", "tests_peers"):
        for file in sorted((ROOT / folder).rglob("test_*.py")):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield f"{file.relative_to(ROOT).as_posix()}::{node.name}", node


def _rows_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            yield from map(ast.literal_eval, decorator.args)

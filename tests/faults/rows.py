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
    for file in filter(lambda file: "pytest.mark.fault(" in file.read_text(), _files()):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for row in _rows_of(node):
                    found.setdefault(row, set()).add(_name(file, node.name))
    return found


def there() -> set[str]:
    """Every test that there is."""
    defined = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
    return {_name(file, test) for file in _files() for test in defined.findall(file.read_text())}


def _files() -> list[Path]:
    return [file for folder in ("tests", "tests_peers") for file in sorted((ROOT / folder).rglob("test_*.py"))]


def _name(file: Path, test: str) -> str:
    return f"{file.relative_to(ROOT).as_posix()}::{test}"


def _rows_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            yield from map(ast.literal_eval, decorator.args)

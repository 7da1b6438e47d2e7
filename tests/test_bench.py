"""What the scripts of `bench/` take from groupthink and from each other is there. None of them is run."""

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
SCRIPTS = sorted(BENCH.glob("*.py"))


def imports(script: Path) -> list[tuple[str, str]]:
    """The module and the name of each `from MODULE import NAME`, wherever it stands."""
    tree = ast.parse(script.read_text(encoding="utf-8"), script.name)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [(node.module or "", name.name) for node in found for name in node.names]


def defined(script: Path) -> set[str]:
    """What a script has names for at its top."""
    names: set[str] = set()
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign() | ast.AnnAssign() | ast.Import() | ast.ImportFrom():
                names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                names |= {part.asname or part.name for part in ast.walk(node) if isinstance(part, ast.alias)}
    return names


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_a_script_imports_is_there(script):
    for module, name in imports(script):
        if module.partition(".")[0] == "groupthink":
            assert find_spec(module), f"there is no {module}"
            has = hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}")
            assert has, f"{module} has no {name}"
        elif (BENCH / f"{module}.py").is_file():
            assert name in defined(BENCH / f"{module}.py"), f"{module}.py has no {name}"

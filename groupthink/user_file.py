"""A Python file of the user's, as a module."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_user_file(path: Path) -> ModuleType:
    """Run the file at `path` and give what it defines. Raises FileNotFoundError where there is none."""
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    # Two files of one name, or a file named as a library is, must not stand in for each other.
    key = f"groupthink_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(key, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module  # dataclasses and pickle look a module up by its name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    return module

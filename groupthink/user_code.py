"""What users wrote, found by the name that a recipe has for it.

module:thing      of a module that is installed
file.py:thing     of a file, relative to the working folder
given:thing       handed over by the Python program that runs this: see `give`
"""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from groupthink.nearest import nearest

GIVEN = "given"
_given: dict[str, Any] = {}


def find_thing(name: str, what: str) -> Any:
    """The function or class called `name`; `what` says of whom an error speaks, such as "reward".

    Raises ValueError where the file, the module or the thing is not there.
    """
    place, _, attribute = name.rpartition(":")
    if place == GIVEN:
        return _taken(name, attribute, what)
    module = _load_file(name, Path(place), what) if place.endswith(".py") else _load_module(name, place, what)
    thing = getattr(module, attribute, None)
    if not callable(thing):
        there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        hint = f": did you mean {nearest(attribute, there)}?" if there else ""
        raise ValueError(f"{what} {name}: there is no function or class {attribute!r} in {place}{hint}")
    return thing


def give(thing: Any) -> str:
    """The name by which a recipe may call a function, a class or an object: its module's where another process finds
    it there, else one that holds as long as this process runs.

    Raises ValueError for a thing without a name, as a lambda is.
    """
    name = getattr(thing, "__name__", type(thing).__name__)
    if not name.isidentifier():
        raise ValueError(f"{thing!r} has no name to stand in a recipe: define it with `def`")
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is not None and module.__name__ != "__main__" and getattr(module, name, None) is thing:
        return f"{module.__name__}:{name}"
    _given[name] = thing
    return f"{GIVEN}:{name}"


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


def _taken(name: str, attribute: str, what: str) -> Any:
    if attribute not in _given:
        raise ValueError(
            f"{what} {name} was given by a Python program, and is not there now: go on with the run from such a "
            "program (groupthink.train(run=..., resume=True, ...)), which gives it again"
        )
    return _given[attribute]


def installed_module(place: str) -> ModuleType | None:
    """The module of this name; None where there is none. What it imports and does not find is an error."""
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it imports is not
        return None


def _load_module(name: str, place: str, what: str) -> ModuleType:
    module = installed_module(place)
    if module is None:
        raise ValueError(
            f"{what} {name}: no module {place!r} is installed; for a file of your own write 'file.py:function'"
        )
    return module


def _load_file(name: str, path: Path, what: str) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"{what} {name}: there is no file {path.absolute()}")
    return load_user_file(path)

"""groupthink makes reasoning models: groups of chains of thought, scored by rules, each compared with its own group.

import groupthink

trained = groupthink.train(model="nano", steps=40)
print(trained.figures["after"]["pass@1"])
"""

from importlib import import_module
from typing import Any

_PLACES = {
    **dict.fromkeys(("Trained", "evaluate", "train"), "groupthink.api"),
    **dict.fromkeys(("Group", "Problem", "Response"), "groupthink.records"),
    "Verdict": "groupthink.task.verdict",
}


def __getattr__(name: str) -> Any:
    """What `__init__.pyi` lists, imported when it is first used: `groupthink --help` needs none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module 'groupthink' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)

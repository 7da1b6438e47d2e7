"""The library `verifiers` itself, of whichever interface is installed."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from groupthink.records import Group, Problem, Response
from groupthink.task import close_task, open_task
from groupthink.task.environment import EnvironmentTask
from groupthink.task.settings import TaskSettings

HERE = Path(__file__).parent


def has_conversations() -> bool:
    """Whether the library still has its first interface."""
    import verifiers

    return hasattr(verifiers, "SingleTurnEnv")


def has_tasksets() -> bool:
    """Whether it has its second one, as it is from 0.2 on."""
    return find_spec("verifiers.v1.trace") is not None


@pytest.fixture(autouse=True)
def counted(count) -> None:
    count[f"verifiers {version('verifiers')}"] += 1


@pytest.fixture
def opened() -> Iterator[Callable[..., EnvironmentTask]]:
    """Opens environments of this folder, and closes them in the end."""
    tasks = []

    def open_one(place: str, **arguments: object) -> EnvironmentTask:
        name = f"verifiers:{HERE.as_posix()}/{place}"
        given = {f"{name.rpartition(':')[2]}:{key}": value for key, value in arguments.items()}
        tasks.append(open_task(name, settings=TaskSettings(arguments=given)))
        return tasks[-1]

    yield open_one
    for task in tasks:
        close_task(task)


def a_group(problem: Problem, *talks: tuple[str, ...]) -> Group:
    none = np.zeros(1, np.float32)
    responses = [
        Response(
            np.zeros(1, np.int64),
            np.ones(1, bool),
            none,
            none,
            none,
            "".join(talk),
            "stop",
            0,
            talk if len(talk) > 1 else (),
        )
        for talk in talks
    ]
    return Group(problem, np.array([1]), tuple(responses))


def rewards(task: EnvironmentTask, group: Group) -> list[tuple[float, bool | None]]:
    [assessed] = task.assess([group])
    assert assessed is not None
    return [(each.reward, each.verdict.right) for each in assessed]

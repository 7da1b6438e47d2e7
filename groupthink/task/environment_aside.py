"""What an environment of `verifiers` does for a task, as functions that run in a process beside this one."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from groupthink.nearest import nearest
from groupthink.records import Message, Prompt
from groupthink.user_code import installed_module, load_user_file

LOADER = "load_environment"
"""The function by which a module gives its environment, where a recipe names none."""


@dataclass(frozen=True, slots=True)
class Source:
    """Source(name="verifiers:wordle", place="wordle", arguments='{"max_turns": 4}')"""

    name: str
    place: str  # an environment's id, a module or a file, with or without the name of a thing in it
    arguments: str  # JSON, so that it can be remembered by


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem of an environment's."""

    prompt: Prompt
    answer: str | None
    info: Mapping[str, Any] = field(default_factory=dict)
    rest: str = ""  # of its row, as JSON: what tells it from another with the same prompt and answer


@dataclass(frozen=True, slots=True)
class Described:
    """What an environment has. The place of a problem is its number among both lists, one after the other."""

    what: str  # its class
    train: list[Asked]
    held_out: list[Asked] | None  # None: it has none of its own
    replies: bool  # whether a conversation may go on after the policy's first turn
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """Scored(reward=0.2, right=False, note="right 0, form 1")"""

    reward: float | None  # None: it could not be scored
    right: bool | None  # see `environment_right`
    note: str


class Opened(Protocol):
    """An environment of either interface."""

    def describe(self) -> Described: ...

    async def reply(self, place: int, turns: Sequence[str]) -> tuple[Message, ...] | None:
        """What follows the policy's last turn; `turns` are its own and the replies, in order."""
        ...

    async def score(self, place: int, talks: Sequence[Sequence[str]]) -> list[Scored]:
        """What each of the conversations is worth, of which the policy's turns are told."""
        ...

    async def close(self) -> None: ...


def describe(source: Source) -> Described:
    """The environment's problems. Raises ValueError where it is not there, or is none that can be learned from."""
    return opened(source).describe()


def reply(source: Source, place: int, turns: Sequence[str]) -> tuple[Message, ...] | None:
    """What follows the policy's last turn; None: the conversation is over."""
    return _run(opened(source).reply(place, turns))


def score(source: Source, asked: Sequence[tuple[int, Sequence[Sequence[str]]]]) -> list[list[Scored]]:
    """The scores of groups: of each the place of its problem, and the policy's turns in each conversation."""

    async def every() -> list[list[Scored]]:
        environment = opened(source)
        return list(await asyncio.gather(*(environment.score(place, talks) for place, talks in asked)))

    return _run(every())


def close(source: Source) -> None:
    """Let the environment end what it has running."""
    _run(opened(source).close())


@lru_cache(maxsize=8)
def opened(source: Source) -> Opened:
    """The environment, opened once. Raises ValueError where it is not there, or of no known kind."""
    thing, arguments = _find(source), json.loads(source.arguments)
    with _signals_kept():
        found = _made(thing, arguments, source.name)
        if callable(getattr(found, "get_dataset", None)) and hasattr(found, "rubric"):
            from groupthink.task.environment_v0 import Conversations

            return Conversations(found, source.name)
        if callable(getattr(found, "load", None)):
            from groupthink.task.environment_v1 import Tasks

            return Tasks(found, source.name)
    raise ValueError(
        f"{source.name} gives {type(found).__name__}: an environment is a verifiers.Environment, or a Taskset of "
        "verifiers.v1"
    )


def _find(source: Source) -> Callable[..., Any]:
    """The function or class that gives the environment."""
    where, _, attribute = source.place.partition(":")
    module = load_user_file(Path(where)) if where.endswith(".py") else _installed(where, source.name)
    exported = [getattr(module, name, None) for name in getattr(module, "__all__", ())]
    tasksets = [thing for thing in exported if isinstance(thing, type) and callable(getattr(thing, "load", None))]
    if not attribute and not callable(getattr(module, LOADER, None)):
        if len(tasksets) == 1:
            return tasksets[0]
        raise ValueError(
            f"{where} has no function {LOADER}, and {len(tasksets)} of what it exports by __all__ are tasksets: name "
            f"what gives the environment, as {source.name}:THING"
        )
    thing = getattr(module, attribute or LOADER, None)
    if not callable(thing):
        there = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = f": did you mean {nearest(attribute, there)}?" if there else ""
        raise ValueError(f"there is no function or class {attribute!r} in {where}{hint}")
    return thing


def _installed(where: str, name: str) -> ModuleType:
    """The module of an environment: its id, without the owner and the version, with _ for -."""
    module = where.rpartition("/")[2].partition("@")[0].replace("-", "_")
    for place in (module, f"verifiers.v1.tasksets.{module}"):
        if (found := installed_module(place)) is not None:
            return found
    raise ValueError(
        f"no environment {where!r} is installed (there is no module {module}): install its package, or name a file, "
        f"as verifiers:own.py ({name} is what was asked for)"
    )


def _made(thing: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> Any:
    """What a loader gives for its arguments, or an object of a class of tasks."""
    if isinstance(thing, type) and callable(getattr(thing, "load", None)):
        from groupthink.task.environment_v1 import configured

        return configured(thing, arguments)
    try:
        return thing(**arguments)
    except TypeError as error:
        raise ValueError(
            f'{error} (arguments are given as "{name.rpartition(":")[2]}:key" = value in [task])'
        ) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """An environment that takes signals for itself does not keep them: whoever began this process ends it."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for all calls: what an environment opens in it stays open."""
    return asyncio.new_event_loop()


def _run(coroutine: Any) -> Any:
    return _loop().run_until_complete(coroutine)

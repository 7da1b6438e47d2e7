"""The first interface of `verifiers`: an `Environment` holds conversations, and its rubric scores them.

Its own `rollout` is run, with the policy's words in the place of a model's; where it asks for more of them, what it
asks with is its reply. So whatever it does between two turns is done here, too, and each conversation is held anew.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from groupthink.extras import need
from groupthink.records import Message
from groupthink.task.environment_aside import Asked, Described, Scored
from groupthink.task.environment_right import is_right, main_of
from groupthink.task.messages import as_messages, as_prompt, plain_info

NOTHING = Scored(0.0, False, "")

NUMBER = "example_id"
"""The column in which the library numbers the rows of any data set: it tells nothing of them."""

POLICY = "policy"
"""The name of the model that an environment is told."""


class Conversations:
    """An environment of this interface. Raises ValueError for one that asks for more than text, or gives no reward."""

    def __init__(self, environment: Any, name: str):
        if getattr(environment, "tool_defs", None) or getattr(environment, "oai_tools", None):
            raise ValueError(f"{name} has tools that a model is to call by OpenAI's format: only text is taken")
        if len(getattr(environment, "envs", ())) > 1:
            raise ValueError(f"{name} is a group of environments: name each of them in task.mixture")
        self.environment = environment
        self._drawing = asyncio.Lock()  # groups are scored side by side, and random numbers are the whole process's
        weights = weights_of(environment.rubric)
        self.main = main_of(weights)
        self.most = sum(weight for _, weight in weights if weight > 0)
        if not self.most > 0:
            raise ValueError(f"the rubric of {name} has no function with a weight above 0: there is nothing to earn")
        held = any(getattr(environment, part, None) is not None for part in ("eval_dataset", "eval_dataset_source"))
        self._train: list[dict[str, Any]] = environment.get_dataset().to_list()
        self._held: list[dict[str, Any]] | None = environment.get_eval_dataset().to_list() if held else None

    def describe(self) -> Described:
        return Described(
            type(self.environment).__name__,
            list(map(_asked, self._train)),
            None if self._held is None else list(map(_asked, self._held)),
            replies=_may_reply(self.environment),
            notes=() if self.main is None else (f"right is where its {self.main} gives 1",),
        )

    async def reply(self, place: int, turns: Sequence[str]) -> tuple[Message, ...] | None:
        _, asked = await self._held_anew(place, turns[::2])
        if asked is None:
            return None
        since = max((i for i, message in enumerate(asked) if message["role"] == "assistant"), default=-1)
        if since + 1 == len(asked):
            raise ValueError("it asks for another turn and says nothing itself")
        return tuple(asked[since + 1 :])

    async def score(self, place: int, talks: Sequence[Sequence[str]]) -> list[Scored]:
        held: dict[int, Any] = {}
        scored = [NOTHING for _ in talks]
        for number, talk in enumerate(talks):
            try:
                held[number], _ = await self._held_anew(place, talk)
            except Exception as error:  # by what the policy wrote: it earns nothing
                scored[number] = replace(NOTHING, note=f"the conversation failed ({type(error).__name__}: {error})")
        rubric = self.environment.rubric
        if held:
            await rubric.score_group(list(held.values()))
        for number, state in held.items():
            scored[number] = self._scored(state)
            if callable(clean := getattr(rubric, "cleanup", None)):
                await clean(state)
        return scored

    async def close(self) -> None:
        if callable(end := getattr(self.environment, "_teardown", None)):
            await end()

    async def _held_anew(self, place: int, spoken: Sequence[str]) -> tuple[Any, list[Message] | None]:
        """The state after these turns of the policy's, and the messages with which another is asked for, if it is."""
        row = (self._train + (self._held or []))[place]
        policy = scripted(spoken)
        async with self._drawing:
            with _drawing_from(place):
                state = await self.environment.rollout(dict(row), policy, POLICY, {})
        if (error := state.get("error")) is not None and policy.asked is None:
            raise error
        return state, policy.asked

    def _scored(self, state: Mapping[str, Any]) -> Scored:
        reward, given = float(state["reward"]), state["metrics"] or {}
        note = ", ".join(f"{name} {value:g}" for name, value in given.items())
        return Scored(reward, is_right(given, self.main, reward, self.most), note)


def weights_of(rubric: Any) -> list[tuple[str, float]]:
    """The functions of a rubric, or of several in one, with their weights."""
    inner = getattr(rubric, "rubrics", None)
    if inner:
        return [pair for one in inner for pair in weights_of(one)]
    functions, weights = getattr(rubric, "funcs", ()), getattr(rubric, "weights", ())
    return [
        (getattr(function, "__name__", ""), float(weight)) for function, weight in zip(functions, weights, strict=True)
    ]


def library(part: str) -> Any:
    """A part of `verifiers` that is of this interface."""
    return need(f"verifiers.{part}", "an environment with a rubric", "verifiers")


def scripted(spoken: Sequence[str]) -> Any:
    """A client of the library's that says what is in the script, and then notes what it is asked and gives up."""
    clients, errors, types = (library(part) for part in ("clients", "errors", "types"))

    class Scripted(clients.Client):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.left = list(spoken)
            self.asked: list[Message] | None = None

        async def get_response(self, prompt: Any, model: str, *arguments: Any, **more: Any) -> Any:
            if not self.left:
                self.asked = as_messages(prompt)
                raise errors.OverlongPromptError("there is no more to be said")
            said = self.left.pop(0)
            message = types.ResponseMessage(
                content=said,
                reasoning_content=None,
                tool_calls=None,
                finish_reason="stop",
                is_truncated=False,
                tokens=None,
            )
            return types.Response(id=POLICY, created=0, model=model, usage=None, message=message)

    Scripted.__abstractmethods__ = frozenset()  # nothing else of it is called
    return Scripted()


def _asked(row: Mapping[str, Any]) -> Asked:
    answer = row.get("answer")
    rest = {name: value for name, value in row.items() if name not in ("prompt", "answer", NUMBER)}
    return Asked(
        as_prompt(row["prompt"]),
        None if answer in (None, "") else str(answer),
        plain_info(row.get("info")),
        json.dumps(rest, sort_keys=True, default=str),
    )


def _may_reply(environment: Any) -> bool:
    """Whether its conversations may have several turns: the one kind that cannot is known by its class."""
    return not isinstance(environment, need("verifiers", "an environment", "verifiers").SingleTurnEnv)


@contextmanager
def _drawing_from(place: int) -> Iterator[None]:
    """An environment that draws by Python's own random numbers, or by numpy's, draws the same in every conversation.

    They belong to the whole process: nothing else may draw, or be here, meanwhile.
    """
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(place)
    np.random.seed(place)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)

"""The second interface of `verifiers`: a `Taskset` of tasks, each of which scores a trace of messages.

A trace is made of the problem's messages and of what the policy wrote; its reasoning stands apart from its answer, as
the library's own clients put it. What needs a runtime, tools or several agents is refused.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, get_args

from groupthink.chain import CLOSE, OPEN, read_chain
from groupthink.extras import need
from groupthink.records import Message
from groupthink.task.environment_aside import Asked, Described, Scored
from groupthink.task.environment_right import is_right, main_of
from groupthink.task.messages import as_messages, plain_info

ENDLESS = 4_096
"""Tasks that are taken of a set without an end."""


class Tasks:
    """A set of tasks of this interface. Raises ValueError for tasks of which more than text is asked."""

    def __init__(self, taskset: Any, name: str):
        self.taskset, self.name = taskset, name
        self.endless = bool(getattr(taskset, "INFINITE", False))
        tasks = taskset if hasattr(taskset, "__iter__") else taskset.load()  # which numbers them, too, from 0.3 on
        self.tasks = list(islice(tasks, ENDLESS) if self.endless else tasks)
        if _offers(taskset, "toolsets"):
            raise ValueError(f"{name} has tools that run beside a model: only text is taken")
        for task in self.tasks:
            _require_text(task, name)

    def describe(self) -> Described:
        notes = (f"{self.name} has no end: its first {ENDLESS} problems are taken",) if self.endless else ()
        return Described(type(self.taskset).__name__, list(map(_asked, self.tasks)), None, replies=False, notes=notes)

    async def reply(self, place: int, turns: Sequence[str]) -> tuple[Message, ...] | None:
        return None

    async def score(self, place: int, talks: Sequence[Sequence[str]]) -> list[Scored]:
        return [await self._score(self.tasks[place], talk[-1]) for talk in talks]

    async def close(self) -> None:
        """Nothing is running."""

    async def _score(self, task: Any, text: str) -> Scored:
        trace = trace_of(task, text)
        try:
            await task.score(trace)
        except Exception as error:
            return Scored(0.0, False, f"the task could not score it ({type(error).__name__}: {error})")
        given = {name: reward for name, reward in trace.rewards.items() if reward is not None}
        if not given:
            raise ValueError(f"{self.name} gives no reward to a trace that no runtime has made")
        main = main_of([(name, reward.weight) for name, reward in given.items()])
        most = sum(reward.weight for reward in given.values() if reward.weight > 0)
        right = is_right({name: reward.score for name, reward in given.items()}, main, trace.reward, most)
        note = ", ".join(f"{name} {reward.score:g}" for name, reward in given.items())
        return Scored(float(trace.reward), right, note)


def library() -> Any:
    """The part of `verifiers` that is this interface."""
    return need("verifiers.v1", "a set of tasks", "verifiers")


def configured(kind: type, arguments: Mapping[str, Any]) -> Any:
    """A taskset of class `kind`, configured by the arguments. Raises ValueError for one that it does not take."""
    plain = library().TasksetConfig
    configuration: Any = next((one for one in _type_arguments(kind) if issubclass(one, plain)), plain)
    for key in arguments:
        if key not in configuration.model_fields:
            known = ", ".join(name for name in configuration.model_fields if name != "id") or "none"
            raise ValueError(f"{kind.__name__} takes no argument {key!r} (it takes: {known})")
    return kind(configuration(**arguments))


def trace_of(task: Any, text: str) -> Any:
    """The trace of a conversation of one turn."""
    vf = library()
    makers: dict[str, Callable[..., Any]] = {"system": vf.SystemMessage, "user": vf.UserMessage}
    said: list[Any] = [
        makers.get(message["role"], vf.AssistantMessage)(content=message["content"]) for message in _messages(task.data)
    ]
    nodes = [vf.MessageNode(message=message, parent=place - 1 if place else None) for place, message in enumerate(said)]
    content, reasoning = apart(text)
    spoken = vf.AssistantMessage(content=content, reasoning_content=reasoning)
    nodes.append(vf.MessageNode(message=spoken, parent=len(nodes) - 1 if nodes else None, sampled=True))
    return vf.Trace(
        task=vf.TraceTask(type=type(task).__name__, data=task.data),
        agent=vf.AgentInfo(config=vf.AgentConfig()),
        nodes=nodes,
    )


def apart(text: str) -> tuple[str, str | None]:
    """The answer and the reasoning; a chain that is not closed has no answer."""
    if OPEN not in text and CLOSE not in text:
        return text, None
    chain = read_chain(text)
    return chain.answer or "", chain.reasoning


def _asked(task: Any) -> Asked:
    answer = getattr(task.data, "answer", None)
    info = plain_info({name: getattr(task.data, name) for name in ("idx", "name") if hasattr(task.data, name)})
    rest = {name: value for name, value in vars(task.data).items() if name not in ("prompt", "answer", "idx")}
    return Asked(
        tuple(_messages(task.data)),
        None if answer is None else str(answer),
        info,
        json.dumps(rest, sort_keys=True, default=str),
    )


def _messages(data: Any) -> list[Message]:
    """The prompt of a task, with what the system says before it."""
    asked: list[Message] = as_messages(data.prompt)
    return [{"role": "system", "content": data.system_prompt}, *asked] if data.system_prompt else asked


def _require_text(task: Any, name: str) -> None:
    """Raise ValueError for a task that text alone does not do for."""
    plain = library().Task
    prepared = [hook for hook in ("setup", "finalize") if getattr(type(task), hook) is not getattr(plain, hook)]
    if task.data.prompt is None:
        raise ValueError(f"a task of {name} has no prompt: a user is to begin, who is not there")
    if getattr(task, "NEEDS_CONTAINER", False) or prepared:
        raise ValueError(f"a task of {name} prepares a runtime ({', '.join(prepared) or 'a container'}): there is none")
    if _offers(task, "toolsets"):
        raise ValueError(f"a task of {name} has tools that run beside a model: only text is taken")
    if needing := [hook.__name__ for hook in task.hooks("reward") if _needs_runtime(hook)]:
        raise ValueError(f"rewards of {name} look at a runtime, and there is none: {', '.join(needing)}")


def _offers(thing: Any, method: str) -> bool:
    """Whether a task, or a set of them, brings tools along."""
    offered = getattr(type(thing), method, None)
    return bool(offered(thing.config)) if callable(offered) else False


def _needs_runtime(hook: Callable[..., Any]) -> bool:
    parameter = inspect.signature(hook).parameters.get("runtime")
    return parameter is not None and parameter.default is inspect.Parameter.empty


def _type_arguments(kind: type) -> Iterator[type]:
    """The classes in the brackets of what a class is made from, its own first."""
    for one in kind.__mro__:
        for origin in getattr(one, "__orig_bases__", ()):
            yield from (argument for argument in get_args(origin) if isinstance(argument, type))

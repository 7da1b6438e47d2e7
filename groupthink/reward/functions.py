"""Rewards that other people wrote: plain Python functions, found by name and wrapped into one form.

    def f(problem, response) -> float | None            for each response
    def f(group) -> list[float | None]                  for a whole group: its one parameter is named `group`

or as TRL, verl and reasoning-gym call theirs (`adapters.py`): the names of the parameters show which. Each may be
`async`; a plain one is never called in the loop in which others are waited for (`beside.py`). None means that this
reward does not count for this response. So it is where a call takes too long, which the note of the score then says;
where that happens time and again, it is an error.
"""

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from groupthink.records import Group
from groupthink.reward.adapters import GROUP, Form, asked_for, form_of
from groupthink.reward.beside import here
from groupthink.reward.interrupt import TooLong
from groupthink.user_code import find_thing

MOST_LATE = 3
"""Calls of a function in a row that took too long: then something is wrong with it, and not with a response."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Noted:
    """A value of a reward, and what is to be said of it in the note of the score."""

    value: float | None
    note: str


Value = float | None | Noted
Reward = Callable[[Group], Awaitable[Sequence[Value]]]
"""A value, or None, for each response of a group."""


def value_of(given: Value) -> float | None:
    """What counts of a value."""
    return given.value if isinstance(given, Noted) else given


def load_function(name: str) -> Callable[..., Any]:
    """The function that a recipe calls `name`: see `user_code`. Raises ValueError where there is none."""
    function: Callable[..., Any] = find_thing(name, "reward")
    return function


def as_reward(function: Callable[..., Any], name: str, patience: float | None = None) -> Reward:
    """`function`, plain or async, of any form above, as a reward whose values are checked.

    `patience`: seconds that one call may take (None: for ever). What takes longer does not count, and the third such
    call in a row raises TimeoutError. A plain one computes in this process, and is interrupted there (`interrupt.py`).
    Raises ValueError where its parameters are those of no form.
    """
    names = frozenset(inspect.signature(function).parameters)
    form = None if GROUP in names else form_of(names)
    takes_group = GROUP in names or (form is not None and form.called_for == GROUP)
    if form is None and not takes_group:
        _require_own_form(function, name)
    waits = _is_async(function)
    late: list[str] = []  # what took too long since a call last ended in time

    async def called(asked: Callable[[], Any], what: str) -> Any:
        """What it gives; where that is late, a value that does not count."""
        try:
            value = await _called(asked, what, waits=waits, form=form, patience=patience)
        except TooLong as error:
            late.append(what)
            if len(late) >= MOST_LATE:
                error.add_note(f"the calls before it took too long, too: {'; '.join(late[:-1])}")
                raise
            _log.warning("%s does not count: %s", what, error)
            return Noted(None, str(error))
        late.clear()
        return value

    def call(group: Group, place: int) -> Any:
        """The function, called as its form asks; `place` is that of the response, where it is asked for one."""
        if form is not None:
            return function(**asked_for(function, form.arguments(group, place), name, group.problem))
        return function(group) if takes_group else function(group.problem, group.responses[place])

    async def reward(group: Group) -> list[Value]:
        if takes_group:
            what = f"reward {name} of the responses to {group.problem.id}"
            values = await called(partial(call, group, 0), what)
            if isinstance(values, Noted):
                return [values] * len(group.responses)
            _check_length(values, name, group)
        else:
            what = f"reward {name} of response {{}} to {group.problem.id}"
            values = await asyncio.gather(
                *(called(partial(call, group, j), what.format(j)) for j in range(len(group.responses)))
            )
        return [_checked(value, name, group, place) for place, value in enumerate(values)]

    return reward


def _require_own_form(function: Callable[..., Any], name: str) -> None:
    signature = inspect.signature(function)
    try:
        signature.bind("problem", "response")
    except TypeError:
        raise ValueError(
            f"reward {name} has the parameters {signature}: write f(problem, response), f(group), or as in TRL "
            "f(completions, **columns), as in verl f(data_source, solution_str, ground_truth, extra_info), or as in "
            "reasoning-gym f(answer, entry)"
        ) from None


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _called(
    function: Callable[[], Any], what: str, *, waits: bool, form: Form | None, patience: float | None
) -> Any:
    """What a function of the user's gives, awaited where it is async. Where it fails, the error says in `what`.

    `waits`: calling it only begins it, so that this may be done in the loop.
    """
    try:
        value = function() if waits else await here(function, patience)
        value = await _within(patience, value) if inspect.isawaitable(value) else value
        return value if form is None else form.value(value)
    except Exception as error:
        error.add_note(f"raised by {what}; a reward that does not count is None")
        if form is not None:
            error.add_note(f"it was called as {form.library} calls its rewards: groupthink/reward/adapters.py says how")
        raise


async def _within(seconds: float | None, value: Awaitable[Any]) -> Any:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await value
    except TimeoutError:
        if limit.expired():
            raise TooLong(f"it gave nothing within {seconds:g} s (reward.patience)") from None
        raise  # of the function's own


def _check_length(values: object, name: str, group: Group) -> None:
    if not isinstance(values, Sequence | np.ndarray):
        raise ValueError(f"reward {name} gave {type(values).__name__} for a group: return a list of numbers or None")
    if len(values) != len(group.responses):
        raise ValueError(
            f"reward {name} gave {len(values)} values for the {len(group.responses)} responses "
            f"to problem {group.problem.id}: return one for each response, in order"
        )


def _checked(value: object, name: str, group: Group, place: int) -> Value:
    if value is None or isinstance(value, Noted):
        return value
    if isinstance(value, Real | np.bool_) and math.isfinite(value):
        return float(value)
    raise ValueError(
        f"reward {name} gave {value!r} for response {place} to problem {group.problem.id}: "
        "return a finite number, or None where this reward does not count"
    )

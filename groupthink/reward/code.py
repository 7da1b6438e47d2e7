"""Code: does the program in the answer pass the problem's tests? It runs in a sandbox, away from what it is tested by.

The program never meets the expected results: where it prints, what it printed is compared here; where its functions are
called, the tests run in a second sandbox, which asks the program's for values. So there is nothing in its own process
that a program could change, leave early or read to pass without being right.
"""

import asyncio
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from groupthink.chain import read_chain
from groupthink.records import Group, Response
from groupthink.reward.beside import run_beside
from groupthink.reward.functions import Noted, Value
from groupthink.reward.places import Places
from groupthink.reward.sandbox import Confinement, output_of, require_sandbox, verdicts_on
from groupthink.reward.unit_tests import Calls, UnitTests, read_tests

_FENCE = re.compile(r"[ \t]*```[ \t]*([\w+-]*)(.*)")
PYTHON = ("python", "python3", "py")
IN_ALL = 5
"""All inputs of a program together may take as many times as long, by the clock, as one of them."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a program. Tried(passed=(True, False, False), note="its time was over at input 2 of 3, ...")"""

    passed: tuple[bool, ...]  # for each test, in order; what was not tried has failed
    note: str = ""


class Programs:
    """Runs programs against tests, so many at a time as there are cores. Raises ValueError without a sandbox."""

    def __init__(self, where: Confinement):
        require_sandbox(where.sandbox)
        self.where = where
        self._places = Places(_cores())

    async def tried(self, program: str, tests: UnitTests, *, every: bool) -> Tried:
        """Which tests a program passes; not `every`: no more of them once one has failed.

        A program that hangs costs its time once, and not with each input: what is left then counts as failed. So does
        what is left when all inputs together have taken IN_ALL times as long as one may.
        """
        if isinstance(tests, Calls):
            return await self._called(program, tests)
        return await self._fed(program, tests.pairs, every=every)

    async def _called(self, program: str, tests: Calls) -> Tried:
        text = f"{tests.setup}\n\n{program}" if tests.setup else program
        async with self._places:
            began = time.monotonic()
            passed = await verdicts_on(text, tests.job(), len(tests.tests), self.where)
            took = time.monotonic() - began
        late = not all(passed) and took >= self.where.seconds
        return Tried(tuple(passed), "its time was over before all tests were done" if late else "")

    async def _fed(self, program: str, pairs: Sequence[tuple[str, str]], *, every: bool) -> Tried:
        passed: list[bool] = []
        spent, note = 0.0, ""
        for given, expected in pairs:
            async with self._places:
                began = time.monotonic()
                printed = await output_of(program, given, self.where)
                took = time.monotonic() - began
            passed.append(printed is not None and same_output(printed, expected))
            spent += took
            done = f"{len(passed)} of {len(pairs)}"
            if printed is None and took >= self.where.seconds:
                note = f"its time was over at input {done}, and the rest counts as failed"
            elif spent >= IN_ALL * self.where.patience and len(passed) < len(pairs):
                note = f"inputs 1 to {done} took {spent:.0f} s, and the rest counts as failed"
            if note or not (passed[-1] or every):
                break  # in the latter case the rest cannot change what it is worth
        return Tried((*passed, *[False] * (len(pairs) - len(passed))), note)


class CodeReward:
    """A reward of a group (`functions.Reward`): the share of the tests that each response's program passes.

    `partial`: the share; else 1 where all are passed, and 0. `opening`: what the prompt has written of the chain. A
    problem without tests does not count. Raises ValueError where there is no sandbox.
    """

    def __init__(self, where: Confinement, *, partial: bool = False, opening: str = ""):
        self.programs, self.partial, self.opening = Programs(where), partial, opening

    async def __call__(self, group: Group) -> list[Value]:
        tests = read_tests(group.problem)
        if tests is None:
            return [None] * len(group.responses)
        return list(await asyncio.gather(*(self._value(response, tests) for response in group.responses)))

    async def _value(self, response: Response, tests: UnitTests) -> Value:
        program = last_program(read_chain(response.text, opening=self.opening).answer or "")
        if program is None:
            return 0.0
        found = await self.programs.tried(program, tests, every=self.partial)
        worth = sum(found.passed) / len(found.passed) if self.partial else float(all(found.passed))
        return Noted(worth, found.note) if found.note else worth


def right_programs(asked: Collection[tuple[str, UnitTests]], where: Confinement) -> dict[tuple[str, UnitTests], bool]:
    """Whether each program passes all of its tests. Raises ValueError where there is no sandbox."""
    programs, distinct = Programs(where), list(dict.fromkeys(asked))

    async def run() -> list[Tried]:
        return list(await asyncio.gather(*(programs.tried(*each, every=False) for each in distinct)))

    return {each: all(found.passed) for each, found in zip(distinct, run_beside(run), strict=True)}


def last_program(answer: str) -> str | None:
    """The last fenced block that says it is Python; where none says so, the last that says nothing.

    >>> last_program("First:\\n```python\\nx = 1\\n```\\nBetter:\\n```python\\nx = 2\\n```\\nand run `it`.")
    'x = 2\\n'
    """
    blocks = list(_blocks(answer))
    for languages in (PYTHON, ("",)):
        if found := [code for language, code in blocks if language in languages]:
            return found[-1]
    return None


def _blocks(answer: str) -> Iterator[tuple[str, str]]:
    """The language and the code of each fenced block that is closed, in one walk: a policy writes fences in a loop."""
    language: str | None = None
    lines: list[str] = []
    for line in answer.split("\n"):
        fence = _FENCE.fullmatch(line)
        if fence and language is None:
            language, lines = fence[1].lower(), []
        elif fence and language is not None and not fence[1] and not fence[2].strip():
            yield language, "".join(f"{each}\n" for each in lines)
            language = None
        else:
            lines.append(line)


def same_output(printed: str, expected: str) -> bool:
    """Whether two outputs are the same line by line, but for blanks at the ends of lines and empty lines at the end."""
    return _lines(printed) == _lines(expected)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.rstrip().split("\n")]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

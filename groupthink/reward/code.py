"""Code: does the program in the answer pass the problem's tests? It runs in a sandbox, away from what it is tested by.

The program never meets the expected results: where it prints, what it printed is compared here; where its functions are
called, the tests run in a second sandbox, which asks the program's for values. So there is nothing in its own process
that a program could change, leave early or read to pass without being right.
"""

import asyncio
import os
import re
from collections.abc import Iterator

from groupthink.chain import read_chain
from groupthink.records import Group, Response
from groupthink.reward.places import Places
from groupthink.reward.sandbox import Confinement, output_of, require_sandbox, verdicts_on
from groupthink.reward.unit_tests import Calls, UnitTests, read_tests

_FENCE = re.compile(r"[ \t]*```[ \t]*([\w+-]*)(.*)")
PYTHON = ("python", "python3", "py")


class CodeReward:
    """A reward of a group (`functions.Reward`): the share of the tests that each response's program passes.

    `partial`: the share; else 1 where all are passed, and 0. `opening`: what the prompt has written of the chain. A
    problem without tests does not count. Raises ValueError where there is no sandbox.
    """

    def __init__(self, where: Confinement, *, partial: bool = False, opening: str = ""):
        require_sandbox(where.sandbox)
        self.where, self.partial, self.opening = where, partial, opening
        self._places = Places(_cores())

    async def __call__(self, group: Group) -> list[float | None]:
        tests = read_tests(group.problem)
        if tests is None:
            return [None] * len(group.responses)
        return list(await asyncio.gather(*(self._value(response, tests) for response in group.responses)))

    async def _value(self, response: Response, tests: UnitTests) -> float:
        program = last_program(read_chain(response.text, opening=self.opening).answer or "")
        if program is None:
            return 0.0
        passed = await self._passed(program, tests)
        return sum(passed) / len(passed) if self.partial else float(all(passed))

    async def _passed(self, program: str, tests: UnitTests) -> list[bool]:
        if isinstance(tests, Calls):
            async with self._places:
                text = f"{tests.setup}\n\n{program}" if tests.setup else program
                return await verdicts_on(text, tests.job(), len(tests.tests), self.where)
        passed = []
        for given, expected in tests.pairs:
            async with self._places:
                printed = await output_of(program, given, self.where)
            passed.append(printed is not None and same_output(printed, expected))
            if not (passed[-1] or self.partial):
                break  # the rest cannot change what it is worth
        return passed


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

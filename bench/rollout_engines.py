"""The engines that `rollout.py` compares, as running programs, and how the fastest settings of each are found."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout_drawing import Order
from vs_trl import Side, tell

Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine before it runs, and the settings to find its fastest among.

    Contender("vllm", "bench/.envs/vllm/bin/python", "rollout_vllm.py", openings=[{"threads": 1}, {"threads": 2}])
    """

    name: str
    python: Path | str
    script: str
    openings: Sequence[Settings] = ({},)  # a process for each
    ways: dict[str, Sequence[Any]] = field(default_factory=dict)  # one of each, which may differ from turn to turn


class Program(Side):
    """A running engine, which draws when asked."""

    def draw(self, order: Order) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(order.to_json() + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer | {"tokens_per_second": answer["tokens"] / answer["seconds"]}


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender that runs, with its fastest settings."""

    name: str
    program: Program
    opening: Settings
    way: Settings
    tried: dict[str, int]  # tokens a second by settings, of all that were tried

    def draw(self, turn: int, max_tokens: int) -> dict[str, Any]:
        return self.program.draw(Order(turn, max_tokens, self.way))

    def described(self) -> dict[str, Any]:
        found = {"settings": self.opening | self.way, "tried_tokens_per_second": self.tried}
        return found | {"versions": self.program.versions}


def open_all(contenders: Sequence[Contender], file: Path, stack: ExitStack) -> list[list[Program]]:
    """Each contender's programs, opened side by side, as compiling takes a while; `stack` closes them."""

    def one(contender: Contender, opening: Settings) -> Program:
        program = Program(contender.python, contender.script, str(file), json.dumps(opening))
        stack.callback(program.close)
        return program

    with ThreadPoolExecutor() as pool:
        begun = [[pool.submit(one, contender, opening) for opening in contender.openings] for contender in contenders]
        return [[program.result() for program in programs] for programs in begun]


def enter(contender: Contender, programs: Sequence[Program], max_tokens: int) -> Entrant:
    """The contender's program with its fastest settings, found on turn 0; the others are closed."""
    tried: dict[str, int] = {}
    found: dict[int, Entrant] = {}
    for opening, program in zip(contender.openings, programs, strict=True):
        way, rate = fastest_way(program, contender, opening, max_tokens, tried)
        found[rate] = Entrant(contender.name, program, opening, way, tried)
    best = found[max(found)]
    for entrant in found.values():
        if entrant is not best:
            entrant.program.close()
    return best


def fastest_way(
    program: Program, contender: Contender, opening: Settings, max_tokens: int, tried: dict[str, int]
) -> tuple[Settings, int]:
    """The best value of each of a contender's ways, one after the other, and the tokens a second that they give."""

    def rate(way: Settings) -> int:
        settings = ", ".join(f"{name} {value}" for name, value in (opening | way).items())
        if settings not in tried:
            tried[settings] = round(program.draw(Order(0, max_tokens, way))["tokens_per_second"])
            tell(f"{contender.name}, {settings or 'as it is'}: {tried[settings]} tokens/s")
        return tried[settings]

    best = {name: values[0] for name, values in contender.ways.items()}
    program.draw(Order(0, 4, best))  # what is done once is done now
    for name, values in contender.ways.items():
        best = max((best | {name: value} for value in values), key=rate)
    return best, rate(best)

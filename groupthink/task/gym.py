"""The generators of reasoning-gym (pip install 'groupthink[gym]'), each of them a task.

    [task]
    name = "gym:chain_sum"
    "chain_sum:max_terms" = 4          # its own arguments, by their names there
    raise_at = 0.8                     # its curriculum: harder from this share of right responses on

Problem i is a function of (seed, i), and of the level. A share of all problems is held out by a hash of their text.
"""

import dataclasses
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from groupthink.chain import CLOSE
from groupthink.extras import need
from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.aside import Aside, Failed
from groupthink.task.gym_items import Item, Source, dataset, find, item, score
from groupthink.task.lookahead import AHEAD, Lookahead
from groupthink.task.settings import TaskSettings
from groupthink.task.verdict import Verdict

SECONDS = 10.0
"""That a scorer may take for one answer."""

WINDOW = 64
"""Responses at one level, after which it is decided whether the next one comes."""

_REMEMBERED = 4096
"""Problems that are kept until they are scored, and until a pool comes back to them; others are made again."""

Request = tuple[Source, str, int, float]
"""What `find` is asked for: the source, the split, the index and the share that is held out."""

K = TypeVar("K")
V = TypeVar("V")


class GymTask:
    """The problems of one generator. Held-out ones are as its arguments say, whatever the level of the others.

    Raises ValueError for a generator, an argument or a split that is not there, or arguments that do not go together.
    """

    def __init__(self, generator: str, settings: TaskSettings, seed: int = 0, split: str = "held_out"):
        self.name = f"gym:{generator}"
        if split != "held_out":
            raise ValueError(f"{self.name} has no split {split!r}: choose held_out")
        if not settings.held_out:
            raise ValueError(f"task.held_out is 0, and {self.name} has no other problems to measure by: give a share")
        self.share, self.raise_at = settings.held_out, settings.raise_at
        arguments = settings.arguments_of(generator)
        _require(generator, arguments)
        self.source = Source(generator, json.dumps(arguments, sort_keys=True), seed)
        _require_first(self.source)
        self.levels = _levels(generator) if self.raise_at else 0
        self.level = _first_level(self.source, self.levels)
        self.notes: tuple[str, ...] = ()
        if self.raise_at:
            begins = f"begins at level {self.level} of 0 to {self.levels - 1} of its curriculum"
            self.notes = (f"{self.name} {'has no curriculum, and stays as it is' if self.level is None else begins}",)
        self._right = self._responses = 0  # at this level, since it was last decided on
        self._expected: list[int] = []  # training problems, in the order in which they are asked for next
        self._places: OrderedDict[Request, tuple[Source, int]] = OrderedDict()  # where a problem was found
        self._items: OrderedDict[tuple[Source, int], Item] = OrderedDict()
        self._made_ahead = Lookahead(find)
        self._scoring = Aside(SECONDS)

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step, at the level of the moment."""
        indices = range(step * n, (step + 1) * n)
        return self._problems(replace(self.source, level=self.level), "train", indices, self._after((step + 1) * n - 1))

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees."""
        return self._problems(self.source, "held_out", range(n))

    def expect(self, indices: Sequence[int]) -> None:
        """These training problems are asked for next, in this order: slow ones are made ahead along it."""
        self._expected = list(indices)

    def limit(self, longest: int) -> None:
        """From now on make no problem of more than `longest` bytes."""
        self.source = replace(self.source, longest=longest)

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """Raises ValueError: generators give answers, not how one comes to them."""
        raise ValueError(f"{self.name} has no worked solutions to imitate: sft needs a task that demonstrates")

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """Right where the generator's scorer gives full marks: many give a little to anything, and some raise."""
        answer = (text.rpartition(CLOSE)[2] if lenient else text).strip()
        try:
            value, note = self._scoring.call(score, *self._asked(problem), answer)
        except Failed as failed:
            value, note = 0.0, f"the scorer failed: {failed}"
        return Verdict(value >= 1, answer, note)

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """None has a name here."""
        return frozenset()

    def observe(self, problem: Problem, right: int, responses: int) -> None:
        """Go on to the next level once `raise_at` of the responses of this one are right."""
        if self.level is None or problem.info["level"] != self.level:
            return
        self._right, self._responses = self._right + right, self._responses + responses
        if self._responses < WINDOW:
            return
        if self._right >= self.raise_at * self._responses:
            harder = range(self.level + 1, self.levels)  # a few generators refuse some levels of their own curriculum
            self.level = next((level for level in harder if self._can(level)), self.level)
        self._right = self._responses = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"level": self.level, "right": self._right, "responses": self._responses}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state()` gave."""
        self.level, self._right, self._responses = state["level"], state["right"], state["responses"]

    def close(self) -> None:
        self._made_ahead.close()
        self._scoring.close()

    def _after(self, index: int) -> Iterable[int]:
        """The training problems that are asked for after one, as far as anyone has said."""
        return self._expected[self._expected.index(index) + 1 :] if index in self._expected else ()

    def _problems(self, source: Source, split: str, indices: Sequence[int], then: Iterable[int] = ()) -> list[Problem]:
        asked: list[Request] = [(source, split, index, self.share) for index in (*indices, *islice(then, 2 * AHEAD))]
        return [self._problem(asked[j], asked[j + 1 :]) for j in range(len(indices))]

    def _problem(self, request: Request, then: Sequence[Request]) -> Problem:
        source, split, index, _ = request
        drawn, place, made = self._found(request, then)
        at_level = "" if source.level is None else f"/level{source.level}"
        return Problem(
            id=f"{self.name}/{split}/{source.seed}{at_level}/{index}",
            task=self.name,
            prompt=made["question"],
            answer=None if made["answer"] is None else str(made["answer"]),
            info={"seed": drawn.seed, "place": place, "level": source.level},
        )

    def _found(self, request: Request, then: Sequence[Request]) -> tuple[Source, int, Item]:
        """What a request gives: remembered, as a pool asks for the same again, or else made."""
        known = self._places.get(request)
        if known is not None and known in self._items:
            return (*known, self._items[known])
        drawn, place, made = self._made_ahead.get(request, [one for one in then if one not in self._places])
        _keep(self._places, request, (drawn, place))
        _keep(self._items, (drawn, place), made)
        return drawn, place, made

    def _asked(self, problem: Problem) -> tuple[Source, Item]:
        source = replace(self.source, seed=problem.info["seed"], level=problem.info["level"])
        place = problem.info["place"]
        asked = self._items.get((source, place)) or self._scoring.call(item, source, place)
        assert asked is not None, "it was made once"
        _keep(self._items, (source, place), asked)
        return source, asked

    def _can(self, level: int) -> bool:
        """Whether a level gives problems, within the time."""
        try:
            return self._scoring.call(item, replace(self.source, level=level), 0) is not None
        except Failed:
            return False


def _keep(memory: OrderedDict[K, V], key: K, value: V) -> None:
    """Remember it, and forget what was longest not remembered."""
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def _require(generator: str, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError for a generator or an argument that is not there."""
    need("reasoning_gym", f"task gym:{generator}", "gym")
    from reasoning_gym.factory import DATASETS

    if generator == "composite":
        raise ValueError("gym:composite mixes generators: name them in task.mixture, and their weights in task.shares")
    if generator not in DATASETS:
        raise ValueError(f"reasoning-gym has no generator {generator!r}: did you mean {nearest(generator, DATASETS)}?")
    known = [field.name for field in dataclasses.fields(DATASETS[generator][1]) if field.name not in ("seed", "size")]
    for key in arguments:
        if key not in known:
            raise ValueError(
                f"gym:{generator} takes no argument {key!r}: did you mean {nearest(key, known)}? "
                f"(it takes {', '.join(known)})"
            )


def _require_first(source: Source) -> None:
    """Raise ValueError where the generator refuses its arguments."""
    try:
        dataset(source)
    except Exception as error:  # most assert, without a type of their own
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"gym:{source.generator} refuses its arguments {source.arguments} ({said})") from error


def _first_level(source: Source, levels: int) -> int | None:
    """The first level that the generator does not refuse; None where there is none."""
    for level in range(levels):
        with suppress(ValueError):
            _require_first(replace(source, level=level))
            return level
    return None


def _levels(generator: str) -> int:
    """How many levels the generator's curriculum has; 0 where it has none."""
    from reasoning_gym.factory import create_curriculum, has_curriculum

    if not has_curriculum(generator):
        return 0
    return max((len(attribute.levels) for attribute in create_curriculum(generator).attributes.values()), default=0)

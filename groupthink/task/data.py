"""A data set as a task: its rows are the problems, and a rule compares answers with the one in the row.

    [task]
    data = "openai/gsm8k:main"
    split = "test"

Training problems come in epochs, each in an order of its own: problem i is a function of (seed, i).
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

from groupthink.chain import CLOSE, OPEN
from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.answer import RULES, Rule, open_rule
from groupthink.task.columns import (
    ANSWERS,
    Columns,
    find_columns,
    key_of,
    likely_rule,
    read_answer,
    read_prompt,
    value_of,
)
from groupthink.task.hashed import share_of
from groupthink.task.program_tests import COLUMNS as TESTS
from groupthink.task.program_tests import has_tests, read_tests
from groupthink.task.settings import TaskSettings
from groupthink.task.tables import TRAINING, Row, read_splits
from groupthink.task.verdict import Verdict

SPOILERS = tuple(name.partition(".")[0] for name in ANSWERS)
"""Columns that tell the answer, or show the way to it."""


class DataTask:
    """The problems of the data set at `place`. `split` says which ones are held out: see `TaskSettings`.

    `notes` says what was read as what, and what was left out. Raises FileNotFoundError and ValueError for a data set
    that cannot be read, has no such columns or split, or leaves nothing to train on or to hold out.
    """

    def __init__(self, name: str, place: str, settings: TaskSettings, seed: int = 0, split: str = "held_out"):
        self.name, self.seed = name, seed
        splits = read_splits(place)
        training = _training(splits, place)
        rows = splits[training]
        tested = 2 * sum(map(has_tests, rows)) > len(rows)  # the few that have none are left out
        unlabelled = settings.unlabelled
        named = [*rows, *splits.get(split, [])] if unlabelled else rows  # those to measure by may have answers
        columns = find_columns(named, place, settings.prompt, settings.answer, tested=tested, unlabelled=unlabelled)
        notes = [_mapping(place, columns, splits, training, tested=tested, unlabelled=unlabelled)]
        every = _read(name, place, training, rows, columns, notes, tested=tested, unlabelled=unlabelled)
        if split == "held_out":
            held = _picked(_measurable(every), settings.held_out)
            notes.append(_others(splits, training, len(held), len(every)))
        else:
            found = _found(splits, split, training, place)
            held = _measurable(
                _read(name, place, found, splits[found], columns, notes, tested=tested, unlabelled=unlabelled)
            )
        both = every.keys() & held.keys()
        if split != "held_out" and both:
            notes.append(f"{len(both)} problems are in {training} and in {split}: they are kept from training")
        self._train = [problem for key, problem in every.items() if key not in both]
        # In an order of its own: files are often sorted by subject, and an evaluation takes the first ones.
        self._held = [held[key] for key in sorted(held, key=share_of)]
        _require_some(self._train, self._held, place, split, settings)
        answers = _answers(every) or _answers(held)
        verify = settings.verify or likely_rule(answers)
        if answers and not tested:
            notes.append(f"answers are compared by the rule {verify!r}, the first one being {answers[0]!r}")
        elif not tested:
            _require_rule(place, settings.verify)
            notes.append(f"no answer is known: votes are compared by the rule {verify!r}")
        self.notes = tuple(note for note in notes if note)
        self._rule = open_rule(verify)
        self._order: tuple[int, list[int]] = (-1, [])  # an epoch, and the places of its problems

    @property
    def size(self) -> int:
        """How many problems there are to train on."""
        return len(self._train)

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step: every problem once, in a shuffled order, before any comes again."""
        return [self._train[self._place(index)] for index in range(step * n, (step + 1) * n)]

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees, or all where there are fewer."""
        return self._held[:n]

    def keep(self, fits: Callable[[Problem], bool], why: str) -> list[str]:
        """Leave out problems that do not fit, and give their ids. Raises ValueError where none is left."""
        every = self._train + self._held
        train, held = [list(filter(fits, problems)) for problems in (self._train, self._held)]
        if not train or not held:
            raise ValueError(f"no problem of {self.name} is left to {'train on' if not train else 'hold out'}: {why}")
        left = {problem.id for problem in train + held}
        self._train, self._held, self._order = train, held, (-1, [])
        return [problem.id for problem in every if problem.id not in left]

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """The worked solution that the data set brings. Raises ValueError where it brings none."""
        solution = problem.info.get("solution")
        if solution is None or problem.answer is None:
            raise ValueError(f"{problem.id} has no worked solution to imitate: sft needs a data set with solutions")
        return f"{OPEN}{solution}{CLOSE}{problem.answer}"

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """By the rule of the data set; `lenient` reads all that follows the reasoning, if anything does."""
        if problem.answer is None:
            decided = "its tests decide, by a reward that runs them"
            return Verdict(None, None, decided if "tests" in problem.info else "no answer is known")
        return self._rule(problem.answer, text.rpartition(CLOSE)[2].strip() or text if lenient else text)

    def rule_of(self, problem: Problem) -> Rule:
        """What compares answers, several at a time."""
        return self._rule

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """None has a name here."""
        return frozenset()

    def close(self) -> None:
        self._rule.close()

    def _place(self, index: int) -> int:
        epoch, place = divmod(index, len(self._train))
        if self._order[0] != epoch:
            order = list(range(len(self._train)))
            random.Random(f"{self.seed}/{self.name}/{epoch}").shuffle(order)
            self._order = (epoch, order)
        return self._order[1][place]


def _picked(problems: dict[str, Problem], share: float) -> dict[str, Problem]:
    """Those that a hash of the prompt picks, at least one: whatever the seed, and whatever other rows there are."""
    picked = {key: problem for key, problem in problems.items() if share_of(key) < share}
    if share and problems and not picked:
        first = min(problems, key=share_of)
        picked = {first: problems[first]}
    return picked


def _measurable(problems: dict[str, Problem]) -> dict[str, Problem]:
    """Those by which a model can be measured; all, where there is no answer to any."""
    known = {key: problem for key, problem in problems.items() if problem.answer is not None or "tests" in problem.info}
    return known or problems


def _answers(problems: dict[str, Problem]) -> list[str]:
    return [problem.answer for problem in problems.values() if problem.answer]


def _training(splits: dict[str, list[Row]], place: str) -> str:
    if TRAINING in splits or len(splits) == 1:
        return TRAINING if TRAINING in splits else next(iter(splits))
    raise ValueError(f"{place} has no split called {TRAINING} to learn from: there are {', '.join(splits)}")


def _found(splits: dict[str, list[Row]], split: str, training: str, place: str) -> str:
    if split not in splits:
        raise ValueError(
            f"{place} has no split {split!r}: did you mean {nearest(split, ['held_out', *splits])}? "
            f"(there are: held_out, {', '.join(splits)})"
        )
    if split == training:
        raise ValueError(f"task.split is {split!r}, which is what {place} trains on: name another, or held_out")
    return split


def _read(
    name: str,
    place: str,
    split: str,
    rows: Sequence[Row],
    columns: Columns,
    notes: list[str],
    *,
    tested: bool,
    unlabelled: bool,
) -> dict[str, Problem]:
    """The problems of a split by the key of their prompt; what was left out is added to `notes`."""
    found: dict[str, Problem] = {}
    left: Counter[str] = Counter()
    disputed: set[str] = set()
    kinds: set[str] = set()
    for number, row in enumerate(rows, 1):
        try:
            value = None if columns.answer is None else value_of(row, columns.answer)
            prompt = read_prompt(value_of(row, columns.prompt))
            worked = columns.answer is not None and columns.answer.lower() == "solution"
            answer = read_answer(value, worked=worked)
            tests = read_tests(row) if has_tests(row) else []
        except ValueError as error:
            raise ValueError(f"{place}, {split}, row {number}: {error}") from None
        if prompt is None or (answer is None and not tests and not unlabelled):
            left["without a problem" if prompt is None else "without tests" if tested else "without an answer"] += 1
            continue
        if value is not None:
            kinds.add(type(value).__name__)
        key = key_of(prompt)
        if key in found:
            left["that repeat another"] += 1
            if (found[key].answer, found[key].info.get("tests", [])) != (answer, tests):
                disputed.add(key)
            continue
        info = _info(row, columns, value, tests, unlabelled)
        found[key] = Problem(f"{name}/{split}/{number}", name, prompt, answer, info)
    for key in disputed:
        del found[key]
    notes += [f"{count} rows of {split} {why} are left out" for why, count in left.items()]
    if disputed:
        notes.append(f"{len(disputed)} problems of {split} come with different answers, and are left out")
    if len(kinds) > 1:
        notes.append(f"answers of {split} are of mixed types ({', '.join(sorted(kinds))}), and are all read as text")
    return found


def _info(row: Row, columns: Columns, value: object, tests: list, unlabelled: bool) -> dict[str, object]:
    """All other columns, for rewards that ask for them; the tests, read; and, unless answers are withheld, the worked
    solution."""
    own = {columns.prompt.partition(".")[0], (columns.answer or "").partition(".")[0]} - {"reward_model", "extra_info"}
    info: dict[str, object] = {
        key: held for key, held in row.items() if key not in own and key not in TESTS and _is_plain(held)
    }
    if tests:
        info["tests"] = tests
    if unlabelled:
        return {key: held for key, held in info.items() if key not in SPOILERS}
    worked = row.get("solution")
    if isinstance(value, str) and "####" in value:  # GSM8K, whose sums stand a second time between << and >>
        info["solution"] = re.sub(r"<<[^<>]*>>", "", value.rpartition("####")[0]).strip()
    elif isinstance(worked, str) and worked.strip():
        info["solution"] = worked.strip()
    return info


def _is_plain(value: object) -> bool:
    """Whether JSON can hold a value, as a checkpoint does."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float)


def _mapping(
    place: str, columns: Columns, splits: dict[str, list[Row]], training: str, *, tested: bool, unlabelled: bool
) -> str:
    answer = "its tests decide" if tested else "none is its answer"
    if columns.answer is not None:
        answer = f"the answer is its column {columns.answer!r}"
        answer += ", withheld from training" * unlabelled + ", and its tests go along" * tested
    rows = f"{len(splits[training])} rows of {training}"
    return f"{place} ({rows}): the problem is its column {columns.prompt!r}, {answer}"


def _others(splits: dict[str, list[Row]], training: str, held: int, every: int) -> str:
    others = [f'task.split="{name}"' for name in splits if name != training]
    instead = f"; instead of them, {' or '.join(others)} would be" if others else ""
    return f"{held} of {every} problems are held out, by a hash of the prompt{instead}"


def _require_rule(place: str, verify: str) -> None:
    """Raise ValueError where nothing tells how answers are compared."""
    if not verify:
        raise ValueError(
            f"no answer to the problems of {place} is known, by whose look a rule could be chosen: say in task.verify "
            f"how votes are compared ({', '.join(RULES)})"
        )


def _require_some(
    train: Sequence[Problem], held: Sequence[Problem], place: str, split: str, settings: TaskSettings
) -> None:
    if not held:
        cure = f"raise task.held_out={settings.held_out}, or set task.split to a split of its own"
        raise ValueError(f"{place} leaves no problem to hold out ({split}), by which a model is measured: {cure}")
    if not train:
        raise ValueError(f"{place} leaves no problem to train on: every row is held out, empty or disputed")

"""The problems that a data set holds: what its rows say, which are left out, and which are held out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from groupthink.chain import CLOSE
from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.answer import RULES
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
from groupthink.task.hashed import picked, share_of
from groupthink.task.program_tests import COLUMNS as TESTS
from groupthink.task.program_tests import Tests, has_tests, read_tests
from groupthink.task.settings import NOTHING
from groupthink.task.shown import COLUMNS as SHOWING
from groupthink.task.shown import SHOWN, shows_solution, solution_of, split_chat
from groupthink.task.tables import TRAINING, Row, Stamp, read_splits


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read, and how: of [task], what changes the problems. See `TaskSettings`."""

    name: str  # of the task
    place: str
    split: str
    prompt: str
    answer: str
    verify: str
    held_out: float
    unlabelled: bool
    stamp: Stamp  # of the files as they are now


@dataclass(frozen=True, slots=True)
class Problems:
    """What was read."""

    train: tuple[Problem, ...]
    held_out: tuple[Problem, ...]
    rule: str  # by which answers are compared
    notes: tuple[str, ...]  # what was read as what, and what was left out


@lru_cache(maxsize=8)
def read_problems(asked: Reading) -> Problems:
    """The problems of a data set, remembered: a recipe is checked before its run begins, which asks for the same.

    Raises FileNotFoundError and ValueError as `DataTask` does.
    """
    place, split = asked.place, asked.split
    splits = read_splits(place)
    training = _training(splits, place)
    rows = splits[training]
    tested = 2 * sum(map(has_tests, rows)) > len(rows)  # the few that have none are left out
    shown = all(map(shows_solution, rows))  # a solution states the answer
    named = [*rows, *splits.get(split, [])] if asked.unlabelled else rows  # those to measure by may have answers
    columns = find_columns(
        named, place, asked.prompt, asked.answer, tested=tested, unlabelled=asked.unlabelled, shown=shown
    )
    notes = [_mapping(place, columns, splits, training, tested=tested, unlabelled=asked.unlabelled, shown=shown)]
    every = _read(asked, training, rows, columns, notes, tested=tested)
    if split == NOTHING:
        held = {}
        notes.append("all of it is imitated: no evaluation draws from it")
    elif split == "held_out":
        held = picked(_measurable(every), asked.held_out)
        notes.append(_others(splits, training, len(held), len(every)))
    else:
        found = _found(splits, split, training, place)
        held = _measurable(_read(asked, found, splits[found], columns, notes, tested=tested))
    both = every.keys() & held.keys()
    if split != "held_out" and both:
        notes.append(f"{len(both)} problems are in {training} and in {split}: they are kept from training")
    train = tuple(problem for key, problem in every.items() if key not in both)
    # In an order of its own: files are often sorted by subject, and an evaluation takes the first ones.
    held_out = tuple(held[key] for key in sorted(held, key=share_of))
    _require_some(asked, train, held_out)
    answers = _answers(every) or _answers(held)
    rule = asked.verify or likely_rule(answers)
    if answers and not tested:
        notes.append(f"answers are compared by the rule {rule!r}, the first one being {answers[0]!r}")
    elif not tested:
        if shown and not asked.unlabelled:
            return Problems(train, held_out, asked.verify or "exact", tuple(notes))
        _require_rule(place, asked.verify)
        notes.append(f"no answer is known: votes are compared by the rule {rule!r}")
    return Problems(train, held_out, rule, tuple(notes))


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
    asked: Reading, split: str, rows: Sequence[Row], columns: Columns, notes: list[str], *, tested: bool
) -> dict[str, Problem]:
    """The problems of a split by the key of their prompt; what was left out is added to `notes`."""
    found: dict[str, Problem] = {}
    left: Counter[str] = Counter()
    disputed: set[str] = set()
    shown: dict[str, list[str]] = {}
    kinds: set[str] = set()
    for number, row in enumerate(rows, 1):
        try:
            value = None if columns.answer is None else value_of(row, columns.answer)
            question, last = split_chat(value_of(row, columns.prompt))
            prompt, solution = read_prompt(question), None if asked.unlabelled else solution_of(row, last)
            worked = columns.answer is not None and columns.answer.lower() == "solution"
            answer = read_answer(value, worked=worked)
            if columns.answer is None and solution is not None:
                answer = read_answer(solution.rpartition(CLOSE)[2], worked=True)
            tests: Tests = read_tests(row) if has_tests(row) else []
        except ValueError as error:
            raise ValueError(f"{asked.place}, {split}, row {number}: {error}") from None
        if prompt is None or (answer is None and not tests and not asked.unlabelled and solution is None):
            left["without a problem" if prompt is None else "without tests" if tested else "without an answer"] += 1
            continue
        if value is not None:
            kinds.add(type(value).__name__)
        key = key_of(prompt)
        solutions = shown.setdefault(key, [])
        if solution is not None and solution not in solutions:
            solutions.append(solution)
        elif key in found:
            left["that repeat another"] += 1
        if key in found:
            if (found[key].answer, found[key].info.get("tests", [])) != (answer, tests):
                disputed.add(key)
            continue
        info = _info(row, columns, value, tests, withheld=asked.unlabelled)
        if solution is not None:
            info[SHOWN] = solutions
        found[key] = Problem(f"{asked.name}/{split}/{number}", asked.name, prompt, answer, info)
    for key in disputed:
        del found[key]
    notes += [f"{count} rows of {split} {why} are left out" for why, count in left.items()]
    if disputed:
        notes.append(f"{len(disputed)} problems of {split} come with different answers, and are left out")
    if len(kinds) > 1:
        notes.append(f"answers of {split} are of mixed types ({', '.join(sorted(kinds))}), and are all read as text")
    return found


def _info(row: Row, columns: Columns, value: object, tests: Tests, *, withheld: bool) -> dict[str, object]:
    """All columns but the problem's, as they stand, for rewards that ask for them; the tests, read; and the worked
    solution. Where answers are withheld, nothing that tells them.
    """
    left = {columns.prompt.partition(".")[0]} - {"reward_model", "extra_info"} | set(TESTS)
    left |= set(SHOWING) if shows_solution(row) else set()
    telling = {name.partition(".")[0].lower() for name in (*ANSWERS, "extra_info", columns.answer or "")}
    info: dict[str, object] = {
        key: held
        for key, held in row.items()
        if key not in left and not (withheld and key.lower() in telling) and _is_plain(held)
    }
    if tests:
        info["tests"] = tests
    if withheld:
        return info
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
    place: str,
    columns: Columns,
    splits: dict[str, list[Row]],
    training: str,
    *,
    tested: bool,
    unlabelled: bool,
    shown: bool,
) -> str:
    answer = "its tests decide" if tested else "none is its answer"
    if shown and not unlabelled:
        answer = "the answer is what its solution states"
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


def _require_some(asked: Reading, train: Sequence[Problem], held: Sequence[Problem]) -> None:
    if not held and asked.split != NOTHING:
        cure = f"raise task.held_out={asked.held_out}, or set task.split to a split of its own"
        raise ValueError(
            f"{asked.place} leaves no problem to hold out ({asked.split}), by which a model is measured: {cure}"
        )
    if not train:
        raise ValueError(f"{asked.place} leaves no problem to train on: every row is held out, empty or disputed")

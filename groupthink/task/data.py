"""A data set as a task: its rows are the problems, and a rule compares answers with the one in the row.

    [task]
    data = "openai/gsm8k:main"
    split = "test"

Training problems come in epochs, each in an order of its own: problem i is a function of (seed, i).
"""

import re
from collections import Counter
from collections.abc import Sequence

from groupthink.chain import CLOSE, OPEN
from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.answer import Rule, open_rule
from groupthink.task.columns import Columns, find_columns, key_of, likely_rule, read_answer, read_prompt, value_of
from groupthink.task.finite import Finite
from groupthink.task.hashed import picked, share_of
from groupthink.task.program_tests import COLUMNS as TESTS
from groupthink.task.program_tests import has_tests, read_tests
from groupthink.task.settings import TaskSettings
from groupthink.task.tables import TRAINING, Row, read_splits
from groupthink.task.verdict import Verdict


class DataTask(Finite):
    """The problems of the data set at `place`. `split` says which ones are held out: see `TaskSettings`.

    `notes` says what was read as what, and what was left out. Raises FileNotFoundError and ValueError for a data set
    that cannot be read, has no such columns or split, or leaves nothing to train on or to hold out.
    """

    def __init__(self, name: str, place: str, settings: TaskSettings, seed: int = 0, split: str = "held_out"):
        self.name, self.seed = name, seed
        splits = read_splits(place)
        training = _training(splits, place)
        rows = splits[training]
        tested = bool(rows) and all(map(has_tests, rows))
        columns = find_columns(rows, place, settings.prompt, settings.answer, tested=tested)
        notes = [_mapping(place, columns, splits, training, tested=tested)]
        every = _read(name, place, training, rows, columns, notes, tested=tested)
        if split == "held_out":
            held = picked(every, settings.held_out)
            notes.append(_others(splits, training, len(held), len(every)))
        else:
            found = _found(splits, split, training, place)
            held = _read(name, place, found, splits[found], columns, notes, tested=tested)
        both = every.keys() & held.keys()
        if split != "held_out" and both:
            notes.append(f"{len(both)} problems are in {training} and in {split}: they are kept from training")
        self._train = [problem for key, problem in every.items() if key not in both]
        # In an order of its own: files are often sorted by subject, and an evaluation takes the first ones.
        self._held = [held[key] for key in sorted(held, key=share_of)]
        _require_some(self._train, self._held, place, split, settings)
        verify = settings.verify or likely_rule([problem.answer for problem in every.values() if problem.answer])
        if not tested:
            notes.append(f"answers are compared by the rule {verify!r}, the first one being {_first(self._train)}")
        self.notes = tuple(note for note in notes if note)
        self._rule = open_rule(verify)

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """The worked solution that the data set brings. Raises ValueError where it brings none."""
        solution = problem.info.get("solution")
        if solution is None or problem.answer is None:
            raise ValueError(f"{problem.id} has no worked solution to imitate: sft needs a data set with solutions")
        return f"{OPEN}{solution}{CLOSE}{problem.answer}"

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """By the rule of the data set; `lenient` reads all that follows the reasoning, if anything does."""
        if problem.answer is None:
            return Verdict(None, None, "its tests decide, by a reward that runs them")
        return self._rule(problem.answer, text.rpartition(CLOSE)[2].strip() or text if lenient else text)

    def rule_of(self, problem: Problem) -> Rule:
        """What compares answers, several at a time."""
        return self._rule

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """None has a name here."""
        return frozenset()

    def close(self) -> None:
        self._rule.close()


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
    name: str, place: str, split: str, rows: Sequence[Row], columns: Columns, notes: list[str], *, tested: bool
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
            tests = read_tests(row) if tested or has_tests(row) else []
        except ValueError as error:
            raise ValueError(f"{place}, {split}, row {number}: {error}") from None
        if prompt is None or (answer is None and not tests):
            left["without a problem" if prompt is None else "without an answer"] += 1
            continue
        if value is not None:
            kinds.add(type(value).__name__)
        key = key_of(prompt)
        if key in found:
            left["that repeat another"] += 1
            if (found[key].answer, found[key].info.get("tests", [])) != (answer, tests):
                disputed.add(key)
            continue
        found[key] = Problem(f"{name}/{split}/{number}", name, prompt, answer, _info(row, columns, value, tests))
    for key in disputed:
        del found[key]
    notes += [f"{count} rows of {split} {why} are left out" for why, count in left.items()]
    if disputed:
        notes.append(f"{len(disputed)} problems of {split} come with different answers, and are left out")
    if len(kinds) > 1:
        notes.append(f"answers of {split} are of mixed types ({', '.join(sorted(kinds))}), and are all read as text")
    return found


def _info(row: Row, columns: Columns, value: object, tests: list) -> dict[str, object]:
    """All other columns, for rewards that ask for them; the worked solution; and the tests, read."""
    own = {columns.prompt.partition(".")[0], (columns.answer or "").partition(".")[0]} - {"reward_model", "extra_info"}
    info: dict[str, object] = {
        key: held for key, held in row.items() if key not in own and key not in TESTS and _is_plain(held)
    }
    if tests:
        info["tests"] = tests
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


def _mapping(place: str, columns: Columns, splits: dict[str, list[Row]], training: str, *, tested: bool) -> str:
    answer = "its tests decide" if columns.answer is None else f"the answer is its column {columns.answer!r}"
    with_tests = ", and its tests go along" if tested and columns.answer is not None else ""
    rows = f"{len(splits[training])} rows of {training}"
    return f"{place} ({rows}): the problem is its column {columns.prompt!r}, {answer}{with_tests}"


def _others(splits: dict[str, list[Row]], training: str, held: int, every: int) -> str:
    others = [f'task.split="{name}"' for name in splits if name != training]
    instead = f"; instead of them, {' or '.join(others)} would be" if others else ""
    return f"{held} of {every} problems are held out, by a hash of the prompt{instead}"


def _first(problems: Sequence[Problem]) -> str:
    return repr(problems[0].answer)


def _require_some(
    train: Sequence[Problem], held: Sequence[Problem], place: str, split: str, settings: TaskSettings
) -> None:
    if not held:
        cure = f"raise task.held_out={settings.held_out}, or set task.split to a split of its own"
        raise ValueError(f"{place} leaves no problem to hold out ({split}), by which a model is measured: {cure}")
    if not train:
        raise ValueError(f"{place} leaves no problem to train on: every row is held out, empty or disputed")

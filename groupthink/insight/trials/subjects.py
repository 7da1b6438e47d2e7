"""From a task to what its responses are made of: problems with their answers, wrong ones, and a reasoning to each."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from groupthink.chain import read_chain
from groupthink.insight.trials.cases import Form, Subject
from groupthink.insight.trials.programs import IDLE, Tested, fenced, tested
from groupthink.insight.trials.watch import WatchedTask
from groupthink.insight.trials.writer import Writer
from groupthink.recipe import Recipe
from groupthink.records import Problem
from groupthink.reward.accuracy import verify

WRONG_ANSWERS = 5  # one to be given as the answer, the others to stand beside the right one
TRIED_ANSWERS = 12  # before there are no more wrong ones
LEAST_FILLER = 24  # tokens; with less a response is no longer than another
STAND_INS = {"choice": ("A", "B")}
STAND_IN = ("7", "11")
"""An answer that most of a group give, and one that few do, where nobody knows the right one."""


def subjects_of(recipe: Recipe, task: Any, watched: WatchedTask, writer: Writer, problems: int) -> list[Subject]:
    """The first training problems of a task, each once."""
    every = list({problem.id: problem for problem in task.sample(0, problems)}.values())
    form = Form(writer.opening, boxed=bool(recipe.reward.format_boxed), tagged=bool(recipe.reward.format_answer))
    flood, most = writer.rambling(2 * recipe.rollout.max_tokens), writer.longest
    subjects = []
    for problem in every:
        known = _known(recipe, watched, problem, every)
        worked, mistaken = _reasoning(recipe, task, writer, problem, known)
        longest = max((form.chain(worked, known.right or ""), form.chain(mistaken, _first(known.wrong))), key=len)
        room = recipe.rollout.max_tokens - writer.length(longest)
        if room < 1:
            known = replace(known, right=None, wrong=())
        subjects.append(
            Subject(
                problem=problem,
                form=form,
                right=known.right,
                accepted=known.accepted,
                fits=room >= 1,
                wrong=known.wrong[0] if known.wrong else None,
                others=known.wrong[1:],
                worked=worked,
                mistaken=mistaken,
                filler=writer.rambling(int(0.95 * (room - 8))) if room >= LEAST_FILLER else "",
                flood=flood,
                longest=most,
                tested=known.tested,
            )
        )
    return subjects


def _first(answers: Sequence[str]) -> str:
    return answers[0] if answers else ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the answers to a problem."""

    right: str | None = None
    wrong: tuple[str, ...] = ()
    accepted: bool | None = None  # whether the task says of the right one that it is
    tested: Tested | None = None


def _known(recipe: Recipe, watched: WatchedTask, problem: Problem, every: Sequence[Problem]) -> _Known:
    programs = tested(problem) if recipe.reward.code or problem.answer is None else None
    if programs is not None:
        right = None if programs.reference is None else fenced(programs.reference)
        return _Known(right, (fenced(IDLE),), tested=programs)
    if problem.answer is not None:
        accepted = verify(watched, problem, problem.answer).right
        return _Known(problem.answer, tuple(wrong_answers(watched, problem, every)), accepted)
    if recipe.reward.majority:
        most, few = STAND_INS.get(recipe.task.verify, STAND_IN)
        return _Known(most, (few,))
    return _Known()


def wrong_answers(task: WatchedTask, problem: Problem, every: Sequence[Problem]) -> list[str]:
    """Answers like the right one that the task says are wrong: some changed by little, some of other problems."""
    found: list[str] = []
    others = [other.answer for other in every if other.task == problem.task and other.answer is not None]
    candidates = dict.fromkeys((*changed(str(problem.answer)), *others, "I do not know"))
    for candidate in list(candidates)[:TRIED_ANSWERS]:
        if verify(task, problem, candidate).right is False:
            found.append(candidate)
        if len(found) == WRONG_ANSWERS:
            break
    return found


def changed(answer: str) -> Iterator[str]:
    """The same answer with its last number one higher, and one lower; of a choice, the other letters.

    >>> list(changed("x=2, x=3"))
    ['x=2, x=4', 'x=2, x=2']
    """
    if re.fullmatch(r"[A-E]", answer):
        yield from sorted(set("ABCDE") - {answer})
        return
    numbers = list(re.finditer(r"(?<!\d)\d{1,9}(?!\d)", answer))
    if not numbers:
        return
    last = numbers[-1]
    for value in (int(last.group()) + 1, int(last.group()) - 1):
        if value >= 0:
            yield f"{answer[: last.start()]}{value}{answer[last.end() :]}"


def _reasoning(recipe: Recipe, task: Any, writer: Writer, problem: Problem, known: _Known) -> tuple[str, str]:
    """How one comes to the right answer, and to a wrong one: so short that brevity has nothing against it."""
    plain = "Let me see."
    if known.tested is not None or known.right is None:
        return plain, plain
    worked, mistaken = f"It comes to {known.right}.", f"It comes to {known.wrong[0]}." if known.wrong else plain
    shown = _demonstrated(task, problem) if problem.answer is not None else None
    if shown and writer.length(shown) <= recipe.reward.brief // 2:
        worked = shown
    return worked, mistaken


def _demonstrated(task: Any, problem: Problem) -> str | None:
    """How the task itself would reason, where it shows that."""
    try:
        return read_chain(task.demonstrate(problem, True)).reasoning
    except Exception:  # most have no demonstrations, and a user's may fail in its own way
        return None

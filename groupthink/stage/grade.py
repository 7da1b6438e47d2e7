"""What responses to held-out problems are worth: by the task's rule, or by the tests that a problem brings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from groupthink.chain import Chain, read_chain
from groupthink.records import Group, Problem, Response
from groupthink.reward.accuracy import accuracy, verify_all
from groupthink.reward.code import last_program, right_programs
from groupthink.reward.format import adherence
from groupthink.reward.sandbox import Confinement
from groupthink.reward.unit_tests import UnitTests, read_tests
from groupthink.task import Task
from groupthink.task.scoring import assess
from groupthink.task.verdict import Verdict

UNKNOWN = "no answer is known"


@dataclass(frozen=True, slots=True)
class Graded:
    """One response of an evaluation. `right` is strict: the rewards for accuracy and for format are both earned.

    A program is accurate where it passes all tests of its problem. Of a problem whose task scores whole responses its
    verdict alone counts: several turns, each with its own chain of thought, have no format of ours. None: nobody knows,
    and `why` says for what reason.
    """

    problem: Problem
    response: Response
    right: bool | None
    lenient: bool | None  # right, or what is right comes last in the text, in whatever form
    extracted: str | None
    traits: frozenset[str]
    formed: bool | None = None  # well formed and not cut off; None where a task scores whole responses
    by_tests: bool = False  # a program, which is no answer that could be voted on
    why: str = ""
    environment: float | None = None  # the reward of a task that scores whole responses


def grade(
    task: Task, groups: Sequence[Group], *, opening: str = "", where: Confinement | None = None
) -> list[list[Graded]]:
    """What every response is worth (P x G).

    `opening`: what the prompt has written of the chain, as `read_chain` takes it.
    `where`: in what programs run (None: as by default); where they cannot, nobody knows what they are worth. What is
    known of a problem is known in all of its groups: a response without an answer is not wrong where none is right.
    """
    chains = [[read_chain(response.text, opening=opening) for response in group.responses] for group in groups]
    whole = assess(task, groups, opening)  # None where answers are judged alone
    alone = [(group, row) for group, row, told in zip(groups, chains, whole, strict=True) if told is None]
    asked = [(group.problem, chain.answer) for group, row in alone for chain in row]
    found = iter(verify_all(task, asked))  # of all groups together: a rule may compare several at a time
    verdicts = [
        [next(found) for _ in row] if told is None else [each.verdict for each in told]
        for row, told in zip(chains, whole, strict=True)
    ]
    rewards = [
        [None for _ in row] if told is None else [each.reward for each in told]
        for row, told in zip(chains, whole, strict=True)
    ]

    scored = {group.problem.id for group, told in zip(groups, whole, strict=True) if told is not None}

    unknown = _unknown(groups, verdicts)
    tests, unread = _tests_of(group.problem for group in groups if group.problem.id in unknown)
    try:
        passing = right_programs(_programs(groups, chains, tests), where or Confinement()) if tests else {}
    except ValueError as error:  # there is no sandbox
        tests, unread, passing = {}, unread | dict.fromkeys(tests, str(error)), {}
    unknown |= unread

    def graded(
        problem: Problem, response: Response, chain: Chain, verdict: Verdict, environment: float | None
    ) -> Graded:
        form = adherence(chain, response.finish) == 1
        right: bool | None = None
        lenient: bool | None = None
        if problem.id in tests:
            stated, anywhere = (
                program is not None and passing[program, tests[problem.id]] for program in _stated(response, chain)
            )
            right = stated and form
            lenient = right or anywhere
        elif problem.id not in unknown:
            whole_text = verdict if problem.id in scored else task.verify(problem, response.text, lenient=True)
            right = accuracy(verdict) == 1 and (form or problem.id in scored)
            lenient = right or whole_text.right is True
        return Graded(
            problem=problem,
            response=response,
            right=right,
            lenient=lenient,
            extracted=verdict.extracted,
            traits=task.traits(chain.reasoning),
            formed=None if problem.id in scored else form,
            by_tests=problem.id in tests,
            why=unknown[problem.id] if right is None else "",
            environment=environment,
        )

    return [
        [graded(group.problem, *each) for each in zip(group.responses, chains_G, told_G, rewards_G, strict=True)]
        for group, chains_G, told_G, rewards_G in zip(groups, chains, verdicts, rewards, strict=True)
    ]


def _unknown(groups: Sequence[Group], verdicts: Sequence[Sequence[Verdict]]) -> dict[str, str]:
    """The problems, by their ids, that the task has no verdict on, and what it says of that."""
    return {
        group.problem.id: verdict.note or UNKNOWN
        for group, row in zip(groups, verdicts, strict=True)
        for verdict in row
        if verdict.right is None
    }


def _tests_of(problems: Iterable[Problem]) -> tuple[dict[str, UnitTests], dict[str, str]]:
    """The tests of those that bring some, by id; and of those whose tests cannot be read, why."""
    tests: dict[str, UnitTests] = {}
    unread: dict[str, str] = {}
    for problem in {problem.id: problem for problem in problems}.values():
        try:
            if (read := read_tests(problem)) is not None:
                tests[problem.id] = read
        except ValueError as error:
            unread[problem.id] = str(error)
    return tests, unread


def _programs(
    groups: Sequence[Group], chains: Sequence[Sequence[Chain]], tests: Mapping[str, UnitTests]
) -> list[tuple[str, UnitTests]]:
    """Every program that is to be run, with the tests of its problem."""
    return [
        (program, tests[group.problem.id])
        for group, row in zip(groups, chains, strict=True)
        if group.problem.id in tests
        for response, chain in zip(group.responses, row, strict=True)
        for program in _stated(response, chain)
        if program is not None
    ]


def _stated(response: Response, chain: Chain) -> tuple[str | None, str | None]:
    """The program in the answer, and the last one anywhere where there is none."""
    stated = last_program(chain.answer or "")
    return stated, stated if stated is not None else last_program(response.text)

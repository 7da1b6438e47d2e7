"""A data set as a task: its rows are the problems, and a rule compares answers with the one in the row.

    [task]
    data = "openai/gsm8k:main"
    split = "test"

Training problems come in epochs, each in an order of its own: problem i is a function of (seed, i). A problem to which
rows show several solutions is one problem: each epoch shows the next of them.
"""

from groupthink.chain import CLOSE, OPEN
from groupthink.records import Problem
from groupthink.task.answer import Rule, open_rule
from groupthink.task.finite import Finite
from groupthink.task.reading import Reading, read_problems
from groupthink.task.settings import TaskSettings
from groupthink.task.shown import SHOWN, in_turn
from groupthink.task.tables import stamp_of
from groupthink.task.verdict import Verdict


class DataTask(Finite):
    """The problems of the data set at `place`. `split` says which ones are held out: see `TaskSettings` and `NOTHING`.

    `notes` says what was read as what, and what was left out. Raises FileNotFoundError and ValueError for a data set
    that cannot be read, has no such columns or split, or leaves nothing to train on or to hold out.
    """

    def __init__(self, name: str, place: str, settings: TaskSettings, seed: int = 0, split: str = "held_out"):
        self.name, self.seed = name, seed
        asked = Reading(
            name=name,
            place=place,
            split=split,
            prompt=settings.prompt,
            answer=settings.answer,
            verify=settings.verify,
            held_out=settings.held_out,
            unlabelled=settings.unlabelled,
            stamp=stamp_of(place),
        )
        read = read_problems(asked)
        self._train, self._held, self.notes = read.train, read.held_out, read.notes
        self._rule = open_rule(read.rule)

    def sample(self, step: int, n: int) -> list[Problem]:
        """As `Finite` has them, each with the solution whose turn it is."""
        problems = super().sample(step, n)
        return [in_turn(problem, index // self.size) for index, problem in enumerate(problems, step * n)]

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """The worked solution that the data set brings, to the letter where it shows whole responses.

        Raises ValueError where it brings none.
        """
        if shown := problem.info.get(SHOWN):
            return shown[0]
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

"""An environment of the `verifiers` library as a task (pip install 'groupthink[verifiers]').

    [task]
    name = "verifiers:wordle"     # an installed environment, by its id; or own.py:load_environment, verifiers:own.py
    "wordle:max_turns" = 4        # its own arguments, by their names there

    [reward]
    environment = 1.0             # the weight of what it gives a response
    accuracy = 0.0                # right is where its main function gives 1: see `environment_right`

Both of the library's interfaces are taken: an `Environment` with its rubric (`environment_v0.py`), and a `Taskset`
(`environment_v1.py`). It works in a process beside this one: what it imports, the signals that it handles and what
hangs in it stay there.
"""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from groupthink.chain import OPEN, read_chain
from groupthink.extras import need
from groupthink.records import Group, Message, Problem, Response
from groupthink.task.aside import Aside, Failed
from groupthink.task.columns import key_of
from groupthink.task.environment_aside import Asked, Described, Scored, Source, close, describe, reply, score
from groupthink.task.finite import Finite
from groupthink.task.hashed import picked
from groupthink.task.scoring import Assessment
from groupthink.task.settings import TaskSettings
from groupthink.task.verdict import Verdict

_log = logging.getLogger(__name__)

OPENING = 1_800.0
"""Seconds for an environment to be opened, in each new process: it may load a data set."""

SECONDS = 300.0
"""For a reply, and for scores: it may ask another model."""

EACH = 30.0
"""More for each conversation that is scored: they are held one after the other."""


def open_environment(
    name: str, place: str, settings: TaskSettings, seed: int = 0, split: str = "held_out"
) -> "EnvironmentTask":
    """The task called `name`, whose environment is at `place`: an id, a module or a file, maybe with a name in it.

    Raises ValueError where the library or the environment is not there, refuses its arguments, has no problems, or
    asks for more than text.
    """
    if split != "held_out":
        raise ValueError(f"{name} has no split {split!r}: choose held_out, or give its own arguments a split")
    need("verifiers", f"task {name}", "verifiers")
    arguments = settings.arguments_of(name.rpartition(":")[2])
    source, aside = Source(name, place, json.dumps(arguments, sort_keys=True)), Aside(SECONDS, OPENING)
    try:
        described = aside.call(describe, source)
        kind = ReplyingEnvironmentTask if described.replies else EnvironmentTask
        return kind(source, described, aside, settings.held_out, seed)
    except Failed as failed:
        aside.close()
        raise ValueError(f"{name} could not be opened: {failed}") from None
    except BaseException:
        aside.close()
        raise


class EnvironmentTask(Finite):
    """The problems of an environment, whose own scores say what a response is worth.

    Held out is what it has for evaluation, else a share of its problems by a hash of all that they are. A prompt may
    be the same in all of them, as where a hidden word is guessed: of problems only those that are equal in everything
    are one.
    """

    def __init__(self, source: Source, described: Described, aside: Aside, share: float, seed: int):
        self.name, self.seed = source.name, seed
        self._source, self._aside = source, aside
        self._failures: set[str] = set()  # what has been logged
        every = self._problems("train", described.train, 0)
        own = described.held_out is not None
        held = (
            picked(every, share)
            if described.held_out is None
            else self._problems("held_out", described.held_out, len(described.train))
        )
        self._train = [problem for key, problem in every.items() if key not in held]
        self._held = list(held.values())
        if not self._train or not self._held:
            lacking = "train on" if not self._train else "hold out, by which a model is measured"
            raise ValueError(
                f"{self.name} leaves no problem to {lacking} ({len(described.train)} to train on, "
                f"{len(held)} held out): see task.held_out, and the environment's own arguments"
            )
        which = "its own for evaluation" if own else "by a hash of the problem"
        self.notes = (
            f"{self.name} ({described.what}): {len(self._train)} problems, and {len(self._held)} held out ({which})",
            *described.notes,
        )

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """Raises ValueError: environments have no worked solutions."""
        raise ValueError(f"{self.name} has no worked solutions to imitate: sft needs a task that demonstrates")

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """As if `text` were all that was said in answer to the problem."""
        ((scored,),) = self._scored([(problem.info["place"], [[text]])])
        return _verdict(scored, text)

    def assess(self, groups: Sequence[Group], opening: str = "") -> list[list[Assessment] | None]:
        """What the environment gives each response, by its own scores of all of its turns."""
        asked = [
            (group.problem.info["place"], [spoken(response, opening) for response in group.responses])
            for group in groups
        ]
        return [
            [Assessment(_verdict(one, talk[-1]), one.reward) for one, talk in zip(scored, talks, strict=True)]
            for scored, (_, talks) in zip(self._scored(asked), asked, strict=True)
        ]

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """None has a name here."""
        return frozenset()

    def close(self) -> None:
        """End the environment, which may have something running elsewhere."""
        if self._aside.alive:
            with suppress(Failed):  # it ends all the same
                self._aside.call(close, self._source)
        self._aside.close()

    def _problems(self, split: str, asked: Sequence[Asked], first: int) -> dict[str, Problem]:
        """By the keys of all that is known of them; of several that are equal the first."""
        found: dict[str, Problem] = {}
        for number, one in enumerate(asked):
            info: dict[str, Any] = {**one.info, "place": first + number}
            problem = Problem(f"{self.name}/{split}/{number}", self.name, one.prompt, one.answer, info)
            found.setdefault(_key(one), problem)
        return found

    def _scored(self, asked: list[tuple[int, list[list[str]]]]) -> list[list[Scored]]:
        """The scores of several groups at once; where that fails, of one after the other, and of whose fails none.

        Why they failed is logged, once for each reason. They do not count: nobody knows what they are worth.
        """
        self._aside.seconds = SECONDS + EACH * sum(len(talks) for _, talks in asked)
        try:
            return self._aside.call(score, self._source, asked)
        except Failed as failed:
            if len(asked) > 1:
                return [self._scored([one])[0] for one in asked]
            if str(failed) not in self._failures:
                self._failures.add(str(failed))
                _log.warning("%s could not score responses, which do not count: %s", self.name, failed)
            nothing = Scored(None, None, f"the environment failed: {failed}")
            return [[nothing for _ in talks] for _, talks in asked]
        finally:
            self._aside.seconds = SECONDS


class ReplyingEnvironmentTask(EnvironmentTask):
    """One that answers what the policy wrote."""

    def reply(self, problem: Problem, turns: Sequence[str]) -> tuple[Message, ...] | None:
        """The environment's messages after the policy's last turn, by a conversation that is held anew.

        Where it fails, as on what no one thought a policy would say, the response is finished; its log says so.
        """
        try:
            return self._aside.call(reply, self._source, problem.info["place"], tuple(turns))
        except Failed as failed:
            _log.warning("%s could not reply to %s, whose response ends there: %s", self.name, problem.id, failed)
            return None


def _key(asked: Asked) -> str:
    """What two problems share that are the same, but for spaces in the prompt."""
    return json.dumps([key_of(asked.prompt), asked.answer, dict(asked.info), asked.rest], sort_keys=True)


def spoken(response: Response, opening: str = "") -> list[str]:
    """The policy's turns, each with the tag that the prompt, or what followed a reply, has opened for it.

    Without the tag, reasoning that was cut short would be taken for an answer.
    """
    begun = OPEN if opening == OPEN else ""
    return [begun + turn for turn in response.turns[::2] or (response.text,)]


def _verdict(scored: Scored, last: str) -> Verdict:
    return Verdict(scored.right, read_chain(last).answer, scored.note)

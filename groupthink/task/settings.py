"""The table [task] of a recipe."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from groupthink.nearest import nearest

NOTHING = ""
"""The split of a data set from which no problem is held out: it is imitated, and nothing is measured by it."""


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Which problems are worked on, and how many at a time.

    TaskSettings(data="openai/gsm8k:main", split="test")
    TaskSettings(mixture=("gym:chain_sum", "own.py:Riddles"), shares=(3, 1), arguments={"chain_sum:max_terms": 4})
    """

    name: str = (
        "quadratics"  # quadratics, arithmetic, gym:GENERATOR, verifiers:ENVIRONMENT, data:PLACE, or one's own:
        # module:thing, file.py:thing
    )
    mixture: tuple[str, ...] = ()  # several names, in place of one ...
    shares: tuple[float, ...] = ()  # ... and how much of the problems each of them is; empty: the same of all
    data: str = ""  # a data set in place of a name: a file (.jsonl, .json, .csv, .parquet), a folder or a hub id
    prompt: str = ""  # its column with the problem, inner ones with a dot; empty: found by its name
    answer: str = ""  # its column with the answer, likewise
    verify: str = ""  # how answers are compared: math, exact, number or choice; empty: by the look of the answers
    unlabelled: bool = False  # learn without answers: those of training problems are withheld, and data may have none
    held_out: float = (
        0.1  # of a data set, the share kept from training by a hash of the prompt, where `split` names none
    )
    raise_at: float = 0.0  # share of right responses at which a gym's problems become harder; 0: they stay as they are
    problems_per_step: int = 16  # problems
    rounds: int = 1  # of problems drawn for a step, until enough of its groups teach something; 1: as they come
    pool: int = (
        0  # problems that a run goes round in, preferring those solved neither always nor never; 0: ever new ones
    )
    split: str = "held_out"  # what evaluations draw from: held_out, beyond or wide (quadratics), a data set's own
    splits: tuple[str, ...] = ()  # of a mixture, one for each of its tasks; empty: `split` for all
    arguments: Mapping[str, Any] = field(default_factory=dict)  # "chain_sum:max_terms" = 4, "Riddles:level" = 2

    def __post_init__(self) -> None:
        if self.problems_per_step < 1:
            raise ValueError(f"task.problems_per_step is {self.problems_per_step}: a step needs at least 1 problem")
        if self.rounds < 1:
            raise ValueError(f"task.rounds is {self.rounds}: problems are drawn at least once")
        if self.pool and self.pool < self.problems_per_step:
            raise ValueError(
                f"task.pool is {self.pool}: take at least task.problems_per_step={self.problems_per_step}, or 0"
            )
        if not 0 <= self.held_out < 1:
            raise ValueError(f"task.held_out is {self.held_out}: give a share from 0 to below 1")
        if not 0 <= self.raise_at <= 1:
            raise ValueError(f"task.raise_at is {self.raise_at}: give a share of right responses from 0 (off) to 1")
        if self.raise_at and self.unlabelled:
            raise ValueError(
                f"task.raise_at is {self.raise_at}, and with task.unlabelled nobody knows how many responses are "
                "right: leave one of the two out"
            )
        if NOTHING in self.own_splits:
            raise ValueError("task.split is empty: name the split by which the model is measured, such as held_out")
        self._require_shares()

    def _require_shares(self) -> None:
        if self.data and self.mixture and "data" not in self.mixture:
            raise ValueError('task.data and task.mixture are both given: name the data set in the mixture as "data"')
        if self.shares and len(self.shares) != len(self.mixture):
            raise ValueError(f"task.shares has {len(self.shares)} numbers for the {len(self.mixture)} of task.mixture")
        if self.shares and not all(share > 0 for share in self.shares):
            raise ValueError(f"task.shares are {self.shares}: give each task a number above 0")
        if self.splits and len(self.splits) != len(self.mixture):
            raise ValueError(
                f"task.splits names {len(self.splits)} splits for the {len(self.mixture)} tasks of task.mixture: give "
                "one for each, in order, or task.split for all"
            )
        if twice := sorted({name for name in self.mixture if self.mixture.count(name) > 1}):
            raise ValueError(f"task.mixture names {twice[0]} twice: name it once, and raise its share")

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks that are worked on; "data" is the data set of `data`."""
        return self.mixture or (("data",) if self.data else (self.name,))

    @property
    def own_splits(self) -> tuple[str, ...]:
        """What evaluations draw from, for each of `names`."""
        return self.splits or (self.split,) * len(self.names)

    @property
    def title(self) -> str:
        """What is worked on, for people: the names, and of `data` the place."""
        return ", ".join(self.data if name == "data" else name for name in self.names)

    def require_owners(self, names: Collection[str]) -> None:
        """Raise ValueError for an argument of something that is none of these tasks."""
        things = {name.rpartition(":")[2] for name in names if ":" in name and not name.startswith("data:")}
        for key in self.arguments:
            owner = key.rpartition(":")[0]
            if owner not in things:
                likely = f"did you mean {nearest(owner, sorted(things))}?" if things else "none takes arguments"
                raise ValueError(f'unknown setting task."{key}": no task of the recipe is {owner!r}; {likely}')

    def arguments_of(self, thing: str) -> dict[str, Any]:
        """What `"thing:key" = value` says, by key."""
        parts = ((key.rpartition(":"), value) for key, value in self.arguments.items())
        return {key: value for (owner, _, key), value in parts if owner == thing}

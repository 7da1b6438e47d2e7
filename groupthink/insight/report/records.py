"""What a report is made of: a row for each stage, and the differences between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groupthink.insight.paired import Asked
from groupthink.insight.statistics import Estimate

BASE = "base"
"""Name and kind of the row of a model before it was trained."""

Figures = Mapping[str, Estimate | None]
"""By name; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation on held-out problems came to."""

    name: str  # "before", "after" or "step-000040"
    command: str | None  # gives the same again; None where its model is not kept
    otherwise: tuple[str, ...]  # what the command does not do as it was done
    problems: int
    samples: int  # to each problem
    figures: Figures  # those of `figures.MEASURES`
    traits: Figures  # the share of responses whose chains have each of them
    right: Mapping[Asked, float]  # the share of right samples, by problem, where that is known
    unjudged: Mapping[str, int]  # how many problems are left out of what is right, for each reason
    imitated: Mapping[
        str, int
    ]  # how many problems are none to the model: what it comes from, by name, has imitated them


@dataclass(frozen=True, slots=True)
class Origin:
    """Something that a stage took: a model, or data."""

    setting: str  # by which it was named
    source: str  # the stage that made it, or what the recipe names, or where that lies
    version: str | None  # the first digits of its sha256, where that is known


@dataclass(frozen=True, slots=True)
class Kept:
    """What rejection sampling kept."""

    sampled: int
    kept: int
    dropped: Mapping[str, int]  # by reason
    tokens: int  # that were drawn


@dataclass(frozen=True, slots=True)
class Course:
    """Figures of each step of a stage that samples and learns."""

    steps: tuple[int, ...]
    curves: Mapping[str, tuple[float | None, ...]]  # by the names of `course.CURVES`; None: not of that step


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the report."""

    name: str
    kind: str
    path: Path
    done: int  # steps
    steps: int  # that the recipe asks for
    finished: bool
    evaluated: Evaluated | None  # None: not yet, or not of this kind
    tokens: int  # learned from, or drawn where nothing is learned
    seconds: float  # at work
    origins: tuple[Origin, ...]
    version: str | None  # of the weights that it made so far, or of its data
    kept: Kept | None = None
    course: Course | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more often one stage's model is right than another's, paired by problem."""

    later: str
    earlier: str
    gain: Estimate
    problems: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stage of a recipe stands, begun or not."""

    name: str
    state: str  # "done", "at work", "cut off" or "to come"
    require: str  # its gate; empty: it has none
    kept: bool | None  # the gate; None: it was not put to the stage yet
    found: Mapping[str, float | None]  # the figures that the gate names, of a stage that is done


@dataclass(frozen=True, slots=True)
class Whole:
    """Where a recipe of several stages stands."""

    state: str  # "finished", "at work" or "stopped"
    stages: tuple[Standing, ...]  # all of the recipe


@dataclass(frozen=True, slots=True)
class Report:
    """A run, or the stages of a recipe that has several."""

    run: Path
    k: int  # of pass@k and maj@k: the fewest samples that any row has
    stages: tuple[Stage, ...]
    differences: tuple[Difference, ...]  # see `compared.pairs`
    whole: Whole | None = None  # None: it is one run

    @property
    def tokens(self) -> int:
        return sum(stage.tokens for stage in self.stages)

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

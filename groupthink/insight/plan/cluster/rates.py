"""How fast the parts of a run are, each by itself: what a simulation of many of them begins with.

Seconds are those of a part that has its cores or its GPU for itself.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log2

Groups = Sequence[Sequence[int]]
"""Tokens of each response, for each problem of a step (P x G)."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One engine. A token for each of B rows takes `step + row * B` seconds: weights are read once, a cache for each.

    Drawing(step=4e-3, row=2e-5, prompt=1e-3)
    """

    step: float
    row: float
    prompt: float = 0.0  # seconds until a prompt is read
    most: int = 256  # rows at a time; others wait for their places

    def seconds(self, groups: Groups) -> float:
        """For these groups, all at once from the beginning, where there are places for all.

        The longest response decides how many times weights are read, all of them how many rows there are.
        """
        longest = max((length for group in groups for length in group), default=0)
        return self.step * longest + self.row * sum(map(sum, groups)) + self.prompt * len(groups)


@dataclass(frozen=True, slots=True)
class Learning:
    """Learners that share a model out. What all of them compute is divided by their number, what they exchange is not.

    Learning(token=1e-4, update=0.1, weights=6e9, gradients=12e9, bandwidth=1e11, micro_batch_tokens=16384)
    """

    token: float  # seconds of one learner for a token, prompts included
    update: float = 0.0  # seconds of one learner for an update, however little it learns from
    fixed: float = 0.0  # seconds that no number of learners shortens: the way of a batch to them
    weights: float = 0.0  # bytes that are gathered for a pass
    gradients: float = 0.0  # bytes that are added up over the learners after it
    gathers: int = 2  # of the weights in a pass: for its way there, and once more for its way back
    forward: int = 0  # passes over a batch's tokens without a gradient that gather them, too: of the reference
    looks: int = 0  # passes over a few tokens: what an update has changed
    micro_batch_tokens: int = 2**62
    bandwidth: float = inf  # bytes a second of one learner's way to the others

    def seconds(self, tokens: float, learners: int) -> float:
        return self.fixed + self.computing(tokens) / learners + self.exchanging(tokens, learners)

    def computing(self, tokens: float) -> float:
        return self.update + tokens * self.token

    def exchanging(self, tokens: float, learners: int) -> float:
        """Each sends and gets all but its own share: of the weights for each gather, of the gradients for each pass."""
        passes = ceil(tokens / learners / self.micro_batch_tokens)
        sent = passes * ((self.gathers + self.forward) * self.weights + self.gradients) + self.looks * self.weights
        return sent * (learners - 1) / learners / self.bandwidth


@dataclass(frozen=True, slots=True)
class Sending:
    """Weights on their way from learners to engines, in seconds for all of them.

    Sending(put=0.2, fetch=0.5, take=0.3)
    """

    put: float = 0.0  # by one learner into the store of its machine; several put at once, each its rows
    fetch: float = 0.0  # from one machine to another
    take: float = 0.0  # until an engine has written and checked what has come

    def taking(self, machines: int) -> float:
        """Until an engine draws from them. Who has a bucket passes it on, so each round serves twice as many."""
        return self.take + (self.fetch * max(1.0, log2(machines)) if machines > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Rates:
    drawing: Drawing
    learning: Learning
    sending: Sending = Sending()
    prompt: float = 0.0  # tokens of a prompt
    score: float = 0.0  # seconds for a step's responses
    record: float = 0.0  # seconds of the driver for all else of a step

    def tokens(self, groups: Groups) -> float:
        """That a step is learned from; each prompt counts once."""
        return sum(map(sum, groups)) + self.prompt * len(groups)


@dataclass(frozen=True, slots=True)
class Layout:
    """How many parts there are, and what they stand on.

    Layout(engines=4, learners=2, lag=1, machines=(8.0, 8.0))
    """

    engines: int
    learners: int
    lag: int = 0
    at_once: bool = False  # engines take new weights in the midst of responses
    prompts: int = 16  # with an engine at a time
    machines: tuple[float, ...] = (inf,)  # cores of each; infinite where parts compute on GPUs of their own
    engine_cores: float = 1.0  # that an engine keeps busy while it draws
    learner_cores: float = 1.0


def draw_lengths(lengths: Sequence[int], problems: int, group_size: int, steps: int, seed: int) -> list[Groups]:
    """Groups for each of `steps`: lengths like those that were seen, in an order that the seed decides."""
    chance = random.Random(seed)
    return [[chance.choices(lengths, k=group_size) for _ in range(problems)] for _ in range(steps)]


def fitted_drawing(batches: Sequence[tuple[Groups, float]], most: int = 256) -> Drawing:
    """The rate by which batches that were drawn took the seconds that they did, by least squares of relative errors.

    Neither part is below 0. Batches should differ in how many rows they have.
    """
    found = fitted([(max(map(max, groups)), sum(map(sum, groups)), took) for groups, took in batches])
    return Drawing(*found, most=most)


def fitted(points: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """a and b, both at least 0, with which a * x + b * y is nearest to z in proportion: points are (x, y, z).

    >>> fitted([(1.0, 10.0, 12.0), (1.0, 20.0, 22.0)])
    (2.0, 1.0)
    """
    scaled = [(x / z, y / z) for x, y, z in points]
    xx, xy, yy = (sum(p[i] * p[j] for p in scaled) for i, j in ((0, 0), (0, 1), (1, 1)))
    x, y = (sum(p[i] for p in scaled) for i in (0, 1))
    determinant = xx * yy - xy * xy
    if determinant > 1e-12 * xx * yy:
        a, b = (x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant
        if a >= 0 and b >= 0:
            return round(a, 12), round(b, 12)
    alone = [(x / xx if xx else 0.0, 0.0), (0.0, y / yy if yy else 0.0)]
    return min(alone, key=lambda ab: sum((1 - ab[0] * p[0] - ab[1] * p[1]) ** 2 for p in scaled))

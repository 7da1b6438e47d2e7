"""Quadratic equations `a(x-p)(x-q)=0`, multiplied out and asked as in "Solve x^2-5x+6=0".

Problem i is a function of (seed, i). The split is by root pair: a pair {p, q} that is held out never
occurs in training or in a demonstration, under any `a` or wording.
"""

import hashlib
import random
from functools import cache
from typing import Literal

from groupthink.records import Problem
from groupthink.task.roots import last_roots, parse_roots, write_roots
from groupthink.task.verdict import Verdict
from groupthink.task.worked import demonstrate, traits

LARGEST_ROOT = 22
BEYOND = range(LARGEST_ROOT + 1, LARGEST_ROOT + 9)  # sizes of roots that no demonstration has
HELD_OUT_SHARE = 0.2

Split = Literal["train", "held_out", "beyond", "wide_train", "wide"]
Pair = tuple[int, int]

TRAINING: dict[Split, Split] = {"held_out": "train", "beyond": "train", "wide": "wide_train"}
"""Where training problems come from, by what is held out: `wide` is harder, with large roots in both.

So `beyond` is beyond what was trained on with the other two alone."""

WORDINGS = ("Solve {}", "Find the roots of {}", "Which x satisfy {}?")
LEADING = (1, 1, 1, 1, 1, 1, 1, 2, 3, -1)  # `a` is drawn from these


@cache
def pairs(split: Split) -> tuple[Pair, ...]:
    """The unordered root pairs of a split, in an order fixed by a hash of each pair.

    The hash does not depend on any seed: a pair is held out in every run of everyone.
    """
    small, large = _ordered(range(LARGEST_ROOT + 1)), _ordered(BEYOND)
    known, wide = round(HELD_OUT_SHARE * len(small)), round(HELD_OUT_SHARE * len(large))
    splits: dict[Split, list[Pair]] = {
        "train": small[known:],
        "held_out": small[:known],
        "beyond": large,
        "wide_train": small[known:] + large[wide:],
        "wide": sorted(small[:known] + large[:wide], key=_hash),
    }
    return tuple(splits[split])


def _ordered(largest: range) -> list[Pair]:
    """The pairs whose larger size is in `largest`, in the order of their hashes."""
    sizes = range(-largest[-1], largest[-1] + 1)
    every = [(p, q) for p in sizes for q in sizes if p <= q and max(abs(p), abs(q)) in largest]
    return sorted(every, key=_hash)


def _hash(pair: Pair) -> bytes:
    return hashlib.sha256(repr(pair).encode()).digest()


@cache
def held_out_pairs() -> frozenset[Pair]:
    """The pairs of the split `held_out`, each with its smaller root first."""
    return frozenset(pairs("held_out"))


class Quadratics:
    """The task of the seed. `split` says which pairs `held_out` draws from."""

    name = "quadratics"

    def __init__(self, seed: int = 0, split: Split = "held_out"):
        self.seed = seed
        self.split: Split = split

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step."""
        split = TRAINING[self.split]
        return [self._problem(split, index) for index in range(step * n, (step + 1) * n)]

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees: each held-out pair once before any comes twice."""
        return [self._problem(self.split, index) for index in range(n)]

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """A worked solution: see `groupthink.task.worked`."""
        draw = random.Random(f"{self.seed}/{problem.id}/worked")
        return demonstrate(problem, careful, draw, withheld=held_out_pairs())

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """Compare the roots stated by `text` with the problem's, exactly, as sets.

        `lenient` takes the last roots found anywhere in the text.
        """
        assert problem.answer is not None
        found = last_roots(text) if lenient else parse_roots(text)
        if found is None:
            return Verdict(False, None, "no roots could be read")
        right = found == parse_roots(problem.answer)
        return Verdict(right, write_roots(found), "right roots" if right else f"the roots are {problem.answer}")

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """Which methods a chain uses, and whether it checks and corrects itself."""
        return traits(reasoning)

    def _problem(self, split: Split, index: int) -> Problem:
        draw = random.Random(f"{self.seed}/{split}/{index}")
        some = pairs(split)
        p, q = draw.choice(some) if split in TRAINING.values() else some[index % len(some)]
        a = draw.choice(LEADING)
        equation = write_equation(a, -a * (p + q), a * p * q, draw)
        return Problem(
            id=f"{self.name}/{split}/{self.seed}/{index}",
            task=self.name,
            prompt=draw.choice(WORDINGS).format(equation),
            answer=write_roots((p, q)),
            info={"a": a, "p": p, "q": q},
        )


def write_equation(a: int, b: int, c: int, draw: random.Random | None = None) -> str:
    """`ax^2+bx+c=0` without idle terms; with `draw`, now and then with the signs `²` and `−`."""
    terms = [(a, "x^2"), (b, "x"), (c, "")]
    text = "".join(_term(factor, power) for factor, power in terms if factor).removeprefix("+") + "=0"
    if draw is not None and draw.random() < 0.15:
        text = text.replace("^2", "²").replace("-", "−")
    return text


def _term(factor: int, power: str) -> str:
    size = "" if abs(factor) == 1 and power else str(abs(factor))
    return f"{'-' if factor < 0 else '+'}{size}{power}"

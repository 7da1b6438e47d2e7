"""What reasoning-gym does for a task, as functions that also run in a process beside this one."""

import ast
import inspect
import json
import operator
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from groupthink.task.hashed import walk

Item = dict[str, Any]
"""{"question": ..., "answer": ..., "metadata": {...}}"""

SIZE = 2_000
"""Of a generator's list. Most make a problem when it is asked for; a few make something of all of them at the start."""

BLOCK = 100
"""Problems that are drawn from one list, before the next one with another seed."""

_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "asin", "acos", "atan", "exp", "log", "ln"}
    | {"sqrt", "Abs", "pi"}
)
_HAZARDOUS = frozenset("NOQS")  # one-letter names that SymPy's parser knows as something else than a variable
_EXPRESSION = re.compile(r"(?:\s|[-+*/^()]|\d++(?:\.\d++)?|\.\d++|[A-Za-z]++(?![\d_]))*+")
_LONGEST = 2_000  # characters


TRUTHS = ("True", "False")


@dataclass(frozen=True, slots=True)
class Source:
    """Source(generator="chain_sum", arguments='{"max_terms": 4}', seed=0)"""

    generator: str
    arguments: str  # JSON, so that it can be remembered by
    seed: int
    level: int | None = None  # of the generator's curriculum; None: as the arguments say
    longest: int | None = None  # bytes; longer problems are passed over


@lru_cache(maxsize=8)
def dataset(source: Source) -> Any:
    """The generator's list. Raises what the generator does where it cannot do with its arguments."""
    from reasoning_gym.factory import DATASETS, create_curriculum

    kind, settings = DATASETS[source.generator]
    given = {**json.loads(source.arguments), "seed": source.seed, "size": SIZE}
    if source.level is None:
        return kind(config=settings(**given))
    curriculum = create_curriculum(source.generator)
    curriculum.set_global_level(source.level)
    return kind(config=curriculum.generate_configuration(given))


def item(source: Source, place: int) -> Item | None:
    """The problem at a place; None where the generator fails there, or where it is too long.

    A few generators draw from the random numbers of the process, too: those are set for them.
    """
    state = random.getstate()
    random.seed(place)
    try:
        made = dataset(source)[place % SIZE]
    except Exception:
        return None
    finally:
        random.setstate(state)
    too_long = source.longest is not None and len(made["question"].encode()) > source.longest
    return None if too_long else made


def find(source: Source, split: str, index: int, share: float) -> tuple[Source, int, Item]:
    """Problem `index` of a split, the list that it is from and its place there. Raises ValueError as `walk` does."""
    seed = random.Random(f"{source.seed}/{split}/{index // BLOCK}").getrandbits(31)
    drawn, name = replace(source, seed=seed), f"gym:{source.generator}"
    place, made = walk(lambda place: item(drawn, place), lambda made: made["question"], split, index, share, name)
    return drawn, place, made


SUMS = ("puzzle24", "countdown")
"""Generators that ask for a number, to be made of others."""

_OPERATORS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def score(source: Source, asked: Item, answer: str) -> tuple[float, str]:
    """What the generator's scorer gives for an answer, from 0 to 1, and a note.

    Some scorers evaluate what they are given, by Python itself or by SymPy's parser. To the former nothing comes but a
    literal, to the latter nothing but numbers, known functions and operators.
    """
    if isinstance(asked["answer"], str) and answer.strip() == asked["answer"].strip():
        return 1.0, "the generator's own answer"
    if str(asked["answer"]) in TRUTHS:  # a scorer takes any text as true, as Python does
        right = answer.strip().capitalize() == str(asked["answer"])
        return float(right), "the generator's own answer" if right else f"the answer is {asked['answer']}"
    generator, scorer = source.generator, dataset(source).score_answer
    reads = reads_of(generator)
    if "literal" in reads and not is_literal(answer):
        return 0.0, "no answer of the form that is asked for"
    if "expression" in reads and not is_expression(answer):
        return 0.0, "no expression could be read"
    if generator in SUMS and not _reaches(answer, asked["metadata"]):
        return 0.0, "not the number that is asked for, by the given ones and + - * / alone"
    try:
        value = float(scorer(answer, asked))
    except Exception as error:
        return 0.0, f"the scorer could not read it ({type(error).__name__})"
    return (value, f"scored {value:g}") if 0 <= value <= 1 else (0.0, f"the scorer gave {value}")


@cache
def reads_of(generator: str) -> frozenset[str]:
    """What a scorer evaluates of an answer, by its source: "literal" (Python's eval), "expression" (SymPy's parser)."""
    from reasoning_gym.factory import DATASETS

    source = inspect.getsource(DATASETS[generator][0].score_answer)
    found = {"literal"} if re.search(r"\beval\(", source) else set()
    return frozenset(found | ({"expression"} if re.search(r"\b(?:parse_expr|sympify)\(", source) else set()))


def is_literal(text: str) -> bool:
    """Whether Python would read `text` as numbers, texts and lists of them, calling nothing."""
    if len(text) > _LONGEST:
        return False
    try:
        ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def is_expression(text: str) -> bool:
    """Whether `text` is made of numbers, one-letter variables, known functions, operators and brackets alone.

    No attribute, text, index or other name: nothing through which SymPy's parser, which evaluates, could be led away.
    """
    if len(text) > _LONGEST or _EXPRESSION.fullmatch(text) is None:
        return False
    names = re.findall(r"[A-Za-z]+", text)
    return all(name in _FUNCTIONS or (len(name) == 1 and name not in _HAZARDOUS) for name in names)


def _reaches(answer: str, metadata: dict[str, Any]) -> bool:
    """Whether `answer` uses each given number once and comes to the target, exactly.

    The scorers of these take other numbers, powers, points between digits, and what rounds to the target.
    """
    given = metadata.get("numbers") or metadata.get("cards") or []
    try:
        used: list[int] = []
        value = _value(ast.parse(answer.strip(), mode="eval").body, used)
    except (ValueError, SyntaxError, ArithmeticError, MemoryError, RecursionError):
        return False
    return sorted(used) == sorted(map(int, given)) and value == int(metadata.get("target", 24))


def _value(node: ast.expr, used: list[int]) -> Fraction:
    """What whole numbers, brackets and + - * / come to; the numbers are put into `used`. Raises ValueError for more."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        used.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, used)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, used), _value(node.right, used))
    raise ValueError(f"no {type(node).__name__} is asked for")

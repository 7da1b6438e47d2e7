r"""The rule `math`: the same mathematical value, as math-verify sees it.

Numbers and equal text are decided at once, by grammars of our own. All else goes to math-verify (SymPy), whose own time
limits are signals, which work in the main thread only and are not heard within one long operation, such as a tower of
powers: so it is asked in processes that are killed when they are late (`pool.py`).
"""

import math
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from groupthink.task.answer.exact import plain, shown
from groupthink.task.answer.latex import candidate, compact, dressed, unlabelled
from groupthink.task.answer.number import same, whole_number
from groupthink.task.answer.pool import Pool, TooLong
from groupthink.task.answer.rule import too_long
from groupthink.task.verdict import Verdict

SECONDS = 4.0  # of one comparison
MAX_ANSWER = 1_000  # characters of an answer that is compared
MAX_DEPTH = 40  # brackets within brackets
MAX_POWER = 10_000  # of an exponent
MAX_KEPT = 10_000  # comparisons that are remembered

_UP = r"\s?\}?\s?\^[\s{(]{0,4}"
_POWER = re.compile(rf"{_UP}-?(\d+)")
_TOWER = re.compile(rf"{_UP}-?(\d+){_UP}-?(\d+)({_UP}\d)?")
_WORDS = re.compile(r"(?=.*[^\W\d_]{3})[^\W\d_]+(?:(?:\s|'|-|\.\s)[^\W\d_]+)*")
_BASED = re.compile(r"\w+_\w+|\d+:\d+(?::\d+)?")


class MathRule:
    """Compares mathematical answers, `processes` at a time, each for at most `seconds`; else they count as wrong.

    Right is what is equal to the expected answer: order and repetition do not count in a set or a list without
    brackets, they do in a tuple; `x = 5` is 5; a unit is not compared; 50% is 0.5, and 50 too.
    """

    def __init__(self, seconds: float = SECONDS, processes: int | None = None):
        self._pool = Pool(processes or min(4, os.cpu_count() or 1), seconds)
        self._known: dict[tuple[str, str], Verdict] = {}

    def __call__(self, expected: str, text: str) -> Verdict:
        if refused := too_long(expected, text):
            return refused
        wanted, found = candidate(expected), candidate(text)
        if not wanted:
            return Verdict(False, None, "the expected answer is empty")
        if not found:
            return Verdict(False, None, "no answer could be read")
        key = (wanted, found)
        verdict = self._known.get(key)
        if verdict is None:
            verdict = self._compare(wanted, found)
            if len(self._known) >= MAX_KEPT:
                self._known.clear()  # another thread may be about to look
            self._known[key] = verdict
        return verdict

    def many(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        different = list(dict.fromkeys(pairs))
        with ThreadPoolExecutor(self._pool.processes) as threads:
            verdicts = dict(zip(different, threads.map(lambda pair: self(*pair), different), strict=True))
        return [verdicts[pair] for pair in pairs]

    def close(self) -> None:
        self._pool.close()

    def _compare(self, wanted: str, found: str) -> Verdict:
        if len(wanted) > MAX_ANSWER or len(found) > MAX_ANSWER:
            return Verdict(False, None, f"the answer has more than {MAX_ANSWER:,} characters")
        right, note = self._equal(wanted, found)
        return Verdict(right, found, note or ("equal" if right else f"expected {shown(wanted)}"))

    def _equal(self, wanted: str, found: str) -> tuple[bool, str]:
        """Whether they are, and a note where there is more to say."""
        one, other = unlabelled(dressed(wanted), dressed(found))
        if compact(one) == compact(other) or plain(wanted) == plain(found):
            return True, ""
        one_number, other_number = whole_number(one), whole_number(other)
        if one_number and other_number:
            return same(one_number, other_number), ""
        if _is_text(one) or _is_text(other):
            return plain(one) == plain(other), ""
        if why := unreasonable(other) or unreasonable(one):
            return False, why
        try:
            return self._pool.ask(one, other) is True, ""
        except TooLong as error:
            return False, str(error)


def unreasonable(answer: str) -> str | None:
    """Why an answer is not worth comparing: no such expected answer is, and it would only take time. Else None."""
    depth = deepest = 0
    for sign in answer:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"brackets within brackets, {deepest} deep"
    if any(int(match.group(1)[:9]) > MAX_POWER for match in _POWER.finditer(answer)):
        return f"a power beyond {MAX_POWER:,}"
    for tower in _TOWER.finditer(answer):
        base, power, further = int(tower.group(1)[:9]), int(tower.group(2)[:9]), tower.group(3)
        if further or power * math.log(max(base, 1)) > math.log(MAX_POWER):
            return "a tower of powers"
    return None


def _is_text(answer: str) -> bool:
    """Whether an answer is words, a number in another base, a ratio or a time of day: compared letter by letter."""
    return bool((_WORDS.fullmatch(answer) and "\\" not in answer) or _BASED.fullmatch(answer.replace(" ", "")))

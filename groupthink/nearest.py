"""The name that was probably meant: what an error says to someone who mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher

NEAR, ITS_TABLE = 0.85, 0.15
"""From which likeness on a word is another one mistyped, and how much likelier one of the table that was named is."""

LONGEST = 40
"""Characters of a word that are looked at: what is longer is no mistyped name, and comparing it would take long."""


def nearest(word: str, names: Iterable[str]) -> str:
    """The name most like `word`; the first of equals.

    A dotted name is also known by its last part, and with its dots as underscores; a dotted word is also read without
    its first part, as it may name the wrong table.

    >>> nearest("learning_rate", ["steps", "policy.learning_rate", "sft.learning_rate"])
    'policy.learning_rate'
    >>> nearest("reward.code_seconds", ["reward.code", "judge.seconds", "code.seconds"])
    'code.seconds'

    One letter too few in the right table is likelier than the right word in the wrong one:

    >>> nearest("scale.engine", ["rollout.engine", "scale.engines"])
    'scale.engines'
    """
    word = word[:LONGEST]
    table, _, last = word.rpartition(".")
    words = {word, word.partition(".")[2] or word}

    def likeness(name: str) -> float:
        forms = {name, name.rpartition(".")[2], name.replace(".", "_")}
        found = max(SequenceMatcher(None, word, form).ratio() for word in words for form in forms)
        if table and name.startswith(f"{table}."):
            own = SequenceMatcher(None, last, name.rpartition(".")[2]).ratio()
            found = max(found, own + (ITS_TABLE if own > NEAR else 0.0))
        return found

    return max(names, key=likeness)

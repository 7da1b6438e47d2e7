"""The name that was probably meant: what an error says to someone who mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher

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
    """
    word = word[:LONGEST]
    words = {word, word.partition(".")[2] or word}

    def likeness(name: str) -> float:
        forms = {name, name.rpartition(".")[2], name.replace(".", "_")}
        return max(SequenceMatcher(None, word, form).ratio() for word in words for form in forms)

    return max(names, key=likeness)

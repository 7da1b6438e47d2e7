"""The name that was probably meant: what an error says to someone who mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher


def nearest(word: str, names: Iterable[str]) -> str:
    """The name most like `word`; the first of equals. A dotted name is also known by its last part.

    >>> nearest("learning_rate", ["steps", "policy.learning_rate", "sft.learning_rate"])
    'policy.learning_rate'
    """

    def likeness(name: str) -> float:
        forms = {name, name.rpartition(".")[2]}
        return max(SequenceMatcher(None, word, form).ratio() for form in forms)

    return max(names, key=likeness)

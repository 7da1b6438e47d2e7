r"""The rule `choice`: the same letter of a multiple choice.

B    (B)    b)    B.    **B**    \boxed{\text{B}}    B. Paris    (B) Paris    Option B    The answer is (B).
"""

import re

from groupthink.task.answer.exact import shown
from groupthink.task.answer.stated import stated
from groupthink.task.verdict import Verdict

_MARKUP = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox|boxed)\b|[{}$*_`\\\"']")
_ALONE = re.compile(r"[(\[]?\s?([A-Za-z])\s?[)\]]?\s?[.:,;]?")
_NAMED = re.compile(r"\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|OPTION|CHOICE)\s{0,2}[(\[]?([A-Z])\b")
_DRESSED = re.compile(r"[(\[]([A-Za-z])[)\]]|(?:^|(?<=\s))([A-Z])[).:](?=\s|$)|^([a-z])[).](?=\s)")
_OFFERED = re.compile(r"(?:\bor\b|\band\b|[,/&])\s?[(\[]?([A-Z])(?![\w'-])(?!\s[a-z])")
_AMONG = re.compile(r"(?<![\w'-])([A-Z])[)\]]?\s?(?:or\b|and\b|[,/&])\s?[(\[]?[A-Z](?![\w'-])")
_BARE = re.compile(r"(?<![\w'-])([B-HJ-Z])(?![\w'-])")  # A and I are words, too


def choice(expected: str, text: str) -> Verdict:
    """Right where the text chooses the expected letter, and no other beside it."""
    wanted = read_choice(expected)
    if wanted is None:
        return Verdict(False, None, f"the expected answer is no letter of a choice: {shown(expected)}")
    found = read_choice(text)
    if found is None:
        return Verdict(False, None, "no letter could be read, or several were offered")
    return Verdict(found == wanted, found, "the right choice" if found == wanted else f"expected {wanted}")


def read_choice(text: str) -> str | None:
    """The letter, in capitals, that a text chooses; None where it chooses none, or several."""
    marked = stated(text)
    text = " ".join(_MARKUP.sub(" ", text if marked is None else marked).split())
    if alone := _ALONE.fullmatch(text):
        return alone.group(1).upper()
    for dress in (_NAMED, _DRESSED, _BARE):
        letters = {next(filter(None, match.groups())).upper() for match in dress.finditer(text)}
        if letters:
            letters |= {match.group(1) for several in (_AMONG, _OFFERED) for match in several.finditer(text)}
            return letters.pop() if len(letters) == 1 else None
    if opening := re.match(r"([A-Z]),?\s", text + " "):  # A Paris
        return opening.group(1) if marked is not None else None
    return None

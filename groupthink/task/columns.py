"""Which columns of a data set hold the problem and its answer, and what they say."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from groupthink.nearest import nearest
from groupthink.records import Prompt
from groupthink.task.tables import Row

PROMPTS = ("prompt", "question", "problem", "messages", "question_content", "text")
ANSWERS = ("answer", "final_answer", "ground_truth", "reward_model.ground_truth", "solution")
"""In the order in which they are looked for, in any case of letters; what follows a dot stands in an inner object."""

_WORKED = 80  # characters; a longer `solution` is worked, and states its answer in a box or not at all


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns(prompt="question", answer="answer")"""

    prompt: str
    answer: str | None  # None: programs, which tests decide on, or problems whose answers nobody knows


def find_columns(
    rows: Sequence[Row],
    place: str,
    prompt: str = "",
    answer: str = "",
    *,
    tested: bool = False,
    unlabelled: bool = False,
    shown: bool = False,
) -> Columns:
    """The columns of these names; where a name is empty, the one that is called as such columns mostly are.

    `tested`: the rows bring tests, and may do without an answer; so may they where it is `unlabelled`, or where whole
    solutions are `shown`. Raises ValueError, with the columns that there are.
    """
    names = column_names(rows)
    if not names:
        raise ValueError(f"{place} has no rows: problems are drawn from at least one")

    def find(setting: str, given: str, usual: tuple[str, ...]) -> str | None:
        if given:
            if given not in names:
                raise ValueError(
                    f"{setting} is {given!r}, and {place} has no such column: did you mean {nearest(given, names)}? "
                    f"(there are: {', '.join(names)})"
                )
            return given
        folded = {name.lower(): name for name in reversed(names)}
        return next((folded[name] for name in usual if name in folded), None)

    # Where tests decide, a solution is a program.
    usual = tuple(name for name in ANSWERS if name != "solution") if tested else ANSWERS
    asked, stated = find("task.prompt", prompt, PROMPTS), find("task.answer", answer, usual)
    if asked is None:
        raise ValueError(_missing(place, "problem", PROMPTS, "task.prompt", names))
    if stated is None and (tested or unlabelled or shown):
        return Columns(asked, None)
    if stated is None or stated == asked:
        raise ValueError(_missing(place, "answer", ANSWERS, "task.answer", names))
    return Columns(asked, stated)


def _missing(place: str, what: str, usual: tuple[str, ...], setting: str, names: Iterable[str]) -> str:
    without = ", or learn without answers (task.unlabelled=true)" if what == "answer" else ""
    return (
        f"{place} has no column for the {what} ({', '.join(usual)}): name it by {setting}{without}; "
        f"there are: {', '.join(names)}"
    )


def column_names(rows: Iterable[Row]) -> list[str]:
    """All columns in the order of their first rows, those of inner objects with a dot."""
    names: dict[str, None] = {}
    for row in rows:
        for key, value in row.items():
            names[key] = None
            if isinstance(value, dict):
                names.update(dict.fromkeys(f"{key}.{inner}" for inner in value))
    return list(names)


def value_of(row: Row, column: str) -> Any:
    """What a row has in a column, or None."""
    if column in row:
        return row[column]
    outer, _, inner = column.partition(".")
    held = row.get(outer)
    return held.get(inner) if inner and isinstance(held, dict) else None


def read_prompt(value: Any) -> Prompt | None:
    """Text, or the messages of a chat, the last one of a user; None where it is empty.

    Raises ValueError for anything else.
    """
    if value is None or isinstance(value, str):
        return clean(value).strip() or None if value else None
    if not isinstance(value, list):
        raise ValueError(f"the problem is {_kind(value)}: expected text, or a list of messages with role and content")
    messages = []
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ValueError("the problem is a list, and not of messages with role and content")
        messages.append({"role": message["role"], "content": _content(message.get("content"))})
    if not messages:
        return None
    if messages[-1]["role"] == "assistant":
        raise ValueError("the chat ends with the assistant's own message: a problem ends with what it is to answer")
    return tuple(messages)


def _content(value: Any) -> str:
    """The text of a message, which may come in parts."""
    if isinstance(value, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        value = "".join(str(part.get("text", "")) for part in value)
    if not isinstance(value, str):
        raise ValueError(f"a message's content is {_kind(value)}: expected text")
    return clean(value)


def read_answer(value: Any, *, worked: bool = False) -> str | None:
    r"""The answer as text: what follows `####` (GSM8K), or stands in the last `\boxed{}` (MATH), or else all of it.

    `worked`: the column holds solutions, so that a long text without either states no answer. None: it is empty.
    Raises ValueError for what is neither text nor a number.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)  # a column of whole numbers with a gap comes as floats
    if not isinstance(value, str | int | float):
        raise ValueError(f"the answer is {_kind(value)}: expected text or a number")
    text = clean(str(value)).strip()
    _, marked, after = text.rpartition("####")
    if marked:
        return after.strip().replace(",", "") if _is_number(after) else after.strip() or None
    boxed = last_boxed(text)
    if boxed is not None:
        return boxed.strip() or None
    return None if worked and len(text) > _WORKED else text or None


def last_boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}` or `\fbox{...}`, braces within it paired; None where there is none.

    >>> last_boxed(r"so \boxed{1}, or rather $\boxed{\frac{1}{2}}$.")
    '\\frac{1}{2}'
    """
    boxes = {found.end() for found in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)}
    opened: list[int] = []
    last = (-1, -1)
    for brace in re.finditer(r"[{}]", text):  # once through: a text may open a thousand boxes and close none
        if brace[0] == "{":
            opened.append(brace.end())
        elif opened and (start := opened.pop()) in boxes:
            last = max(last, (start, brace.start()))
    if last[0] >= 0:
        return text[slice(*last)]
    found = re.findall(r"\\boxed\s+([^\s${}\\.]+)", text)  # \boxed 5
    return found[-1] if found else None


def likely_rule(answers: Sequence[str]) -> str:
    """The rule by which answers of such a look are compared."""
    if all(map(_is_number, answers)):
        return "number"
    if all(re.fullmatch(r"\(?[A-J]\)?\.?", answer) for answer in answers):
        return "choice"
    if sum(bool(re.search(r"[\\^$]|\d", answer)) for answer in answers) * 2 > len(answers):
        return "math"
    return "exact"


def clean(text: str) -> str:
    """Without lone surrogates, which nothing that is written in UTF-8 can hold, and without a byte order mark."""
    return text.encode("utf-8", "replace").decode("utf-8").removeprefix("\ufeff")


def clean_prompt(prompt: Prompt) -> Prompt:
    """The prompt as no tokenizer refuses it: see `clean`."""
    if isinstance(prompt, str):
        return clean(prompt)
    return tuple({**message, "content": clean(message["content"])} for message in prompt)


def key_of(prompt: Prompt) -> str:
    """What two prompts share that differ in spaces alone."""
    text = prompt if isinstance(prompt, str) else json.dumps([dict(message) for message in prompt])
    return " ".join(text.split())


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*\$?[-+−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)%?\s*", text) is not None


def _kind(value: Any) -> str:
    return {"dict": "an object", "list": f"a list of {len(value) if isinstance(value, list) else 0}"}.get(
        type(value).__name__, f"{type(value).__name__} {str(value)[:40]!r}"
    )

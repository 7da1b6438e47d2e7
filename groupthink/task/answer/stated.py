r"""Which part of a text is the answer: what is boxed, tagged or announced as such.

    So \boxed{42} it is.         -> 42          the last box
    <answer>42</answer>          -> 42          the last pair of tags
    48 / 2 = 24 ... #### 72      -> 72          GSM8K's mark
    Therefore the answer is 42.  -> 42          the last announcement

Every search reads a text once: no pattern here goes back over what it has read.
"""

import re

_BOXES = re.compile(r"\\(?:boxed|fbox)\b[ \t]{0,8}")
_TAGS = re.compile(r"</?answer>", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"\b(?:answer|result|solution)s?(?:\*\*)?(?:\s{0,4}(?:is|are)\b(?:\s{0,4}(?:therefore|thus|simply|just)\b)?"
    r"\s{0,4}:?|\s{0,4}:)(?:\*\*)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")


def stated(text: str) -> str | None:
    """What `text` marks as its answer, the last of it; None where nothing is marked.

    A box goes before tags, tags before `####`, and that before words; a box within any of them counts as the box.

    >>> stated("so the answer is 42. I checked it.")
    '42'
    """
    tagged = _tagged(text)
    return _first(_boxed(text if tagged is None else tagged), tagged, _after_hashes(text), _announced(text))


def answer_of(text: str) -> str:
    """What is marked as the answer, or else the whole of a single line, or else the last line that is not blank."""
    marked = stated(text)
    if marked is not None:
        return marked
    lines = [line for line in text.split("\n") if line.strip()]
    return lines[-1].strip() if lines else ""


def _first(*found: str | None) -> str | None:
    return next((one for one in found if one is not None), None)


def _boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}`, its braces balanced, or after the last `\boxed ` without braces."""
    found = None
    for match in _BOXES.finditer(text):
        found = match
    if found is None:
        return None
    start = found.end()
    if text[start : start + 1] != "{":
        return text[start:].split("$")[0].split("\n")[0].split(" ")[0].strip() or None
    depth = 0
    for place in range(start, len(text)):
        escaped = place and text[place - 1] == "\\"
        if text[place] == "{" and not escaped:
            depth += 1
        elif text[place] == "}" and not escaped:
            depth -= 1
            if not depth:
                return text[start + 1 : place].strip()
    return None  # never closed


def _tagged(text: str) -> str | None:
    opened = found = None
    for match in _TAGS.finditer(text):
        if match.group().startswith("</"):
            if opened is not None:
                found, opened = text[opened : match.start()].strip(), None
        else:
            opened = match.end()
    return found


def _after_hashes(text: str) -> str | None:
    _, mark, after = text.rpartition("####")
    return after.strip().split("\n")[0].strip() if mark and after.strip() else None


def _announced(text: str) -> str | None:
    found = None
    for match in _ANNOUNCED.finditer(text):
        found = match
    if found is None:
        return None
    after = text[found.end() :].strip()
    end = _SENTENCE_END.search(after)
    return (after[: end.start()] if end else after).strip().removesuffix(".").strip() or None

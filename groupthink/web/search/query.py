"""What a search asks for, read from an address."""

from collections.abc import Mapping
from dataclasses import dataclass

from groupthink.nearest import nearest
from groupthink.web.search.patterns import REFLECTION, literal, require_pattern

PRESETS = ("reflection", "repetition", "longest", "rewarded-wrong")
ORDERED = {"longest": "length", "rewarded-wrong": "reward"}
"""Presets that are questions about an order, and the figure that it goes by."""

SORTS = ("newest", "oldest", "reward", "length")
SHOWN, MOST_SHOWN = 200, 1000


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for in the steps from `first` to `last`. Where there is no pattern, every response will do."""

    pattern: str | None = None
    preset: str | None = None
    right: bool | None = None  # None: those that are wrong and those of which nobody knows, too
    first: int = 0
    last: int | None = None
    limit: int = SHOWN
    sort: str = "newest"

    @property
    def by(self) -> str | None:
        """The figure that says which hits are shown; None where the order of the steps does."""
        return self.sort if self.sort in ("reward", "length") else None


def read_query(params: Mapping[str, str]) -> Query:
    """The query of an address. Raises ValueError, with what is wrong and what would do.

    >>> read_query({"text": "wait", "right": "1"})
    Query(pattern='(?i)wait', preset=None, right=True, first=0, last=None, limit=200, sort='newest')
    """
    asked = [name for name in ("text", "regex", "preset") if params.get(name)]
    if len(asked) != 1:
        raise ValueError(f"ask for one of text, regex and preset, not for {' and '.join(asked) or 'none of them'}")
    preset = _one_of(params, "preset", PRESETS)
    pattern = REFLECTION if preset == "reflection" else params.get("regex") or literal(params.get("text", ""))
    if pattern:
        require_pattern(pattern)
        pattern = pattern if params.get("case") == "1" else f"(?i){pattern}"
    right = {"": None, "0": False, "1": True}[_one_of(params, "right", ("0", "1"))]
    return Query(
        pattern=pattern or None,
        preset=preset or None,
        right=False if preset == "rewarded-wrong" else right,
        first=count(params, "from", 0),
        last=count(params, "to") if params.get("to") else None,
        limit=min(count(params, "limit", SHOWN), MOST_SHOWN),
        sort=ORDERED.get(preset) or _one_of(params, "sort", SORTS) or "newest",
    )


def count(params: Mapping[str, str], name: str, default: int | None = None) -> int:
    """A whole number of an address. Raises ValueError where it is none, or not there and without a default."""
    text = params.get(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise ValueError(f"{name}={text}: give a whole number from 0 upwards")
    return int(text)


def _one_of(params: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = params.get(name, "")
    if text and text not in choices:
        raise ValueError(f"{name}={text}: there are {', '.join(choices)}; {nearest(text, choices)} is nearest")
    return text

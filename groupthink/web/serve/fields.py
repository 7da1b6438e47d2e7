"""The fields of a request's JSON, taken one by one and checked by hand; what nobody takes is refused by name."""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from groupthink.nearest import nearest

COLDEST = 1e-5
"""A temperature below it is 0: logits that are divided by less may be no numbers any more."""


class BadRequest(ValueError):
    """What a client is told that it must change. `param`: the field that it is about."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400):
        super().__init__(message)
        self.param, self.code, self.status = param, code, status


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises BadRequest for what is none."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        found = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise BadRequest("the body is nested too deep: send the object that the endpoint is documented with") from None
    except ValueError as error:
        raise BadRequest(f"the body is no JSON ({error}): send one object") from None
    if not isinstance(found, dict):
        raise BadRequest("the body is no JSON object: send one, in braces")
    return found


class Fields:
    """The fields of one object, which stands at `where` in the body. A field that is null counts as left out."""

    def __init__(self, found: dict[str, Any], where: str = ""):
        self._left = dict(found)
        self._where = where
        self._known: list[str] = []

    def name(self, field: str) -> str:
        """A field's full name, for errors."""
        return f"{self._where}{field}"

    def take(self, field: str) -> Any:
        """The value of a field, whatever it is; None where it is left out."""
        self._known.append(field)
        return self._left.pop(field, None)

    def number(self, field: str, default: float, low: float, high: float, *, above: bool = False) -> float:
        """A number from `low` to `high`; with `above`, beyond `low`."""
        value = self.take(field)
        if value is None:
            return default
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not fits or (above and value == low) or not math.isfinite(value):
            span = f"above {low:g} and up to {high:g}" if above else f"from {low:g} to {high:g}"
            raise self.wrong(field, f"a number {span}", value)
        return float(value)

    def temperature(self) -> float:
        """That of a law, from 0 (greedy) to 2."""
        value = self.number("temperature", 1.0, 0.0, 2.0)
        return value if value >= COLDEST else 0.0

    def whole(self, field: str, default: int | None, low: int, high: int | None = None) -> int | None:
        """A whole number from `low` on, to `high` if that is given."""
        value = self.take(field)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise self.wrong(
                field, f"a whole number from {low} " + ("upwards" if high is None else f"to {high}"), value
            )
        return value

    def flag(self, field: str) -> bool:
        """true or false; false where it is left out."""
        value = self.take(field)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(field, "true or false", value)
        return bool(value)

    def text(self, field: str) -> str | None:
        """A text."""
        value = self.take(field)
        if value is not None and not isinstance(value, str):
            raise self.wrong(field, "a text", value)
        return value

    def ignore(self, fields: Iterable[str]) -> None:
        """Fields that change nothing about what is drawn."""
        for field in fields:
            self.take(field)

    def neutral(self, field: str, changes_nothing: Callable[[Any], bool], why: str) -> None:
        """A field of which only the value that changes nothing can be had; `why` says what is not there."""
        value = self.take(field)
        if value is not None and not changes_nothing(value):
            raise BadRequest(f"{self.name(field)} cannot be had here: {why}", self.name(field), "unsupported_parameter")

    def close(self) -> None:
        """Refuse what is left: a field that is not known, or not spelt so, might have changed the result."""
        for field, value in self._left.items():
            if value is not None:
                meant = self.name(nearest(field, self._known))
                raise BadRequest(
                    f"unknown field {self.name(field)[:200]!r}: did you mean {meant}?",
                    self.name(field)[:200],
                    "unknown_parameter",
                )

    def wrong(self, field: str, wanted: str, value: Any) -> BadRequest:
        """The error for a value that is not `wanted`."""
        shown = json.dumps(value)
        shown = shown if len(shown) <= 80 else shown[:80] + "..."
        return BadRequest(f"{self.name(field)} is {shown}: give {wanted}", self.name(field), "invalid_value")

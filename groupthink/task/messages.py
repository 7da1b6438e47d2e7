"""Chat messages as other libraries have them: dicts or objects, whose content is text or a list of parts."""

from collections.abc import Mapping
from typing import Any

from groupthink.records import Message, Prompt


def as_prompt(given: Any) -> Prompt:
    """Text, or messages. Raises ValueError for what is neither."""
    return given if isinstance(given, str) else tuple(as_messages(given))


def as_messages(given: Any) -> list[Message]:
    """Each message's role and text; a text alone is a user's. Raises ValueError for what holds more than text."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [{"role": str(_part(message, "role")), "content": text_of(message)} for message in given]


def text_of(message: Any) -> str:
    """The text of a message. Raises ValueError where it calls a tool, or shows something."""
    content = _part(message, "content")
    if _part(message, "tool_calls"):
        raise ValueError("a message calls a tool, and only text is taken")
    if isinstance(content, list):
        if any(_part(part, "type") != "text" for part in content):
            raise ValueError("a message shows something, and only text is taken")
        return "".join(str(_part(part, "text")) for part in content)
    return "" if content is None else str(content)


def plain_info(given: Any) -> dict[str, Any]:
    """Of a row's further columns what a checkpoint can hold: numbers and texts."""
    if not isinstance(given, Mapping):
        return {}
    return {str(name): value for name, value in given.items() if isinstance(value, str | int | float)}


def _part(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)

"""What the chat page asks: a body of /api/chat, read into a record and checked."""

from dataclasses import dataclass
from typing import Any

from groupthink.records import Message
from groupthink.web.serve.fields import Fields
from groupthink.web.serve.request import Asked, read_messages

MOST_MODELS, MOST_RESPONSES = 2, 64


@dataclass(frozen=True, slots=True)
class Question:
    """A body of /api/chat."""

    models: tuple[str, ...]
    messages: tuple[Message, ...]
    asked: Asked
    expected: str | None
    run: str | None


def read_question(body: dict[str, Any]) -> Question:
    """Raises BadRequest for what is no question."""
    fields = Fields(body)
    models = fields.take("models")
    if not (isinstance(models, list) and all(isinstance(one, str) for one in models)) or not (
        0 < len(models) <= MOST_MODELS
    ):
        raise fields.wrong("models", f"a list of up to {MOST_MODELS} ids", models)
    messages = read_messages(fields.take("messages"))
    asked = Asked(
        model=None,
        n=fields.whole("n", 1, 1, MOST_RESPONSES) or 1,
        max_tokens=fields.whole("max_tokens", None, 1),
        temperature=fields.temperature(),
        top_p=fields.number("top_p", 1.0, 0.0, 1.0, above=True),
        top_k=0,
        seed=fields.whole("seed", None, 0, 2**63),
        stops=(),
        logprobs=False,
        likeliest=0,
        stream=True,
        include_usage=False,
    )
    expected, run = fields.text("expected"), fields.text("run")
    fields.close()
    return Question(tuple(models), messages, asked, expected or None, run or None)

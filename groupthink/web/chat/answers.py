"""What models of a run answer to a question, side by side, and what the run's own judge says of whole groups of it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.records import Response
from groupthink.web.answers import dump
from groupthink.web.chat.judge import UNSCORED, ChatJudge, Known, find_known, formed
from groupthink.web.chat.models import Models, Open
from groupthink.web.chat.question import Question
from groupthink.web.reading.places import Places
from groupthink.web.reading.settings import recipe_of
from groupthink.web.serve.asking import Asking, ask
from groupthink.web.serve.opened import Opened
from groupthink.web.serve.together import together
from groupthink.web.serve.transcript import Transcript


class Answers:
    """Answers questions about the runs in `folder`; for one event loop."""

    def __init__(self, folder: Path):
        self._places = Places(folder)
        self.models = Models(self._places)

    async def lines(self, question: Question) -> AsyncGenerator[bytes, None]:
        """Lines of JSON, as the responses are drawn, those together that are there together.

        Raises LookupError where there is no such run or model, and ValueError or RuntimeError where it cannot be asked.
        """
        with ExitStack() as after:
            models = await self.models.get(question.models)
            for model in models:
                after.callback(self.models.leave, model)
            known = await asyncio.to_thread(self._known, question)
            answers: list[_Answer] = []
            for place, model in enumerate(models):
                judge = await asyncio.to_thread(self._judge, question, known, model.opened)
                if judge is not None:
                    after.callback(judge.close)
                asking = _ask(model, question)
                after.callback(asking.cancel)
                answers.append(_Answer(place, model.opened, asking, judge))
            yield dump({"ready": True}) + b"\n"  # the models are there, and draw
            async with aclosing(together([answer.lines() for answer in answers])) as found:
                async for _, lines in found:
                    yield b"".join(dump(line) + b"\n" for line in lines)
            yield dump({"end": True}) + b"\n"

    def close(self) -> None:
        """End all that draws."""
        self.models.close()

    def _known(self, question: Question) -> Known | None:
        """What the run that is looked at knows of the question."""
        return find_known(self._places.path(question.run), question.messages) if question.run else None

    def _judge(self, question: Question, known: Known | None, opened: Opened) -> ChatJudge | None:
        """By the rewards of the run that is looked at, or else of the model's own; None where no answer is known."""
        place = self._places.path(question.run) if question.run else None
        recipe = opened.recipe
        if place is not None and (place / "recipe.toml").is_file():
            recipe = recipe_of(place)
        if question.expected is not None:
            task = known.task if known else recipe.task.names[0]
            known = Known(known.problem if known else "chat", task, question.expected)
        return None if known is None else ChatJudge(recipe, known, question.messages, opened.chat.opening)


def _ask(model: Open, question: Question) -> Asking:
    chat = model.opened.chat
    return ask(model.opened, model.running, [chat.encode(question.messages)], chat.opening, question.asked)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one model answers: lines for the page."""

    place: int
    opened: Opened
    asking: Asking
    judge: ChatJudge | None

    async def lines(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Text as it comes, and each response once it is done; those that are scored when their group is."""
        transcripts = self.asking.transcripts
        async for deltas in self.asking.deltas():
            lines: list[dict[str, Any]] = []
            for index, delta in deltas:
                here = {"model": self.place, "response": index}
                for part in ("reasoning", "answer"):
                    if text := getattr(delta, part):
                        lines.append(here | {"text": text, "part": part})
                if transcripts[index].finish is not None and self.judge is None:
                    lines.append(here | {"done": self._done(index)})
            if lines:
                yield lines
        if self.judge is not None:
            responses = [self._response(transcript) for transcript in transcripts]
            scores = await asyncio.to_thread(self.judge.score, responses)
            found = [self._done(index, score) for index, score in enumerate(scores)]
            yield [{"model": self.place, "response": index, "done": done} for index, done in enumerate(found)]

    def _done(self, index: int, score: Mapping[str, Any] | None = None) -> dict[str, Any]:
        transcript = self.asking.transcripts[index]
        found = {
            "finish": transcript.finish,
            "tokens": transcript.tokens,
            "reasoning": transcript.reasoning,
            "answer": transcript.answer,
            "formed": formed(self._response(transcript), self.opened.chat.opening),
        }
        return found | dict(score or UNSCORED)

    def _response(self, transcript: Transcript) -> Response:
        """As a judge reads it."""
        ids = [written.token.id for written in transcript.drawn]
        ended = [min(self.opened.engine.stop_ids)] if transcript.tokens > len(ids) else []
        count = len(ids) + len(ended)
        return Response(
            token_ids_T=np.array([*ids, *ended], np.int64),
            sampled_T=np.ones(count, bool),
            logprobs_T=np.zeros(count, np.float32),
            drawn_logprobs_T=np.zeros(count, np.float32),
            versions_T=np.zeros(count, np.int64),
            text=self.opened.decode(ids),
            finish=str(transcript.finish),
            seed=0,
        )

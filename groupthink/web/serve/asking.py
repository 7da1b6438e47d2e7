"""One request being answered: its generations, and what has come of each response."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np

from groupthink.rollout.engine import Sampling
from groupthink.rollout.noise import mix
from groupthink.web.serve.opened import Opened
from groupthink.web.serve.request import Asked
from groupthink.web.serve.running import Generation, Running
from groupthink.web.serve.transcript import Delta, Piece, Transcript


@dataclass(frozen=True, slots=True)
class Asking:
    """The responses to the prompts of one request, prompt by prompt."""

    generations: Sequence[Generation]
    transcripts: Sequence[Transcript]
    prompt_tokens: int

    async def deltas(self) -> AsyncIterator[tuple[int, Delta]]:
        """What is added to which response, as it comes, until all have ended. Raises what the engine raised."""
        each = len(self.transcripts) // len(self.generations)
        async for place, piece in _together(self.generations):
            index = place * each + piece.response
            transcript = self.transcripts[index]
            if transcript.finish is None:
                delta = transcript.add(piece)
                if transcript.stopped:
                    self.generations[place].end(piece.response)
                yield index, delta

    def cancel(self) -> None:
        """Nothing more is wanted."""
        for generation in self.generations:
            generation.cancel()


def ask(opened: Opened, running: Running, prompts: Sequence[np.ndarray], opening: str | None, asked: Asked) -> Asking:
    """Ask for the responses to prompts of token ids. `opening`: see `Transcript`.

    The same seed draws the same, whoever else asks at the time. Raises what `Running.submit` raises.
    """
    rooms = [opened.engine.room(prompt_ids) for prompt_ids in prompts]  # refuses before anything is begun
    generations: list[Generation] = []
    try:
        for place, (prompt_ids, room) in enumerate(zip(prompts, rooms, strict=True)):
            sampling = Sampling(
                opened.max_tokens(room, asked.max_tokens), asked.temperature, asked.top_p, asked.top_k, asked.n
            )
            seed = mix("serve", place, str(asked.seed)) if asked.seed is not None else running.another_seed()
            follow = asked.stream or bool(asked.stops)
            generations.append(running.submit(prompt_ids, sampling, seed, follow=follow, likeliest=asked.likeliest))
    except Exception:
        for generation in generations:
            generation.cancel()
        raise
    transcripts = [Transcript(opened.decode, opening, asked.stops) for _ in range(len(prompts) * asked.n)]
    return Asking(generations, transcripts, sum(map(len, prompts)))


async def _together(generations: Sequence[Generation]) -> AsyncIterator[tuple[int, Piece]]:
    """The pieces of all, each with the place of its generation, as they come."""
    if len(generations) == 1:
        async for piece in generations[0]:
            yield 0, piece
        return
    found: asyncio.Queue[tuple[int, Piece] | BaseException | None] = asyncio.Queue()

    async def pump(place: int, generation: Generation) -> None:
        try:
            async for piece in generation:
                found.put_nowait((place, piece))
            found.put_nowait(None)
        except BaseException as error:
            found.put_nowait(error)

    pumps = [asyncio.create_task(pump(place, generation)) for place, generation in enumerate(generations)]
    try:
        left = len(pumps)
        while left:
            match await found.get():
                case None:
                    left -= 1
                case BaseException() as error:
                    raise error
                case piece:
                    yield piece
    finally:
        for task in pumps:
            task.cancel()

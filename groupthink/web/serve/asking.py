"""One request being answered: its generations, and what has come of each response."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from groupthink.rollout.engine import Sampling
from groupthink.rollout.noise import mix
from groupthink.web.serve.lane import Generation
from groupthink.web.serve.opened import Opened
from groupthink.web.serve.request import Asked
from groupthink.web.serve.running import Running
from groupthink.web.serve.together import together
from groupthink.web.serve.transcript import Delta, Piece, Transcript


@dataclass(frozen=True, slots=True)
class Asking:
    """The responses to the prompts of one request, prompt by prompt."""

    generations: Sequence[Generation]
    transcripts: Sequence[Transcript]
    prompt_tokens: int

    async def deltas(self) -> AsyncIterator[list[tuple[int, Delta]]]:
        """What is added to which response, as it comes, until all have ended; together what is there together.

        Raises what the engine raised.
        """
        async with aclosing(together([aiter(generation) for generation in self.generations])) as found:
            async for place, pieces in found:
                if deltas := [*self._add(place, pieces)]:
                    yield deltas

    @property
    def finished(self) -> bool:
        """Whether all responses have ended."""
        return all(transcript.finish is not None for transcript in self.transcripts)

    def _add(self, place: int, pieces: Sequence[Piece]) -> Iterator[tuple[int, Delta]]:
        each = len(self.transcripts) // len(self.generations)
        for piece in pieces:
            index = place * each + piece.response
            transcript = self.transcripts[index]
            if transcript.finish is None:
                yield index, transcript.add(piece)
                if transcript.stopped:
                    self.generations[place].end(piece.response)

    def cancel(self) -> None:
        """Nothing more is wanted."""
        for generation in self.generations:
            generation.cancel()


def ask(
    opened: Opened,
    running: Running,
    prompts: Sequence[np.ndarray],
    opening: str | None,
    asked: Asked,
    *,
    tokens: bool = True,
) -> Asking:
    """Ask for the responses to prompts of token ids. `opening`: see `Transcript`.

    `tokens`: whether what each token says is told, too, and not the text alone. The same seed draws the same, whoever
    else asks at the time. Raises what `Running.submit` raises.
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
    ends = None if tokens else opened.ends_tag
    transcripts = [Transcript(opened.decode, opening, asked.stops, ends) for _ in range(len(prompts) * asked.n)]
    return Asking(generations, transcripts, sum(map(len, prompts)))

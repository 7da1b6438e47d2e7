"""Step 1 as one call: problems in, groups of responses out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from transformers import PreTrainedTokenizerBase

from groupthink.model.chat import Chat
from groupthink.records import Group, Problem
from groupthink.rollout.engine import Engine, Handle, Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.turns import take_turns
from groupthink.task.reply import Reply


@dataclass(frozen=True, eq=False, slots=True)
class Pending:
    """Groups that were asked for."""

    problems: Sequence[Problem]
    prompts: Sequence[np.ndarray]  # token ids
    handles: Sequence[Handle]
    go_on: Callable[[list[Group]], list[Group]] | None = None  # the turns after the first, where the task replies

    def result(self) -> list[Group]:
        """The groups, in the order of the problems: waits for all responses.

        Turns after the first are asked for now, and drawn from the weights as they are now.
        """
        groups = [
            Group(problem, prompt_ids, handle.result())
            for problem, prompt_ids, handle in zip(self.problems, self.prompts, self.handles, strict=True)
        ]
        return self.go_on(groups) if self.go_on else groups


def begin(
    engine: Engine,
    chat: Chat,
    problems: Sequence[Problem],
    settings: RolloutSettings | Sampling,
    seed: int,
    reply: Reply | None = None,
) -> Pending:
    """Ask for a group of responses to each problem; what is drawn depends on (seed, problem id) alone.

    Where the task has a `reply`, responses may have several turns: see `take_turns`.
    """
    sampling = Sampling.of(settings) if isinstance(settings, RolloutSettings) else settings
    prompts = [chat.encode(problem.prompt) for problem in problems]
    handles = [
        engine.submit(prompt_ids, sampling, mix(seed, problem.id))
        for problem, prompt_ids in zip(problems, prompts, strict=True)
    ]
    if handles:
        handles[-1].start()
    go_on = partial(take_turns, engine, chat, sampling, reply) if reply else None
    return Pending(problems, prompts, handles, go_on)


def generate(
    engine: Engine,
    chat: Chat,
    problems: Sequence[Problem],
    settings: RolloutSettings | Sampling,
    seed: int,
    on_text: Callable[[str], None] | None = None,
    reply: Reply | None = None,
) -> list[Group]:
    """`begin`, and what comes of it.

    `on_text` is told the text of the first problem's first response whenever it has grown, in whole characters; its
    later turns come at once, at the end.
    """
    pending = begin(engine, chat, problems, settings, seed, reply)
    if on_text and pending.handles:
        _watch(pending.handles[0], chat.tokenizer, on_text)
    groups = pending.result()
    if on_text and groups and reply:
        on_text(groups[0].responses[0].text)
    return groups


BEGUN = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character of which some tokens are still to come. (Or it is what the policy wrote.)"""


def _watch(handle: Handle, tokenizer: PreTrainedTokenizerBase, on_text: Callable[[str], None]) -> None:
    token_ids: list[int] = []
    text = ""
    for response, new_ids in handle:
        if response == 0:
            token_ids += new_ids
            text = tokenizer.decode(token_ids)
            on_text(text.rstrip(BEGUN))
    if text.endswith(BEGUN):  # nothing comes any more
        on_text(text)

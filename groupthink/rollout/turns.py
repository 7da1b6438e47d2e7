"""Responses of several turns: the policy writes, the task replies, the policy goes on, and all of it is one response.

<think>12*7<|end|>    a turn: sampled, with the token that ended it
=84                   the reply: not sampled
</think>84<|end|>     a turn
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from groupthink.model.chat import Chat
from groupthink.records import Group, Problem, Response
from groupthink.rollout.engine import Engine, Handle, NoRoom, Sampling
from groupthink.rollout.noise import mix
from groupthink.task.reply import Reply


@dataclass(eq=False, slots=True)
class Talk:
    """A response that may go on."""

    problem: Problem
    prompt_ids: np.ndarray
    response: Response  # all turns so far
    texts: list[str]  # of the turns and the replies, in order
    reply_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # what the turn that is drawn follows


def take_turns(engine: Engine, chat: Chat, sampling: Sampling, reply: Reply, groups: Sequence[Group]) -> list[Group]:
    """`groups` of first turns; each response goes on for as long as the task replies to it.

    Replies and turns share `sampling.max_tokens`; a response whose next reply would leave no room for a turn ends
    before it, by "length". Every turn takes a token at least, so that there is an end to them. What is drawn depends
    on the response's seed and what it holds so far, under the weights that the engine has now.
    """
    rows = [[Talk(group.problem, group.prompt_ids, one, [one.text]) for one in group.responses] for group in groups]
    going_on = [talk for row in rows for talk in row]
    while going_on:
        # All are asked for before one is waited for, so that they are drawn together.
        tried = ((talk, _ask(talk, engine, chat, sampling, reply)) for talk in going_on)
        asked = [(talk, handle) for talk, handle in tried if handle is not None]
        if asked:
            asked[-1][1].start()
        for talk, handle in asked:
            (turn,) = handle.result()
            talk.response = follow(talk.response, talk.reply_ids, turn, chat.tokenizer)
            talk.texts.append(turn.text)
        going_on = [talk for talk, _ in asked]
    return [replace(group, responses=tuple(map(_told, row))) for group, row in zip(groups, rows, strict=True)]


def _ask(talk: Talk, engine: Engine, chat: Chat, sampling: Sampling, reply: Reply) -> Handle | None:
    """The turn that follows the task's reply, on its way; None where the response is finished."""
    said = reply(talk.problem, tuple(talk.texts)) if talk.response.finish == "stop" else None
    if said is None:
        return None
    text, talk.reply_ids = chat.encode_reply(said, ended=int(talk.response.token_ids_T[-1]))
    talk.texts.append(text)
    so_far = np.concatenate([talk.prompt_ids, talk.response.token_ids_T, talk.reply_ids])
    left = sampling.max_tokens - len(talk.response) - len(talk.reply_ids)
    if left > 0:
        of_one = replace(sampling, max_tokens=left, n=1)
        try:
            return engine.submit(so_far, of_one, mix(talk.response.seed, len(talk.texts)))
        except NoRoom:
            pass  # the model's context is full
    talk.response = replace(talk.response, finish="length")
    return None


def _told(talk: Talk) -> Response:
    """The response with its turns; a reply that there was no room for is none."""
    turns = tuple(talk.texts[: len(talk.texts) - 1 + len(talk.texts) % 2])
    return replace(talk.response, turns=turns) if len(turns) > 1 else talk.response


def follow(response: Response, reply_ids: np.ndarray, turn: Response, tokenizer: PreTrainedTokenizerBase) -> Response:
    """One response of all that `response` holds, a reply to it, and the turn that was drawn after that."""
    replied = len(reply_ids)
    token_ids_T = np.concatenate([response.token_ids_T, reply_ids, turn.token_ids_T])
    unknown_T = np.zeros(replied, np.float32)
    return Response(
        token_ids_T=token_ids_T,
        sampled_T=np.concatenate([response.sampled_T, np.zeros(replied, bool), turn.sampled_T]),
        logprobs_T=np.concatenate([response.logprobs_T, unknown_T, turn.logprobs_T]),
        drawn_logprobs_T=np.concatenate([response.drawn_logprobs_T, unknown_T, turn.drawn_logprobs_T]),
        versions_T=np.concatenate([response.versions_T, np.full(replied, -1), turn.versions_T]),
        text=tokenizer.decode(token_ids_T[:-1] if turn.finish == "stop" else token_ids_T, skip_special_tokens=False),
        finish=turn.finish,
        seed=response.seed,
    )

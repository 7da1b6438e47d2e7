"""Step 1 as one call: problems in, groups of responses out."""

from collections.abc import Callable, Sequence

from transformers import PreTrainedTokenizerBase

from groupthink.model.chat import encode_prompt
from groupthink.records import Group, Problem
from groupthink.rollout.engine import Engine, Handle, Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.settings import RolloutSettings


def generate(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    settings: RolloutSettings | Sampling,
    seed: int,
    on_text: Callable[[str], None] | None = None,
) -> list[Group]:
    """A group of responses to each problem, in order; what is drawn depends on (seed, problem id) alone.

    `on_text` is told the text of the first problem's first response whenever it has grown.
    """
    sampling = Sampling.of(settings) if isinstance(settings, RolloutSettings) else settings
    prompts = [encode_prompt(tokenizer, problem.prompt) for problem in problems]
    handles = [
        engine.submit(prompt_ids, sampling, mix(seed, problem.id))
        for problem, prompt_ids in zip(problems, prompts, strict=True)
    ]
    if on_text and handles:
        _watch(handles[0], tokenizer, on_text)
    return [
        Group(problem, prompt_ids, handle.result())
        for problem, prompt_ids, handle in zip(problems, prompts, handles, strict=True)
    ]


def _watch(handle: Handle, tokenizer: PreTrainedTokenizerBase, on_text: Callable[[str], None]) -> None:
    token_ids: list[int] = []
    for response, new_ids in handle:
        if response == 0:
            token_ids += new_ids
            on_text(tokenizer.decode(token_ids))

"""The filters that look at one response alone, in the order in which they are asked: the first that is true drops it.

DeepSeek-R1 kept right samples without mixed languages, long paragraphs and blocks of code in their reasoning
(arXiv 2501.12948, section 2.3.3).
"""

from collections.abc import Callable

from groupthink.reward.language import consistency
from groupthink.stage.sample.candidates import Candidate
from groupthink.stage.settings import SampleSettings

Filter = Callable[[Candidate, SampleSettings], bool]
"""Whether a candidate is dropped."""


def unjudged(one: Candidate, settings: SampleSettings) -> bool:
    """Nobody knows whether it is right."""
    return one.right is None


def wrong(one: Candidate, settings: SampleSettings) -> bool:
    """Its answer is not right."""
    return one.right is False


def unfinished(one: Candidate, settings: SampleSettings) -> bool:
    """It was cut at `rollout.max_tokens`."""
    return one.finish != "stop"


def malformed(one: Candidate, settings: SampleSettings) -> bool:
    """It is not one `<think>...</think>` and an answer after it."""
    return not one.chain.well_formed


def repetitive(one: Candidate, settings: SampleSettings) -> bool:
    """More than `sample.repeated` of its runs of 8 tokens came before."""
    return one.repeated > settings.repeated


def mixed(one: Candidate, settings: SampleSettings) -> bool:
    """Less than `sample.in_script` of the words of its reasoning are written in `sample.script`."""
    if not settings.script:
        return False
    share = consistency(one.chain.reasoning, settings.script)
    return share is not None and share < settings.in_script


def short(one: Candidate, settings: SampleSettings) -> bool:
    """It has fewer tokens than `sample.shortest`."""
    return one.tokens < settings.shortest


def long(one: Candidate, settings: SampleSettings) -> bool:
    """It has more tokens than `sample.longest`."""
    return bool(settings.longest) and one.tokens > settings.longest


def paragraph(one: Candidate, settings: SampleSettings) -> bool:
    """Its reasoning goes on for more than `sample.paragraph` characters without a line break."""
    lines = (one.chain.reasoning or "").splitlines()
    return bool(settings.paragraph) and max(map(len, lines), default=0) > settings.paragraph


def code(one: Candidate, settings: SampleSettings) -> bool:
    """Its reasoning holds a block of code (unless `sample.code_blocks`)."""
    return not settings.code_blocks and "```" in (one.chain.reasoning or "")


FILTERS: tuple[Filter, ...] = (
    unjudged,
    wrong,
    unfinished,
    malformed,
    repetitive,
    mixed,
    short,
    long,
    paragraph,
    code,
)


def first_reason(one: Candidate, settings: SampleSettings) -> str | None:
    """The name of the first filter that drops a candidate; None where none does."""
    return next((drops.__name__ for drops in FILTERS if drops(one, settings)), None)

"""Which training problems share words with held-out ones: by runs of 10 words, but for the task's own wording.

Problems that are put in the same words have most runs of words in common, without being the same problem. So a run
counts as wording, and tells nothing, where it stands in more than a given share of the training problems, and in more
than one problem on either side: what a single held-out problem says is its own, however many training problems copy it.
A problem of fewer than 10 words is compared as a whole, and whole texts that are equal always count.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from groupthink.records import Problem, Prompt

RUN = 10
"""Words, as of DeepSeek-R1's decontamination (arXiv 2501.12948, appendix)."""

_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # Thai, Japanese, Chinese, Korean
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_EDGES = ".,;:!?\"'()[]{}"

Words = tuple[str, ...]


def contaminated(problems: Sequence[Problem], held_out: Iterable[Problem], wording: float) -> set[str]:
    """The ids of the problems that share a run of words with one that is held out, wording aside."""
    held = {words_of(problem.prompt) for problem in held_out}
    texts = {problem.id: words_of(problem.prompt) for problem in problems}
    in_held, in_training = _counts(held), _counts(set(texts.values()))
    most = max(1.0, wording * len(texts))

    def tells(run: Words) -> bool:
        return in_held[run] == 1 or (in_held[run] > 1 and in_training[run] <= most)

    return {name for name, words in texts.items() if words in held or any(map(tells, runs_of(words)))}


def _counts(texts: Iterable[Words]) -> Counter[Words]:
    """In how many of the texts, which are different ones, each run stands."""
    return Counter(run for words in texts for run in runs_of(words))


def words_of(prompt: Prompt) -> Words:
    """The words in small letters, without the punctuation around them; a sign of a script without spaces is one.

    >>> words_of("Solve x^2-1=0, please.")
    ('solve', 'x^2-1=0', 'please')
    """
    text = prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)
    found = (word.strip(_EDGES) for word in _WORD.findall(text.casefold()))
    return tuple(word for word in found if word)


def runs_of(words: Words, n: int = RUN) -> set[Words]:
    """The runs of `n` words; of fewer words the one that they are."""
    return {words[start : start + n] for start in range(max(1, len(words) - n + 1))}

"""Reasoning and answer apart, whatever becomes of the tags (B6, B7)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupthink.chain import CLOSE, OPEN, read_chain
from groupthink.web.serve.split import Split


def split(text, opening="", places=()):
    cuts = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    parts = Split(opening)
    told = [*(parts.add(text[start:end]) for start, end in pairwise(cuts)), parts.end()]
    reasoning, answer = ("".join(column) for column in zip(*told, strict=True))
    return (reasoning if parts.reasoned and opening != OPEN + CLOSE else None), answer


CASES = [
    ("", "<think>2*3=6</think>x=2", "2*3=6", "x=2"),
    ("", "\n <think>\n2*3=6\n</think>\n\nx=2, x=3\n", "\n2*3=6\n", "x=2, x=3"),
    ("", "<think></think>4", "", "4"),
    ("", "<think>it goes on", "it goes on", ""),  # never closed
    ("", "<think>it goes on </thi", "it goes on </thi", ""),
    ("", "<think>it is closed</think>", "it is closed", ""),
    ("", "x=2", None, "x=2"),  # no tags
    ("", "  x=2 \n y \n", None, "x=2 \n y"),
    ("", "1 < 2 <thin", None, "1 < 2 <thin"),
    ("", "so</think>x=2", None, "so</think>x=2"),  # closed, never opened
    ("", "Sure: <think>a</think> b", "a", "Sure:  b"),
    ("", "<think>a</think>b</think>c", "a", "b</think>c"),
    ("", "<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
    ("", "<think>a<think>b</think>c", "a<think>b", "c"),
    ("", "", None, ""),
    ("", " \n", None, ""),
    (OPEN, "2*3=6</think>x=2", "2*3=6", "x=2"),  # opened by the prompt
    (OPEN, "\n<think>2*3=6</think>x=2", "2*3=6", "x=2"),  # and by the response once more
    (OPEN, "<th2*3=6</think>x=2", "<th2*3=6", "x=2"),
    (OPEN, "it goes on", "it goes on", ""),
    (OPEN, " ", " ", ""),
    (OPEN, "</think>x=2", "", "x=2"),
    (OPEN + CLOSE, "x=2 <think>no</think>", None, "x=2 <think>no</think>"),  # thinking is switched off
]


@pytest.mark.parametrize("opening, text, reasoning, answer", CASES)
def test_the_parts_of_a_text(opening, text, reasoning, answer):
    for places in ((), range(len(text)), range(0, len(text), 3), range(1, len(text), 5)):
        assert split(text, opening, places) == (reasoning, answer)


PART = st.text("a<th>/ \n", max_size=12).filter(lambda text: OPEN not in text and CLOSE not in text)


@given(st.sampled_from(["", OPEN]), st.text(" \n", max_size=3), PART, PART, st.lists(st.integers(0, 999), max_size=9))
def test_of_a_chain_that_is_well_formed_the_parts_are_those_that_are_judged(opening, lead, reasoning, answer, places):
    text = f"{reasoning}{CLOSE}{answer}" if opening else f"{lead}{OPEN}{reasoning}{CLOSE}{answer}"
    chain = read_chain(text, opening=opening)
    if text.count(CLOSE) + text.count(OPEN) == (1 if opening else 2):
        assert split(text, opening, places) == (chain.reasoning, chain.answer or "")


@given(
    st.sampled_from(["", OPEN, OPEN + CLOSE]),
    st.lists(st.sampled_from([OPEN, CLOSE, "a", "<", "/", ">", " ", "\n", "think"]), max_size=15),
    st.lists(st.integers(0, 999), max_size=9),
)
def test_however_it_comes_the_parts_are_the_same(opening, parts, places):
    text = "".join(parts)
    assert split(text, opening, places) == split(text, opening)


def test_a_tag_is_waited_for_and_nothing_else():
    parts = Split()
    assert [parts.add(text) for text in ("<think>a", "b<", "/thi", "s</think", "> c", " ", "d")] == [
        ("a", ""),
        ("b", ""),
        ("", ""),
        ("</this", ""),
        ("", "c"),
        ("", ""),
        ("", " d"),
    ]

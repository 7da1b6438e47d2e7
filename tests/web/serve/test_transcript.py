"""A response as it is written: what comes of it does not depend on how its tokens are handed over."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupthink.chain import CLOSE, OPEN
from groupthink.web.serve.transcript import LENGTH, STOP, Piece, Token, Transcript

END = "$"


def decode(ids):
    return "".join(map(chr, ids))


def tokens(text):
    return [Token(ord(char), -0.5) for char in text]


def written(text, opening="", stops=(), finish=STOP, each=None):
    """A transcript of `text`, a character a token, in pieces of `each`; and what each piece added."""
    transcript = Transcript(decode, opening, stops)
    whole = tokens(text + END if finish == STOP else text)
    each = each or len(whole)
    parts = [whole[start : start + each] for start in range(0, len(whole), each)]
    deltas = [transcript.add(Piece(0, part, finish if part is parts[-1] else None)) for part in parts]
    return transcript, deltas


def found(transcript):
    return (
        transcript.reasoning,
        transcript.answer,
        transcript.finish,
        transcript.tokens,
        transcript.reasoning_tokens,
        len(transcript.drawn),
    )


THOUGHT = "<think>ab</think>cd"


@pytest.mark.parametrize(
    "text, opening, stops, finish, expected",
    [
        # Its end counts as a token, the tags count as reasoning.
        (THOUGHT, "", (), STOP, ("ab", "cd", STOP, 20, 17, 19)),
        (THOUGHT, "", (), LENGTH, ("ab", "cd", LENGTH, 19, 17, 19)),
        ("ab</think>cd", OPEN, (), STOP, ("ab", "cd", STOP, 13, 10, 12)),
        ("<think>ab", "", (), LENGTH, ("ab", "", LENGTH, 9, 9, 9)),
        ("cd", "", (), STOP, (None, "cd", STOP, 3, 0, 2)),
        ("cd", OPEN + CLOSE, (), STOP, (None, "cd", STOP, 3, 0, 2)),
        (THOUGHT, None, (), STOP, (None, THOUGHT, STOP, 20, 0, 19)),
        # What follows a stop string is not drawn for anyone: it does not count.
        (THOUGHT, "", ("d",), LENGTH, ("ab", "c", STOP, 19, 17, 19)),
        (THOUGHT, "", ("</think>",), LENGTH, ("ab", "", STOP, 17, 17, 17)),
        (THOUGHT, "", ("b",), LENGTH, ("a", "", STOP, 9, 9, 9)),
        (THOUGHT, "", ("nowhere",), LENGTH, ("ab", "cd", LENGTH, 19, 17, 19)),
        (f"{THOUGHT} n", "", ("nowhere",), STOP, ("ab", "cd n", STOP, 22, 17, 21)),
        (" x ", None, ("  ",), STOP, (None, " x ", STOP, 4, 0, 3)),
    ],
)
def test_what_a_response_comes_to(text, opening, stops, finish, expected):
    for each in (None, 1, 2, 5):
        transcript, deltas = written(text, opening, stops, finish, each)
        assert found(transcript) == expected
        assert "".join(delta.answer for delta in deltas) == transcript.answer
        assert "".join(delta.reasoning for delta in deltas) == (transcript.reasoning or "")
        assert [token for delta in deltas for token in delta.tokens] == transcript.drawn


WORDS = [OPEN, CLOSE, "ab", " ", "<", "<th", "ink>", "</", "think", ">", "x>y", "\n", END]


def read(ids, opening, stops, finish, cuts, ends):
    """What comes of tokens of WORDS that are handed over in pieces, and how often they were decoded."""
    calls = 0

    def decode_words(ids):
        nonlocal calls
        calls += 1
        return "".join(WORDS[id] for id in ids)

    transcript = Transcript(decode_words, opening, stops, ends)
    places = sorted({0, *(cut % (len(ids) + 1) for cut in cuts), len(ids)})
    for start, stop in pairwise(places):
        part = [Token(id, -0.5) for id in ids[start:stop]]
        transcript.add(Piece(0, part, finish if stop == len(ids) else None))
    return found(transcript)[:-1], calls


def ends_tag(id):
    return ">" in WORDS[id]


@given(
    st.lists(st.integers(0, len(WORDS) - 2), min_size=1, max_size=40),
    st.sampled_from([None, "", OPEN, OPEN + CLOSE]),
    st.sampled_from([(), (CLOSE,), ("b ", "y\n")]),
    st.sampled_from([STOP, LENGTH]),
    st.lists(st.integers(0, 99), max_size=4),
)
def test_tokens_that_are_read_together_come_to_the_same(ids, opening, stops, finish, cuts):
    ids = [*ids, len(WORDS) - 1] if finish == STOP else ids
    one_by_one, _ = read(ids, opening, stops, finish, cuts, None)
    assert read(ids, opening, stops, finish, cuts, ends_tag)[0] == one_by_one


def test_most_tokens_are_read_together():
    ids = [0, *[2] * 200, 1, *[2] * 100]
    assert read(ids, "", (), LENGTH, [], ends_tag)[1] < 10 < 300 < read(ids, "", (), LENGTH, [], None)[1]


def test_after_its_end_nothing_is_added():
    transcript, _ = written(THOUGHT, stops=("c",), finish=LENGTH)
    assert transcript.stopped
    assert not transcript.add(Piece(0, tokens("more"), LENGTH))
    assert transcript.answer == "" and transcript.tokens == 18


def test_a_character_that_is_never_completed_ends_a_response():
    halves = {1: b"\xf0\x9f", 2: b"\x99\x82", 3: b"so "}

    def decode_bytes(ids):
        return b"".join(halves[id] for id in ids).decode(errors="replace")

    transcript = Transcript(decode_bytes, "")
    first = transcript.add(Piece(0, [Token(3, 0.0), Token(1, 0.0)]))
    assert (first.answer, len(first.tokens)) == ("so", 1)  # what the second comes to is not known yet
    second = transcript.add(Piece(0, [Token(2, 0.0)]))
    assert (second.answer, [one.text for one in second.tokens]) == (" 🙂", ["", "🙂"])
    assert transcript.add(Piece(0, [Token(1, 0.0)], LENGTH)).answer == "\ufffd"
    assert [(one.token.id, one.text, one.offset) for one in transcript.drawn] == [
        (3, "so ", 0),
        (1, "", 3),
        (2, "🙂", 3),
        (1, "\ufffd", 4),
    ]


def test_a_token_reads_as_it_stands_in_its_text():
    """A decoder that leaves out the space at a text's beginning leaves out no other one."""
    words = {1: "▁so", 2: "▁x", 3: "y"}

    def decode_words(ids):
        return "".join(words[id] for id in ids).replace("▁", " ").removeprefix(" ")

    transcript = Transcript(decode_words, None)
    likely = [(2, -0.1), (3, -2.0)]
    transcript.add(Piece(0, [Token(id, -0.1, likely) for id in (1, 2, 3)], LENGTH))
    assert [one.text for one in transcript.drawn] == ["so", " x", "y"]
    assert [one.offset for one in transcript.drawn] == [0, 2, 4] and transcript.answer == "so xy"
    assert [one.likely for one in transcript.drawn[:2]] == [[("x", -0.1), ("y", -2.0)], [(" x", -0.1), ("y", -2.0)]]

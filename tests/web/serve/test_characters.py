"""Whole characters only, and in the end the text of all tokens (B10)."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.convert_slow_tokenizer import bytes_to_unicode

from groupthink.web.serve.characters import BEGUN, LONGEST, WINDOW, Characters

TEXT = "x² 🙂 =é, 日本 <think>ß</think>\n\n" * 3
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
CHARACTERS = bytes_to_unicode()
"""What stands for each byte in a vocabulary of bytes."""


def byte_level() -> Tokenizer:
    """A token a byte."""
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(BYTES)}, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return tokenizer


def pieces() -> Tokenizer:
    """As Llama 2's: words with their space, bytes for what has no word, and a space that the text begins with."""
    words = ["▁", "▁x", "▁y", "x", "y", "▁so", "he", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Tokenizer(models.BPE(vocab={word: index for index, word in enumerate(words)}, merges=[]))
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(parts)
    return tokenizer


def encoded(tokenizer, octets):
    """Their tokens, a byte a token."""
    names = CHARACTERS if tokenizer.token_to_id("<0x00>") is None else [f"<0x{byte:02X}>" for byte in range(256)]
    return [tokenizer.token_to_id(names[byte]) for byte in octets]


def decoding(tokenizer):
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=False)


def told(decode, parts):
    characters = Characters(decode)
    return [*(characters.add(part) for part in parts), characters.end()]


def cut(ids, places):
    places = [0, *sorted(place % (len(ids) + 1) for place in places), len(ids)]
    return [ids[start:end] for start, end in pairwise(places)]


def test_a_character_comes_with_the_last_of_its_tokens():
    tokenizer = byte_level()
    ids = tokenizer.encode(TEXT).ids
    assert len(ids) == len(TEXT.encode())
    parts = told(decoding(tokenizer), [[id] for id in ids])
    assert "".join(parts) == TEXT
    assert [part for part in parts if part] == list(TEXT)


@given(st.text(max_size=60), st.lists(st.integers(0, 10_000), max_size=8))
def test_however_they_come_the_text_is_the_same(text, places):
    tokenizer = byte_level()
    ids = tokenizer.encode(text).ids
    assert "".join(told(decoding(tokenizer), cut(ids, places))) == tokenizer.decode(ids)


@given(st.lists(st.integers(0, len(BYTES) - 1), max_size=80), st.lists(st.integers(0, 10_000), max_size=8))
def test_bytes_that_are_no_text_are_told_as_they_are_decoded(ids, places):
    decode = decoding(byte_level())
    parts = told(decode, cut(ids, places))
    assert "".join(parts) == decode(ids)


@example(["▁", "▁", "▁", "🙂", "🙂", "🙂", "🙂", "🙂"], [400])
@given(
    st.lists(st.sampled_from(["▁", "▁x", "▁y", "x", "▁so", "he", "é", "🙂"]), max_size=60),
    st.lists(st.integers(0, 999)),
)
def test_spaces_at_a_windows_beginning_are_not_lost(words, places):
    tokenizer = pieces()
    ids = [
        id
        for word in words
        for id in (
            [tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in word.encode()]
            if tokenizer.token_to_id(word) is None
            else [tokenizer.token_to_id(word)]
        )
    ]
    decode = decoding(tokenizer)
    assert "".join(told(decode, cut(ids, places))) == decode(ids)
    assert "".join(told(decode, [[id] for id in ids])) == decode(ids)


def test_what_ended_in_the_middle_of_a_character_is_told_at_the_end():
    tokenizer = byte_level()
    ids = tokenizer.encode("so 🙂").ids[:-1]
    parts = told(decoding(tokenizer), [[id] for id in ids])
    assert parts[-1] == BEGUN and "".join(parts) == f"so {BEGUN}"


@pytest.mark.parametrize("length", [1, WINDOW - 1, WINDOW, 5 * WINDOW, 50 * WINDOW])
def test_no_more_is_decoded_at_a_time_than_a_window(length):
    tokenizer, longest = byte_level(), 0

    def decode(ids):
        nonlocal longest
        longest = max(longest, len(ids))
        return tokenizer.decode(ids, skip_special_tokens=False)

    told(decode, [[id] for id in tokenizer.encode("y" * length).ids])
    assert longest <= WINDOW


@pytest.mark.parametrize("tokenizer", [byte_level(), pieces()])
def test_bytes_that_are_no_text_do_not_pile_up(tokenizer):
    """However many there are: what is decoded for each token has a bound, and they are told while they come."""
    decoded = 0

    def decode(ids):
        nonlocal decoded
        decoded += len(ids)
        return tokenizer.decode(ids, skip_special_tokens=False)

    ids = [id for byte in (0xFF, 0x80, 0xC3, 0xF0) for id in encoded(tokenizer, [byte] * 500)]
    parts = told(decode, [[id] for id in ids])
    assert len("".join(parts[: len(ids) // 2])) > len(ids) // 2 - WINDOW
    assert decoded < 2 * WINDOW * len(ids)
    assert "".join(parts) == tokenizer.decode(ids, skip_special_tokens=False)


@given(st.lists(st.integers(0x78, 0xFF), max_size=120), st.text("é🙂", max_size=3), st.integers(1, 3))
def test_what_follows_bytes_that_are_no_text_is_text(wrong, text, each):
    tokenizer = byte_level()
    ids = encoded(tokenizer, [*wrong, *text.encode()])
    decode = decoding(tokenizer)
    parts = told(decode, [ids[start : start + each] for start in range(0, len(ids), each)])
    assert "".join(parts) == decode(ids)


def test_tokens_that_each_end_one_character_and_begin_the_next():
    """Nothing is whole between two of them, and the window is bounded all the same."""
    longest = 0

    def decode(ids):
        nonlocal longest
        longest = max(longest, len(ids))
        return b"".join([b"\xc3", b"\xa9\xc3", b"\xa9"][id] for id in ids).decode(errors="replace")

    parts = told(decode, [[id] for id in (0, *[1] * 200, 2)])
    assert "".join(parts) == "é" * 201 and longest <= 2 * WINDOW


def test_tokens_that_stand_for_nothing_do_not_pile_up():
    tokenizer, longest = byte_level(), 0
    nothing = len(BYTES) + 5

    def decode(ids):
        nonlocal longest
        longest = max(longest, len(ids))
        return tokenizer.decode(ids, skip_special_tokens=False)

    ids = [*tokenizer.encode("so ").ids, *[nothing] * 500, *tokenizer.encode("it ²").ids]
    parts = told(decode, [[id] for id in ids])
    assert "".join(parts) == "so it ²" and longest <= LONGEST + 1

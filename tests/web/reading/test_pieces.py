import json
import random

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from groupthink.web.reading.pieces import BUNDLED, decoded, pieces_of, split, tokenizer_file
from tests.web.reading.making import END, NANO, encode, run_of

ONE = [[[1, 0, 0]]]


@pytest.fixture(scope="module")
def of_bytes() -> Tokenizer:
    """A token for each byte: every character that is not ASCII is spread over several."""
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={sign: number for number, sign in enumerate(signs)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split_by(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    return split(ids, lambda some: tokenizer.decode(list(some), skip_special_tokens=False))


def test_a_character_stands_with_the_last_of_its_tokens(of_bytes):
    pieces = split_by(of_bytes, of_bytes.encode("a√😀b").ids)
    assert pieces == ["a", "", "", "√", "", "", "", "😀", "b"]


@pytest.mark.parametrize("text", ["x²+1", "日本語 と 한국어", "👩‍👩‍👧‍👦!", "\x00\u202e", "e\u0301", ""])
def test_pieces_together_are_the_text(of_bytes, text):
    ids = of_bytes.encode(text).ids
    pieces = split_by(of_bytes, ids)
    assert len(pieces) == len(ids) and "".join(pieces) == text == of_bytes.decode(ids)


def test_so_are_those_of_tokens_that_are_no_text(of_bytes):
    """A policy that knows nothing yet draws bytes that no character begins with."""
    draw = random.Random(5)
    for _ in range(300):
        ids = [draw.randrange(256) for _ in range(draw.randrange(40))]
        pieces = split_by(of_bytes, ids)
        assert len(pieces) == len(ids) and "".join(pieces) == of_bytes.decode(ids)


def test_a_text_cut_in_a_character_ends_with_the_sign_for_that(of_bytes):
    ids = of_bytes.encode("a😀").ids[:-1]
    assert split_by(of_bytes, ids) == ["a", "", "", "\N{REPLACEMENT CHARACTER}"]


def test_a_decoder_that_looks_far_does_no_harm():
    """It strips the beginning, and swaps what comes fifth: what disagrees is one piece."""

    def decode(ids):
        text = "".join(chr(97 + one) for one in ids)
        return text if len(text) < 5 else text[:3] + "#" + text[4:]

    pieces = split(list(range(8)), decode)
    assert "".join(pieces) == "abc#efgh" and pieces[:3] == ["a", "b", "c"] and pieces[4:] == ["e", "f", "g", "h"]


def test_spaces_that_a_decoder_puts_before_words_stay():
    tokenizer = Tokenizer(models.WordLevel({"▁a": 0, "▁b": 1, "c": 2}))
    tokenizer.decoder = decoders.Metaspace()
    assert split_by(tokenizer, [0, 1, 2]) == ["a", " b", "c"]


def test_the_bundled_tokenizer(tmp_path):
    with run_of(tmp_path / "r", ONE) as run:
        assert tokenizer_file(run.path) == BUNDLED / "tokenizer.json"
        ids = [*encode("<think>x²</think>").tolist(), END]
        assert pieces_of(run.path, ids) == ["<think>", "x", "²", "</think>", "<|end|>"]
        odd = NANO.token_to_id("\N{REPLACEMENT CHARACTER}")
        assert pieces_of(run.path, [odd, *encode("a").tolist()]) == ["\N{REPLACEMENT CHARACTER}", "a"]
        assert decoded(run.path, ids) == "<think>x²</think><|end|>"


def test_the_runs_own_tokenizer_goes_first(tmp_path, of_bytes):
    with run_of(tmp_path / "r", ONE) as run:
        checkpoint = run.checkpoint(1, lambda folder: of_bytes.save(str(folder / "tokenizer.json")))
        assert tokenizer_file(run.path) == checkpoint / "tokenizer.json"
        assert pieces_of(run.path, of_bytes.encode("√").ids) == ["", "", "√"]
        (run.path / "model").mkdir()
        NANO.save(str(run.path / "model" / "tokenizer.json"))
        assert tokenizer_file(run.path) == run.path / "model" / "tokenizer.json"


def test_of_a_model_that_is_not_here_there_are_no_pieces(tmp_path):
    with run_of(tmp_path / "r", ONE, "model=someone/model") as run:
        assert tokenizer_file(run.path) is None and pieces_of(run.path, [1, 2]) is None


def test_a_tokenizer_that_is_none_is_none(tmp_path):
    with run_of(tmp_path / "r", ONE) as run:
        (run.path / "model").mkdir()
        (run.path / "model/tokenizer.json").write_text(json.dumps({"model": "?"}))
        assert pieces_of(run.path, [1, 2]) is None


def test_the_model_of_a_stage_before_is_found_where_the_pipeline_lies_now(tmp_path):
    whole = tmp_path / "moved"
    (whole / "stages/01-zero/model").mkdir(parents=True)
    NANO.save(str(whole / "stages/01-zero/model/tokenizer.json"))
    (whole / "pipeline.toml").touch()
    with run_of(whole / "stages/02-more", ONE, "model=/gone/stages/01-zero/model") as run:
        assert tokenizer_file(run.path) == whole / "stages/01-zero/model/tokenizer.json"

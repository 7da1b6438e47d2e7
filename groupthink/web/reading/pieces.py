"""Token ids as the pieces of text that they stand for: by the tokenizer's own file, without a model.

A character whose bytes are spread over several tokens stands with the last of them, so that every piece is whole
characters, and all pieces together are the text.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from groupthink.run.checkpoints import MANIFEST
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.places import pipeline_of
from groupthink.web.reading.settings import recipe_of

TOKENIZER = "tokenizer.json"
BUNDLED = Path(__file__).parents[2] / "nano" / "model"
BEGUN = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character of which some tokens are still to come. (Or it is what the policy wrote.)"""

LONGEST = 16
"""Tokens that are waited for, at most: a character has up to four bytes, and what stands before it may be no text."""

Decode = Callable[[Sequence[int]], str]


def pieces_of(place: Path, token_ids: Sequence[int]) -> list[str] | None:
    """A piece of text for each token; None where the run has no tokenizer at hand."""
    tokenizer = _tokenizer_of(place)
    if tokenizer is None:
        return None
    return split(token_ids, _decoding(tokenizer), lambda token: BEGUN in (tokenizer.id_to_token(token) or ""))


def decoded(place: Path, token_ids: Sequence[int]) -> str | None:
    """The text of some tokens, special ones too; None where the run has no tokenizer at hand."""
    tokenizer = _tokenizer_of(place)
    return None if tokenizer is None else _decoding(tokenizer)(token_ids)


def split(token_ids: Sequence[int], decode: Decode, is_odd: Callable[[int], bool] = lambda token: False) -> list[str]:
    """The pieces of `decode(token_ids)`. `is_odd`: of a token that is itself the sign for what cannot be read.

    What a token adds is what it adds to the tokens shortly before it: so decoders work. Where one does not, what lies
    between is one piece.
    """
    pieces: list[str] = []
    first = done = 0  # tokens from which is decoded, and those whose text was given
    for place, token in enumerate(token_ids):
        before = decode(token_ids[first:done]) if done > first else ""
        text = decode(token_ids[first : place + 1])
        if text.endswith(BEGUN) and not is_odd(token) and place + 1 - done < LONGEST and place + 1 < len(token_ids):
            pieces.append("")
            continue
        pieces.append(text[len(before) :])
        first, done = done, place + 1
    return _agreeing(pieces, decode(token_ids))


def _agreeing(pieces: list[str], text: str) -> list[str]:
    """The pieces where they are the text; else those at its two ends that are, and between them one of the rest."""
    if "".join(pieces) == text:
        return pieces
    first, begun = 0, 0
    while first < len(pieces) - 1 and text.startswith(pieces[first], begun):
        begun += len(pieces[first])
        first += 1
    last, ended = len(pieces), len(text)
    while last > first + 1 and ended - len(pieces[last - 1]) >= begun and text.endswith(pieces[last - 1], 0, ended):
        last -= 1
        ended -= len(pieces[last])
    return [*pieces[:first], *[""] * (last - first - 1), text[begun:ended], *pieces[last:]]


def _decoding(tokenizer: Any) -> Decode:
    return lambda token_ids: tokenizer.decode(list(token_ids), skip_special_tokens=False)


def _tokenizer_of(place: Path) -> Any:
    file = tokenizer_file(place)
    try:
        return None if file is None else _tokenizers(file)
    except (OSError, ValueError):
        return None


def tokenizer_file(place: Path) -> Path | None:
    """Where a run's tokenizer lies on this machine: with its model, a checkpoint, or the model that it began with."""
    for folder in _folders(place):
        if (folder / TOKENIZER).is_file():
            return folder / TOKENIZER
    return None


def _folders(place: Path) -> list[Path]:
    folders = _own(place)
    try:
        model = recipe_of(place).model
    except (LookupError, ValueError, OSError):
        return folders
    if model == "nano":
        return [*folders, BUNDLED]
    named = Path(model).expanduser()
    whole = pipeline_of(place)
    moved = [whole / Path(*named.parts[-3:])] if whole is not None else []  # of another stage, wherever that lay
    return [*folders, *(one for base in (named, *moved) if base.is_dir() for one in (base, *_own(base)))]


def _own(run: Path) -> list[Path]:
    """The folders of a run that hold a tokenizer, the newest first."""
    sealed = sorted(run.glob(f"checkpoints/step-*/{MANIFEST}"), reverse=True)
    return [run / "model", *(manifest.parent for manifest in sealed)]


def _load(file: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise ValueError(f"{file} is no tokenizer: {error}") from None


_tokenizers: Kept[Any] = Kept(_load, most=2)  # a large one takes 100 MB

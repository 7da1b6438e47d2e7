"""Text that a model wrote, made harmless to show and to store."""

import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, bidi and other format marks, lone surrogates, odd line ends


def printable(text: str) -> str:
    r"""Terminal escapes and other unseen characters are spelt out; line breaks and tabs stay.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in _UNSEEN else _spelt(char) for char in text
    )


def storable(text: str) -> str:
    """Lone surrogates, which no UTF-8 file can hold, are spelt out; all else stays."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _spelt(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode() if ord(char) > 127 else f"\\x{ord(char):02x}"

"""What a model wrote, made harmless to show and to store; and shares and durations as people read them."""

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


def percent(share: float | None, form: str = ".1%") -> str:
    """A share in percent; a dash where nobody knows it.

    >>> percent(0.5), percent(None), percent(0.25, "+.0%")
    ('50.0%', '-', '+25%')
    """
    return "-" if share is None else format(share, form)


def duration(seconds: float) -> str:
    """Seconds for people, with two digits that mean something.

    >>> duration(0.034), duration(7.31), duration(312), duration(9000)
    ('0.034 s', '7.3 s', '5 min', '2.5 h')
    """
    if seconds < 60:
        return f"{float(f'{seconds:.2g}'):g} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{float(f'{seconds / 3600:.2g}'):g} h"


def _spelt(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode() if ord(char) > 127 else f"\\x{ord(char):02x}"

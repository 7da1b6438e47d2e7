"""What must not leave this machine is struck out of texts: keys and passwords, what a model read or wrote, homes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STRUCK = "<struck out>"
SHORTEST = 6
"""Characters of a secret that is struck out wherever it stands; a shorter one may be a part of any word."""

_SECRET = r"key(?!error|board|word)|token(?!iz)|secret|passw|passphrase|credential|authorization|cookie"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_SECRET_NUMBER = re.compile(r"(?:^|[^a-z])(?:key|token|secret|password|passwd)$", re.IGNORECASE)  # not max_tokens
_WORDING = re.compile(r"(?:^|\.)(?:prompt|system|instruction|template)$")
"""Settings that are words to a model."""

_SHAPES = (
    re.compile(r"-----BEGIN [^-\n]*PRIVATE KEY-----.*?(?:-----END [^-\n]*-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:hf_|sk-|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|AKIA|AIza)[\w-]{8,}"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),  # a JSON web token
    re.compile(r"\b[0-9a-fA-F]{40}\b"),
    re.compile(r"(?<=://)[^\s/\"'<>]*@"),  # the user of a URL
    re.compile(r"(?<=://)[^\s/\"'<>@]*:[^\s\"'<>]*@"),  # and a password that holds a slash
    re.compile(r"\bbearer\s+[\w.~+/=-]{4,}|(?<=authorization: )basic\s+\S+", re.IGNORECASE),
)
_VALUE = r"""(?:\\?"(?:\\.|[^"\\])*\\?"|\\?'(?:\\.|[^'\\])*\\?'|[^\s,;&"'<>)\]}]+)"""
_ASSIGNED = re.compile(
    rf"""(?P<name>[\w.-]*(?:{_SECRET})[\w.-]*)(?P<between>\\?["']?\s*[:=]\s*|["']\s*,\s*)(?P<value>{_VALUE})""",
    re.IGNORECASE,
)
_OPTION = re.compile(rf"(?P<name>--?[\w-]*(?:{_SECRET})[\w-]*)(?P<between>\s+)(?P<value>{_VALUE})", re.IGNORECASE)
_NUMBER = re.compile(r"[-+\d.e]+", re.IGNORECASE)
_HOMES = re.compile(r"(?:(?<![\w.])/(?:home|Users)/|\b[A-Za-z]:\\+Users\\+)[^/\\\s\"':,]+")


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is struck out wherever it stands, longest first, and the homes that are shortened to ~."""

    secrets: tuple[str, ...]
    homes: tuple[str, ...]

    def text(self, text: str) -> str:
        """`text` without secrets.

        >>> Redaction((), ()).text("GET https://me:pw@host/v1?api_key=abc: 401 after max_tokens=200")
        'GET https://<struck out>host/v1?api_key=<struck out> 401 after max_tokens=200'
        """
        for secret in self.secrets:
            text = text.replace(secret, STRUCK)
        for shape in _SHAPES:
            text = shape.sub(STRUCK, text)
        for assignment in (_ASSIGNED, _OPTION):
            text = assignment.sub(_without_value, text)
        for home in self.homes:
            text = re.sub(rf"(?<![\w.]){re.escape(home)}(?![\w.-])", "~", text)
        return _HOMES.sub("~", text)

    def tree(self, value: Any, name: str = "") -> Any:
        """The same of dicts and lists as JSON and TOML have them; `name`: what the value is called, dots between."""
        match value:
            case dict():
                return {
                    self.text(key): self.tree(inner, f"{name}.{key}" if name else key) for key, inner in value.items()
                }
            case list():
                return [self.tree(inner, name) for inner in value]
            case str():
                return STRUCK if is_secret(name) else self.text(value)
            case int() | float() if not isinstance(value, bool) and _SECRET_NUMBER.search(name):
                return STRUCK
        return value


def is_secret(name: str) -> bool:
    """Whether what is called so stays here: keys, tokens, passwords, and a prompt's wording.

    >>> is_secret("judge.key"), is_secret("wandb.api-token"), is_secret("model")
    (True, True, False)
    """
    return bool(_SECRET_NAME.search(name) or _WORDING.search(name))


def redaction(
    environment: Mapping[str, str], trees: Iterable[Any], written: Iterable[str], homes: Iterable[Path]
) -> Redaction:
    """What to strike out: values of the environment, those in `trees` that are secret by their names, and `written`."""
    secrets = {value for name, value in environment.items() if is_secret(name) or _is_private(value)}
    for tree in trees:
        secrets |= set(_secrets_in(tree))
    told = {secret for secret in secrets | set(written) if len(secret) >= SHORTEST}
    places = {str(home) for home in homes if len(home.parts) > 1}
    return Redaction(*(tuple(sorted(each, key=len, reverse=True)) for each in (told, places)))


def _is_private(value: str) -> bool:
    """Whether the value of a variable is more than a word, a number, or where something lies."""
    return len(value) > SHORTEST and not value.isalnum() and "/" not in value[:2] and ":\\" not in value[:4]


def _secrets_in(tree: Any, name: str = "") -> Iterable[str]:
    match tree:
        case dict():
            for key, inner in tree.items():
                yield from _secrets_in(inner, f"{name}.{key}" if name else key)
        case list():
            for inner in tree:
                yield from _secrets_in(inner, name)
        case str() if is_secret(name):
            yield tree


def _without_value(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if name.lower() == "tokens" or (_NUMBER.fullmatch(value.rstrip(".:")) and not _SECRET_NUMBER.search(name)):
        return found[0]
    return name + found["between"] + STRUCK


def lines_of(texts: Sequence[str], shortest: int = 16) -> set[str]:
    """The lines of texts that are long enough to be known by."""
    return {line.strip() for text in texts for line in text.splitlines() if len(line.strip()) >= shortest}

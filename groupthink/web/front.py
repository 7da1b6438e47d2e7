"""The front end's files: plain modules, styles and one page, as they are served and as they are put into one file."""

from pathlib import Path

STATIC = Path(__file__).with_name("static")

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Not by the system's table, which may say anything: a script of another type is not run."""


def read_front(path: str) -> str:
    """The text of a file of the front end."""
    return (STATIC / path).read_text(encoding="utf-8")

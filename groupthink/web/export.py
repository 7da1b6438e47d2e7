"""A run's pages as one file that opens without a server: the front end joined, and the answers that it would ask for.

The file allows one script and one style, by their checksums, and nothing else: no request leaves it.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from html import escape
from pathlib import Path

from groupthink.run.files import write_text
from groupthink.web.front import read_front
from groupthink.web.joiner import join
from groupthink.web.selection import Selection, select

MOST = 15_000_000
"""Bytes of answers, about."""

Reader = Callable[[str], str]

NOTE = ".file-note { margin: 2rem auto; padding: 0 1rem; max-width: 70rem; font-size: 0.85rem; }\n"
"""The look of what the file says of itself."""

ENTRY = "app.js"
STYLE = re.compile(r'[ \t]*<link rel="stylesheet" href="([^"]+)">\n')
REFERRER = '<meta name="referrer" content="no-referrer">'
"""Where the file lies is nobody's business. (A server says more, in its headers: see safety.py.)"""

ICON = re.compile(r'<link rel="icon" href="([^"]+)"( type="[^"]+")?>')
SCRIPT = re.compile(r'[ \t]*<script type="module" src="([^"]+)"></script>\n')


def export(run: Path, file: Path, most: int = MOST) -> Selection:
    """Write the pages of the run in `run` into `file`; what is in it. Raises LookupError where there is no run."""
    selection = select(run, most)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, page(selection, read_front))
    return selection


def page(selection: Selection, read: Reader) -> str:
    """The HTML file; `read` gives the text of a file of the front end."""
    index = read("index.html")
    styles = "".join(_style(read(path)) for path in STYLE.findall(index)) + NOTE
    entries = SCRIPT.findall(index)
    if entries != [ENTRY]:
        raise ValueError(f"index.html must have one script, {ENTRY}, not {entries}")
    script = join(ENTRY, read)
    policy = (
        f"default-src 'none'; script-src '{_checksum(script)}'; style-src '{_checksum(styles)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n    {REFERRER}'
    body = (
        f'<footer class="file-note"><p>{escape(told(selection))}</p></footer>\n'
        f'<script type="application/json" id="groupthink-data">{_data(selection)}</script>\n'
        f"<script>{script}</script>\n"
    )
    index = STYLE.sub("", index)
    index = ICON.sub(lambda found: _icon(found, read), index)
    index = index.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n    {head}', 1)
    index = re.sub(r"<title>[^<]*</title>", lambda _: f"<title>{escape(selection.name)} · groupthink</title>", index)
    index = index.replace("</head>", f"  <style>{styles}</style>\n  </head>", 1)
    return SCRIPT.sub(lambda _: body, index, count=1)


def told(selection: Selection) -> str:
    """What is in the file, and what is not, in words."""
    day = time.strftime("%Y-%m-%d", time.localtime(selection.time))
    return (
        f"{selection.name}, as it was on {day}. In this file are {selection.words}; a dotted line is under what "
        "leads to others. Searches, chats and all the rest are shown by groupthink view, beside the run."
    )


def _data(selection: Selection) -> str:
    """The answers as JSON in which nothing is markup, whatever was written by a model."""
    parts = (json.dumps(address).encode() + b":" + answer for address, answer in selection.answers.items())
    text = (b"{" + b",\n".join(parts) + b"}").decode()
    return text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


def _style(text: str) -> str:
    if re.search(r"</style|@import|url\(\s*(?!['\"]?data:)|\r|\0", text, re.I):
        raise ValueError("a style that asks for something, or that ends its element, cannot stand in a page")
    return text


def _icon(found: re.Match[str], read: Reader) -> str:
    data = base64.b64encode(read(found[1]).encode()).decode()
    return f'<link rel="icon" href="data:image/svg+xml;base64,{data}">'


def _checksum(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

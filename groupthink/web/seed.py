"""The worked example of the five steps, for its page: computed once, in a process that gives its memory back.

What came of it is kept in the user's cache directory for other servers, under a digest of all that it depends on.
"""

import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from groupthink.chain import read_chain
from groupthink.processes import begin, end
from groupthink.run.files import write_text
from groupthink.web.reading import cache

PATIENCE = 300.0
"""Seconds in which the example must have been worked through."""

PACKAGE = Path(__file__).parents[1]
SOURCES = frozenset({".py", ".so", ".pyd", ".json", ".jinja", ".safetensors"})
BELOW = ("numpy", "tokenizers", "torch", "transformers")

NOWHERE = (OSError, RuntimeError)
"""What it means that nothing can be kept; RuntimeError: there is no home."""


def work_through() -> dict[str, Any]:
    """The example in figures. Raises RuntimeError where the process that computes it ends without."""
    depends_on = digest()
    with suppress(*NOWHERE, ValueError):
        kept: dict[str, Any] = json.loads(_file(depends_on).read_text(encoding="utf-8"))
        return kept
    found = _computed()
    with suppress(*NOWHERE):
        file = _file(depends_on)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(found))
    return found


def digest() -> str:
    """Of all that the figures depend on: this package with the weights of nano, those that compute, and the machine."""
    whole = hashlib.sha256(repr([platform.uname()[:2], platform.machine(), *map(version, BELOW)]).encode())
    for file in sorted(one for one in PACKAGE.rglob("*") if one.suffix in SOURCES):
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:32]


def _file(depends_on: str) -> Path:
    return cache.folder() / f"seed-{depends_on}.json"


def _computed() -> dict[str, Any]:
    process, connection = begin("seed", _compute)
    try:
        if not connection.poll(PATIENCE):
            raise RuntimeError(f"the worked example was not there after {PATIENCE:.0f} s")
        found: dict[str, Any] = connection.recv()
    except EOFError:
        raise RuntimeError("the process that works the example through has ended without it") from None
    finally:
        end(process, connection)
    return found


def _compute(connection: Connection) -> None:
    from groupthink import explain
    from groupthink.model.loading import hide_progress_bars

    hide_progress_bars()
    found = explain.explain()
    chains = {name: (text, read_chain(text)) for name, text in explain.RESPONSES.items()}
    responses = [
        {"name": name, "text": text, "reasoning": chain.reasoning, "answer": chain.answer}
        for name, (text, chain) in chains.items()
    ]
    told = {"prompt": explain.PROBLEM.prompt, "responses": responses, "lines": explain.explanation_lines(found)}
    connection.send({**asdict(found), **told})

"""The worked example of the five steps, for its page: computed once, in a process that gives its memory back."""

from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from groupthink.processes import begin, end

PATIENCE = 300.0
"""Seconds in which the example must have been worked through."""


def work_through() -> dict[str, Any]:
    """The example in figures. Raises RuntimeError where the process that computes it ends without."""
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
    responses = [{"name": name, "text": text} for name, text in explain.RESPONSES.items()]
    told = {"prompt": explain.PROBLEM.prompt, "responses": responses, "lines": explain.explanation_lines(found)}
    connection.send({**asdict(found), **told})

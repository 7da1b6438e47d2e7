"""Where the pages of a run are: an address for each, and for each of its views."""

from pathlib import Path
from urllib.parse import urlencode

import pyarrow.parquet as parquet

from tests_peers.web.training import NAME

PAGES = (
    *("runs", "runs, two side by side", "run", "run, every curve", "step", "step, filtered", "group", "group, whole"),
    *("response", "response, chain", "response, raw", "response, table", "problems", "problem", "problem, compared"),
    *("search", "search, a text", "search, rewarded", "chat", "notes", "seed"),
)
"""Every page, and the views of those that have several."""


def link(page: str, **params: object) -> str:
    """ "#/step?run=learning&step=3" """
    query = urlencode({name: str(value) for name, value in params.items()}, safe="/,")
    return f"#/{page}?{query}" if query else f"#/{page}"


def address(name: str, run: Path, step: int) -> str:
    """That of one of PAGES; `step`: one that is recorded."""
    of = {"run": NAME}
    group = {**of, "step": step, "group": 1}
    match name:
        case "runs, two side by side":
            return link("runs", **{"with": NAME})
        case "run, every curve":
            return link("run", **of, show="reward,parts,accuracy,gradient,loss,ratio,time", smooth=5)
        case "step":
            return link("step", **of, step=step)
        case "step, filtered":
            return link("step", **of, step=step, sort="-spread", part="accuracy", **{"is": "zero"}, points=1)
        case "group":
            return link("group", **group)
        case "group, whole":
            return link("group", **group, whole=1, at=2)
        case "response":
            return link("response", **group, response=2)
        case "response, chain" | "response, raw" | "response, table":
            return link("response", **group, response=2, view=name.rpartition(" ")[2])
        case "problem":
            return link("problem", **of, problem=problem_of(run, step))
        case "problem, compared":
            return link("problem", **of, problem=problem_of(run, step), view="joined", open=f"{step}.1")
        case "search, a text":
            return link("search", **of, text="=", sort="length")
        case "search, rewarded":
            return link("search", **of, preset="rewarded-wrong")
        case "runs" | "seed":
            return link(name)
    return link(name, **of)


def problem_of(run: Path, step: int, group: int = 1) -> str:
    """The name of the problem that a group of a step worked on."""
    rows = parquet.read_table(run / f"rollouts/step-{step:06d}.parquet", columns=["problem", "response"]).to_pylist()
    return [row["problem"] for row in rows if row["response"] == 0][group]

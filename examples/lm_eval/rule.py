"""What lm-evaluation-harness asks of a response: the shares `greedy` and `lenient` of `groupthink eval`."""

from typing import Any

from groupthink.chain import read_chain
from groupthink.records import Problem
from groupthink.task import open_task

TASK = open_task("quadratics")


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """`right`: in form, and the answer is right. `lenient`: or the last one anywhere in the text is."""
    problem, chain = Problem(doc["id"], TASK.name, doc["prompt"], doc["answer"], {}), read_chain(results[0])
    right = chain.well_formed and TASK.verify(problem, chain.answer or "").right is True
    lenient = right or TASK.verify(problem, results[0], lenient=True).right is True
    return {"right": float(right), "lenient": float(lenient)}

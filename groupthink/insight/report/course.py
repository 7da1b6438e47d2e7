"""How a stage that learns by rewards went, step by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from groupthink.chain import read_chain
from groupthink.insight.report.records import Course
from groupthink.run.checkpoints import step_of
from groupthink.task.worked import CHECKS, traits

METRICS = {"reward": "reward", "accuracy": "rewards/accuracy/mean", "length": "completions/mean_length"}
CHECKING = "self_checking"
CURVES = (*METRICS, CHECKING)
"""Mean reward, share of right responses, mean tokens, and the share of chains that check themselves."""


def course_of(path: Path, lines: Sequence[Mapping[str, Any]]) -> Course | None:
    """The curves of a run so far; None where it has done no step yet."""
    steps = tuple(int(line["step"]) for line in lines)
    if not steps:
        return None
    curves = {name: tuple(line.get(metric) for line in lines) for name, metric in METRICS.items()}
    checking = {step_of(file): checking_share(file) for file in sorted((path / "rollouts").glob("step-*.parquet"))}
    if any(checking.values()):
        curves[CHECKING] = tuple(checking.get(step) for step in steps)
    return Course(steps, curves)


def checking_share(rollouts: Path) -> float:
    """The share of a step's chains that check themselves in the words of nano's worked solutions."""
    texts = parquet.read_table(rollouts, columns=["text"]).column("text").to_pylist()
    return sum(CHECKS in traits(read_chain(text).reasoning) for text in texts) / max(1, len(texts))

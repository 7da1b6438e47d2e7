"""The figures of a step, by TRL's names where TRL has one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from groupthink.chain import CLOSE
from groupthink.records import Group, Report, Response, Score
from groupthink.repetition import repeated
from groupthink.run.lines import Line, is_figure, read_lines

Metrics = dict[str, float]


def read_metrics(path: Path) -> list[Line]:
    """The lines of a run's metrics.jsonl; a run may be writing it.

    Raises ValueError where one is no step's: without its number, or with a figure that is none.
    """
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if type(line.get("step")) is not int or not all(value is None or is_figure(value) for value in line.values()):
            raise ValueError(f"{path}: line {number} is no step's, which has its number, and figures")
    return lines


def step_metrics(groups: Sequence[Group], scores: Sequence[Sequence[Score]], report: Report) -> Metrics:
    """Figures of the rewards and the responses; those of the learner come from its report."""
    return {**reward_metrics(scores), **length_metrics(groups), **report.metrics}


def reward_metrics(scores: Sequence[Sequence[Score]]) -> Metrics:
    """`reward_std` is the mean over groups of the sample standard deviation, as in TRL."""
    rewards_PG = np.array([[score.value for score in group] for group in scores])
    metrics: Metrics = {
        "reward": float(rewards_PG.mean()),
        "reward_std": float(rewards_PG.std(axis=1, ddof=1).mean()) if rewards_PG.shape[1] > 1 else 0.0,
    }
    for name in dict.fromkeys(name for group in scores for score in group for name in score.parts):
        given = [score.parts.get(name) for group in scores for score in group]
        values = np.array([value for value in given if value is not None])
        if len(values):
            metrics[f"rewards/{name}/mean"] = float(values.mean())
            metrics[f"rewards/{name}/std"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return metrics


def dead_metrics(scores: Sequence[Sequence[Score]]) -> Metrics:
    """The share of groups whose rewards are all equal, and of those with all responses right, or none, if anyone knows.

    Of scores as judged: what an objective takes off them, such as KL, differs by response in every group.
    """
    rewards_PG = np.array([[score.value for score in group] for group in scores])
    right_PG = np.array([[score.parts.get("accuracy") == 1 for score in group] for group in scores])
    known_P = np.array([any(score.parts.get("accuracy") is not None for score in group) for group in scores])
    dead_P = (rewards_PG == rewards_PG[:, :1]).all(axis=1)
    return {
        "frac_reward_zero_std": float(dead_P.mean()),
        "frac_all_right": float((dead_P & right_PG.all(axis=1)).mean()),
        "frac_all_wrong": float((dead_P & known_P & ~right_PG.any(axis=1)).mean()),
    }


def length_metrics(groups: Sequence[Group]) -> Metrics:
    """Lengths in tokens that the policy drew, end of sequence included; `clipped_ratio` is the share that was cut.

    `cut_after_answer`: the share that was cut though its reasoning had been closed and something followed;
    `repetition`: the mean of `repeated`.
    """
    responses = [response for group in groups for response in group.responses]
    lengths_B = np.array([response.written for response in responses])
    ended_B = np.array([response.finish == "stop" for response in responses])
    return {
        "completions/mean_length": float(lengths_B.mean()),
        "completions/min_length": float(lengths_B.min()),
        "completions/max_length": float(lengths_B.max()),
        "completions/clipped_ratio": float(1 - ended_B.mean()),
        "completions/mean_terminated_length": float(lengths_B[ended_B].mean()) if ended_B.any() else 0.0,
        "completions/cut_after_answer": float(np.mean([answered_and_cut(response) for response in responses])),
        "completions/repetition": float(np.mean([repeated(response.token_ids_T) for response in responses])),
    }


def answered_and_cut(response: Response) -> bool:
    """Whether a response goes on after its answer until it is cut."""
    return response.finish == "length" and CLOSE in response.text and response.answer is not None


def timed(timings: Mapping[str, float]) -> Metrics:
    """Seconds by phase: the only figures in which two runs of one recipe differ."""
    return {f"time/{phase}": seconds for phase, seconds in timings.items()}

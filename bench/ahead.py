"""A step of `grpo_async` on two cores, against its two halves: each process alone on its core, then both at once.

    python bench/ahead.py [--json] [--out FILE]

`step_ratio` is the time of an asynchronous step over the longer of generating and learning, each measured alone, the
other process idle. Steps come in turns of the three kinds; figures are medians. nano, and the default recipe's sizes.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from report import add_report, report
from vs_trl import processor, tell

from groupthink.advantage import AdvantageSettings, advantage
from groupthink.model.allocator import keep_freed_memory
from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Group
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.rollout.ahead_engine import AheadEngine
from groupthink.rollout.generate import Pending, begin
from groupthink.rollout.noise import mix
from groupthink.rollout.open import open_engine
from groupthink.rollout.settings import RolloutSettings
from groupthink.task import open_task

LAG = 1


def main() -> None:
    options = read_options()
    keep_freed_memory()
    torch.set_num_threads(1)
    step = Step(options.problems)
    try:
        for _ in range(options.warmup):
            step.both()
        took: dict[str, list[float]] = {"generate": [], "learn": [], "both": []}
        for turn in range(options.turns):
            for kind, do in (("generate", step.generate), ("learn", step.learn), ("both", step.both)):
                took[kind].append(do())
            tell(f"turn {turn}: " + ", ".join(f"{kind} {seconds[-1]:.2f} s" for kind, seconds in took.items()))
    finally:
        step.close()
    medians = {kind: median(seconds) for kind, seconds in took.items()}
    found = {
        "step_ratio": round(medians["both"] / max(medians["generate"], medians["learn"]), 3),
        "details": {
            "seconds": {kind: round(seconds, 4) for kind, seconds in medians.items()},
            "seconds_of_each_turn": {kind: [round(each, 4) for each in seconds] for kind, seconds in took.items()},
            "lags": sorted(step.lags),
            "lag_bound": LAG,
            "problems": options.problems,
            "group_size": step.rollout.group_size,
            "processor": processor(),
            "torch": torch.__version__,
        },
    }
    report(found, options, f"step_ratio {found['step_ratio']:.2f}  (aim: at most 1.15)")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=16, help="of a step")
    parser.add_argument("--turns", type=int, default=9, help="of the three kinds of steps")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them that do not count")
    add_report(parser)
    return parser.parse_args()


class Step:
    """The parts of a step, as `stage/grpo_async.py` composes them."""

    def __init__(self, problems: int):
        cores = sorted(os.sched_getaffinity(0))[-2:] if hasattr(os, "sched_getaffinity") else []
        self.problems, self.number, self.lags = problems, 0, set[int]()
        self.rollout = RolloutSettings(lag=LAG)
        self.chat, model = Chat(load_tokenizer("nano")), load_model("nano")
        self.task = open_task("quadratics", 0)
        self.judge = Judge(RewardSettings(), self.task)
        engine = open_engine(model, self.chat.tokenizer, self.rollout, torch.device("cpu"))
        assert isinstance(engine, AheadEngine)
        self.engine = engine
        if len(cores) == 2:
            for core, process in zip(cores, (os.getpid(), engine.workers.processes[0].pid), strict=True):
                assert process is not None
                os.sched_setaffinity(process, {core})
        self.learner = Learner(
            model,
            load_model("nano"),
            PolicySettings(learning_rate=1e-6, warmup_steps=0, schedule="constant", processes=1, threads=1),
            ObjectiveSettings(kl=0.001),
            total_steps=10_000,
            temperature=self.rollout.temperature,
        )
        self.engine.load(self.learner.weights)
        self.groups = self.ask().result()

    def ask(self) -> Pending:
        self.number += 1
        problems = self.task.sample(self.number, self.problems)
        return begin(self.engine, self.chat, problems, self.rollout, mix(0, self.number))

    def generate(self) -> float:
        """Seconds of generating, while nothing is learned."""
        return timed(lambda: self.ask().result())

    def learn(self) -> float:
        """Seconds of scoring, learning and sending the weights, while nothing is generated."""
        return timed(lambda: self._learn(self.groups))

    def both(self) -> float:
        """Seconds of a step that learns from what was asked for before it, while the next is generated."""

        def do() -> None:
            pending = self.ask()
            self._learn(self.groups)
            self.groups = pending.result()
            versions = [response.versions_T for group in self.groups for response in group.responses]
            self.lags |= set((self.learner.steps - np.unique(np.concatenate(versions))).tolist())

        return timed(do)

    def close(self) -> None:
        self.engine.close()
        self.learner.close()

    def _learn(self, groups: list[Group]) -> None:
        self.engine.verify(self.learner.weights)
        scores = self.judge.score(groups)
        self.learner.update(assemble(groups, advantage(scores, AdvantageSettings())))
        self.engine.load(self.learner.weights)


def timed(do: Callable[[], Any]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

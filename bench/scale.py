"""A run on a cluster: against the same run without one, and against what is said of it beforehand.

    python bench/scale.py [--json] [--out FILE]
    python bench/scale.py --curve [--json] [--out FILE]

`overhead` is the seconds of a step with one engine and one learner as actors of Ray over those of the same step in one
process, less 1: the median of steps that are taken in turn. `prediction_error` is the largest relative error of a
simulated step of more engines and learners, where rates are those that were measured with one of each. `--curve`
measures nothing: it simulates steps of a large cluster, from rates that are given.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as parquet
from plan import REPOSITORY, environment, tell
from report import add_report, report
from scale_curve import add_curve, curve
from scale_rates import Speeds, measure_speeds
from workload import write_model

from groupthink.insight.plan.cluster.rates import Groups, Layout, Learning, Rates, Sending, fitted, fitted_drawing
from groupthink.insight.plan.cluster.rehearsed import PUT, TAKE, gathers_of
from groupthink.insight.plan.cluster.simulate import simulate
from groupthink.insight.plan.shape import read_shape
from groupthink.model.threads import SMALL
from groupthink.recipe import Recipe, load_recipe

WORDS = (
    "seed=3",
    "evaluate.problems=2",
    "evaluate.samples=1",
    "evaluate.base_samples=1",
    "policy.warmup_steps=0",
    "policy.processes=1",
    "policy.threads=1",
    "rollout.processes=1",
)
PREDICTED = ((2, 1), (1, 2), (2, 2))
"""Engines and learners."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken."""

    seconds: float
    phases: dict[str, float]
    lengths: Groups
    prompt: float  # tokens of a prompt, on average

    @property
    def tokens(self) -> float:
        return sum(map(sum, self.lengths)) + self.prompt * len(self.lengths)


class Run:
    """A process that takes a step when it is asked to."""

    def __init__(self, folder: Path, words: Sequence[str]):
        self.folder = folder
        command = [sys.executable, str(REPOSITORY / "bench/scale_run.py"), str(folder), *words]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment()
        )
        self._read()

    def step(self) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the run in {self.folder} ended:\n{self._errors.read()}")
        return json.loads(line)

    def taken(self, told: Sequence[dict[str, float]]) -> list[Taken]:
        """Steps, with the lengths of their responses; the first one, in which much is loaded, does not count."""
        return [self._taken(step, its) for step, its in enumerate(told) if step]

    def _taken(self, step: int, told: dict[str, float]) -> Taken:
        columns = ["response", "prompt_ids", "token_ids"]
        rows = parquet.read_table(self.folder / f"rollouts/step-{step:06d}.parquet", columns=columns).to_pylist()
        starts = [place for place, row in enumerate(rows) if row["response"] == 0]
        groups = [rows[start:end] for start, end in pairwise([*starts, len(rows)])]
        phases = {name: told[f"time/{name}"] for name in ("generate", "score", "learn", "sync")}
        prompts = [len(its[0]["prompt_ids"]) for its in groups]
        lengths = [[len(row["token_ids"]) for row in its] for its in groups]
        return Taken(told["seconds"], phases, lengths, sum(prompts) / len(prompts))

    def close(self) -> None:
        """Let it come to its end."""
        self._process.communicate("go\n", timeout=300)
        self._errors.close()


@contextmanager
def running(folder: Path, words: Sequence[str]) -> Iterator[Run]:
    run = Run(folder, words)
    try:
        yield run
    finally:
        run.close()


def main() -> None:
    options = read_options()
    if options.curve:
        found = curve(options)
        report(found, options, *found["table"])
        return
    with tempfile.TemporaryDirectory(prefix="groupthink-bench-") as folder:
        place = Path(folder)
        words = [
            f"model={a_model(options.model, place)}",
            *WORDS,
            f"steps={options.steps + 1}",
            "checkpoint_every=1000",
        ]
        words += [
            f"task.problems_per_step={options.problems}",
            f"rollout.group_size={options.group_size}",
            f"rollout.max_tokens={options.max_tokens}",
        ]
        found = compared(place, words, options)
    lines = [f"overhead {found['overhead']:+.3f}  (bar: 0.10)"]
    if "prediction_error" in found:
        lines.append(f"prediction_error {found['prediction_error']:.3f}  (bar: 0.20)")
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6, help="of each run, beside the first")
    parser.add_argument("--problems", type=int, default=8, help="of a step")
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--lag", type=int, default=0, help="of the runs that are predicted (grpo_async)")
    parser.add_argument("--model", default="40m", help="40m (random weights), or a model by its name")
    parser.add_argument("--overhead-only", action="store_true")
    add_curve(parser)
    add_report(parser)
    return parser.parse_args()


def a_model(name: str, folder: Path) -> str:
    if name != "40m":
        return name
    write_model(folder / "model", 0)
    return str(folder / "model")


def compared(place: Path, words: list[str], options: argparse.Namespace) -> dict[str, Any]:
    tell("one engine and one learner, in turn with a run in one process")
    actors = on_cluster(1, 1)
    with ExitStack() as both:
        runs = [
            both.enter_context(running(place / name, [*words, *its])) for name, its in (("local", ()), ("ray", actors))
        ]
        local, ray = in_turn(runs, options.steps + 1)
    ratios = [one.seconds / other.seconds for one, other in zip(ray, local, strict=True)]
    found: dict[str, Any] = {"overhead": round(median(ratios) - 1, 3)}
    details: dict[str, Any] = {
        "local": summary(local),
        "engines=1 learners=1": summary(ray),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "settings": words,
    }
    if not options.overhead_only:
        tell("the same of half the problems, by which rates are told apart")
        half = [*words, *actors, f"task.problems_per_step={max(1, options.problems // 2)}"]
        smaller = taken_alone(place / "half", half, options.steps + 1)
        speeds = measure_speeds(read_shape(words[0].partition("=")[2]).parameters)
        rates = rates_of(load_recipe(overrides=words), ray, smaller, speeds)
        details |= {"speeds": asdict(speeds), "rates": asdict(rates)}
        errors = []
        for engines, learners in PREDICTED:
            name = f"engines={engines} learners={learners}"
            tell(name)
            lagging = [f"rollout.lag={options.lag}", "stage=grpo_async"] if options.lag else []
            asked = [*words, *on_cluster(engines, learners), *lagging]
            measured = taken_alone(place / f"{engines}-{learners}", asked, options.steps + 1)
            predicted = prediction(rates, Layout(engines, learners, options.lag, machines=(speeds.cores,)), ray)
            seconds = median(step.seconds for step in measured)
            errors.append(abs(predicted["seconds"] - seconds) / seconds)
            details[name] = {"predicted": predicted, "measured": summary(measured), "error": round(errors[-1], 3)}
        found["prediction_error"] = round(max(errors), 3)
    return {**found, "details": details}


def on_cluster(engines: int, learners: int) -> list[str]:
    """Settings; of processes Ray's parts have one each."""
    return [f"scale.engines={engines}", f"scale.learners={learners}"]


def in_turn(runs: Sequence[Run], steps: int) -> list[list[Taken]]:
    """Each run takes a step while the others wait; who is first takes turns, too."""
    told: list[list[dict[str, float]]] = [[] for _ in runs]
    for step in range(steps):
        order = range(len(runs)) if step % 2 else reversed(range(len(runs)))
        for place in order:
            told[place].append(runs[place].step())
    return [run.taken(its) for run, its in zip(runs, told, strict=True)]


def taken_alone(folder: Path, words: Sequence[str], steps: int) -> list[Taken]:
    with running(folder, words) as run:
        return in_turn([run], steps)[0]


def summary(steps: Sequence[Taken]) -> dict[str, float]:
    """Medians."""
    phases = {name: median(step.phases[name] for step in steps) for name in steps[0].phases}
    return {name: round(its, 4) for name, its in {"seconds": median(step.seconds for step in steps), **phases}.items()}


def rates_of(recipe: Recipe, whole: Sequence[Taken], half: Sequence[Taken], speeds: Speeds) -> Rates:
    """Rates of one engine and one learner, by steps of two sizes."""
    both = [*whole, *half]
    shape = read_shape(recipe.model)
    weights = 4.0 * shape.parameters
    update, token = fitted([(1.0, step.tokens, step.phases["learn"]) for step in both])
    sync = median(step.phases["sync"] for step in both)
    putting = (1 / PUT) / (1 / PUT + 1 / TAKE)
    return Rates(
        drawing=fitted_drawing([(step.lengths, step.phases["generate"]) for step in both]),
        learning=Learning(
            token=token,
            update=update,
            weights=weights,
            gradients=weights * speeds.gathered / speeds.reduced,  # which takes longer, of as many bytes
            bandwidth=speeds.gathered,
            micro_batch_tokens=recipe.policy.micro_batch_tokens,
            **gathers_of(recipe, shape.parameters < SMALL),
        ),
        sending=Sending(put=putting * sync, take=(1 - putting) * sync),
        prompt=sum(step.prompt for step in whole) / len(whole),
        score=median(step.phases["score"] for step in whole),
        record=median(step.seconds - sum(step.phases.values()) for step in whole),
    )


def prediction(rates: Rates, layout: Layout, steps: Sequence[Taken]) -> dict[str, float]:
    """Of steps with responses as long as those that were drawn with one engine."""
    lengths = [step.lengths for step in steps]
    course = simulate(rates, layout, lengths * (1 + layout.lag) if layout.lag else lengths)
    counted = course.settled if layout.lag else course.steps
    phase: Callable[[str], float] = lambda name: median(getattr(step, name) for step in counted)  # noqa: E731
    seconds = median(step.ended - step.began for step in counted)
    return {"seconds": round(seconds, 4)} | {
        name: round(phase(name), 4) for name in ("generate", "score", "learn", "sync")
    }


if __name__ == "__main__":
    main()

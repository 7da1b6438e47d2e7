"""A run on a cluster: against the same run without one, and against what is said of it beforehand.

    python bench/scale.py [--json] [--out FILE]
    python bench/scale.py --curve [--json] [--out FILE]

`overhead` is the seconds of a step with one engine and one learner as actors of Ray over those of the same step in one
process, less 1: the median of steps that are taken in turn. `prediction_error` is the largest relative error of a
simulated step of more engines and learners, where rates are those that were measured with one of each. `--curve`
measures nothing: it simulates steps of a large cluster, from rates that are given.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from plan import tell
from report import add_report, keep, report
from scale_curve import add_curve, curve
from scale_rates import Speeds, measure_speeds
from scale_steps import Run, Taken, in_turn, running
from workload import write_model

from groupthink.insight.plan.cluster.rates import Layout, Learning, Rates, Sending, fitted, fitted_drawing
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
            "steps=1000",
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
    alone = [*words, *on_cluster(1, 1)]
    with ExitStack() as open_runs:
        ray = open_runs.enter_context(running(place / "ray", alone))
        with running(place / "local", words) as run:
            local, actors = in_turn([run, ray], options.steps)
        ratios = [one.seconds / other.seconds for one, other in zip(actors, local, strict=True)]
        found: dict[str, Any] = {"overhead": round(median(ratios) - 1, 3)}
        details: dict[str, Any] = {
            "local": summary(local),
            "engines=1 learners=1": summary(actors),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "settings": words,
        }
        tell(f"overhead {found['overhead']:+.3f}")
        keep({**found, "details": details}, options.out)
        if not options.overhead_only:
            smaller = [*alone, f"task.problems_per_step={max(1, options.problems // 2)}"]
            half = open_runs.enter_context(running(place / "half", smaller))
            for engines, learners in PREDICTED:
                name = f"engines={engines} learners={learners}"
                tell(name)
                lagging = [f"rollout.lag={options.lag}", "stage=grpo_async"] if options.lag else []
                asked = [*words, *on_cluster(engines, learners), *lagging]
                with running(place / f"{engines}-{learners}", asked) as run:
                    details[name] = predicted(run, ray, half, Layout(engines, learners, options.lag), words, options)
                tell(f"{name}: error {details[name]['error']}")
                found["prediction_error"] = max(its["error"] for its in details.values() if "error" in its)
                keep({**found, "details": details}, options.out)
    return {**found, "details": details}


def predicted(
    run: Run, whole: Run, half: Run, layout: Layout, words: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Steps of `run`, and what is said of them by rates of one engine and one learner from the same minutes."""
    if layout.lag:  # it draws ahead while others take their steps
        [ones], [halves], [steps] = ([in_turn([its], options.steps)[0]] for its in (whole, half, run))
    else:
        ones, halves, steps = in_turn([whole, half, run], options.steps)
    recipe = load_recipe(overrides=words)
    speeds = measure_speeds(read_shape(recipe.model).parameters)
    rates = rates_of(recipe, ones, halves, speeds)
    said = prediction(rates, replace(layout, machines=(speeds.cores,)), ones)
    seconds = median(step.seconds for step in steps)
    return {
        "error": round(abs(said["seconds"] - seconds) / seconds, 3),
        "predicted": said,
        "measured": summary(steps),
        "engines=1 learners=1": summary(ones),
        "half the problems": summary(halves),
        "speeds": asdict(speeds),
        "rates": asdict(rates),
    }


def on_cluster(engines: int, learners: int) -> list[str]:
    """Settings; of processes Ray's parts have one each."""
    return [f"scale.engines={engines}", f"scale.learners={learners}"]


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

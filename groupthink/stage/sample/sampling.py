"""The stage `sample`: responses batch by batch, and at the end the data set of those that are kept."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from groupthink.records import Problem
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.run.directory import Run
from groupthink.run.stages import run_name
from groupthink.run.terminal import View
from groupthink.stage.chores import restarts
from groupthink.stage.clock import Clock
from groupthink.stage.sample.candidates import COLUMNS, Candidate, read_candidates
from groupthink.stage.sample.card import data_card
from groupthink.stage.sample.choice import Chosen, choose
from groupthink.stage.sample.contamination import contaminated
from groupthink.stage.sample.dataset import write_dataset
from groupthink.stage.sample.desk import Desk, open_desk
from groupthink.task.finite import every_held_out

HELD_OUT = 1000
"""Held-out problems, at least, from which a data set is kept clean, of a task that makes them without end."""


def sample(run: Run, view: View) -> dict[str, Any]:
    """Draw what is still to be drawn, choose, and write the data set with its card; the figures of it."""
    with open_desk(run) as desk:
        draw(run, desk, view)
        view.note("choosing what is kept")
        held_out = every_held_out(desk.task, max(HELD_OUT, run.recipe.evaluate.problems))
        chosen = choose_from(run, desk, held_out)
    figures = closing_figures(run, desk.policy, chosen) | {"held_out": len(held_out)}
    name, rewards = run_name(run.path), tuple(run.recipe.reward.weights)
    card = data_card(name, run.recipe, figures)
    run.publish(lambda folder: write_dataset(folder, chosen.kept, rewards, desk.policy, name, card), "data")
    run.finish(figures)
    for line in closing_lines(figures):
        view.note(line)
    return figures


def draw(run: Run, desk: Desk, view: View) -> None:
    """Every remaining step of `run`. What a step draws depends on (seed, step) alone."""
    recipe = run.recipe
    rollout = replace(recipe.rollout, group_size=recipe.sample.responses)
    tell_restarts = [restarts(run, desk.engine, view), restarts(run, desk.judge, view)]
    for step in run.remaining_steps():
        clock = Clock()
        problems, seed = problems_of(run, desk, step), mix(recipe.seed, "sample", step)
        with clock("generate"):
            groups = generate(desk.engine, desk.chat, problems, rollout, seed, view.writing)
        with clock("score"):
            scores = desk.judge.score(groups)
        view.stepped(run.record_sampled(step, groups, scores, clock.seconds))
        for tell in tell_restarts:
            tell(step + 1)
        run.checkpoint(step + 1, desk.save)


def problems_of(run: Run, desk: Desk, step: int) -> list[Problem]:
    """Those of a step: of the last one, as many as are left."""
    per_step = run.recipe.task.problems_per_step
    return desk.supply.draw(step, min(per_step, run.recipe.sample.problems - step * per_step))


def choose_from(run: Run, desk: Desk, held_out: Sequence[Problem]) -> Chosen:
    """From everything that was drawn, as the run directory has it, what is kept: nothing that is `held_out`."""
    settings = run.recipe.sample
    problems = [problems_of(run, desk, step) for step in range(run.recipe.steps)]
    soiled = contaminated([one for step in problems for one in step], held_out, settings.wording)

    def by_problem() -> Iterator[list[Candidate]]:
        for step, some in enumerate(problems):
            yield from read_candidates(run.rollouts(step, COLUMNS), some, desk.chat.opening)

    return choose(by_problem(), settings, soiled)


def closing_figures(run: Run, policy: str, chosen: Chosen) -> dict[str, Any]:
    """What was drawn and what became of it."""
    return {
        "steps": run.steps_done,
        "policy": policy,
        "problems": run.recipe.sample.problems,
        "sampled": chosen.sampled,
        "right": chosen.right,
        "kept": len(chosen.kept),
        "kept_problems": len({one.problem.id for one in chosen.kept}),
        "dropped": chosen.dropped,
        "tokens": chosen.tokens,
        "length": _mean(one.tokens for one in chosen.kept),
        "data": "data",
    }


def closing_lines(figures: dict[str, Any]) -> list[str]:
    """The figures in plain lines for a terminal."""
    counts = {"sampled": figures["sampled"], "right": figures["right"], "kept": figures["kept"]}
    dropped = {f"  {reason}": count for reason, count in figures["dropped"].items() if count}
    share = {name: f"{count:>10,}{count / figures['sampled']:>9.1%}" for name, count in {**counts, **dropped}.items()}
    lines = [f"{name:18}{told}" for name, told in share.items()]
    lines.insert(len(counts), "dropped, for the first reason of")
    if figures["length"] is not None:
        lines.append(f"{'tokens a chain':18}{figures['length']:>10.1f}")
    if not figures["kept"]:
        lines.append("Nothing was kept: see which filter dropped most, and loosen it in [sample].")
    return ["", *lines]


def _mean(values: Iterable[int]) -> float | None:
    some = list(values)
    return sum(some) / len(some) if some else None

"""The stages of a pipeline, one after the other: each an ordinary run, and between them the gates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groupthink import stage
from groupthink.insight.doctor import examine, in_words
from groupthink.insight.report import read_report
from groupthink.insight.report.markdown import card_section
from groupthink.model.place import resolve
from groupthink.pipeline import Pipeline, describe_stage
from groupthink.pipeline.forecast import forecast
from groupthink.pipeline.gate import figures_of, missed
from groupthink.pipeline.references import references, wanted_by
from groupthink.run.card import put_stages
from groupthink.run.pipeline import PipelineRun
from groupthink.run.stages import made_models, standing_stages, taken
from groupthink.run.terminal import View
from groupthink.stage.named import require_named
from groupthink.stage.ready import require_ready


class GateMissed(RuntimeError):
    """A stage is done, and has not reached what it must."""


def require_stages(
    pipeline: Pipeline, tell: Callable[[str], None], *, path: Path | None = None, ready: bool = True
) -> None:
    """Raise ValueError for whatever of any stage can be known to be wrong before the first one begins.

    `path`: where the pipeline has begun; what was begun there is looked at when it is gone on with. `ready`: models
    must be there and fit into memory, and the hub is asked for them; else they are only to be named.
    """
    begun = 0 if path is None else standing_stages(path, pipeline)
    made = {} if path is None else made_models(path, pipeline)
    heard: set[str] = set()

    def once(text: str) -> None:
        if text not in heard:
            heard.add(text)
            tell(text)

    for number, one in enumerate(pipeline.stages[begun:], start=begun):
        try:
            recipe = forecast(pipeline, number, made)
            to_come = any(wanted_by(setting) == "data" for setting, _ in references(one.recipe))
            if ready:
                require_ready(recipe, once, data_to_come=to_come)
            else:
                require_named(recipe, once, data_to_come=to_come)
                for model in filter(None, (recipe.model, recipe.distill.teacher)):
                    resolve(model)
        except (ValueError, OSError) as error:
            error.add_note(f"so it is for stage {one.name}, {number + 1} of {len(pipeline.stages)}")
            raise


def run_stages(run: PipelineRun, open_view: Callable[[], View]) -> dict[str, Any]:
    """Run every stage that is not done, and return what all came to: see `PipelineRun.finish`.

    `open_view` gives a view for each. Raises GateMissed where a stage has not reached what it must.
    """
    for number in range(len(run.pipeline.stages)):
        view = open_view()
        try:
            if run.done(number):
                view.note(f"{describe_stage(run.pipeline, number)}: is done")
            else:
                _run_stage(run, number, view)
            view.note(_headline(run, number))
            _require_gate(run, number)
        finally:
            view.closed()
    figures = run.finish()
    section = card_section(read_report(run.path))
    places = [run.path, *(run.place(number) for number in range(len(run.pipeline.stages)))]
    for folder in (place / "model" for place in places):
        if folder.exists():
            put_stages(folder, section)
    return figures


def _run_stage(run: PipelineRun, number: int, view: View) -> None:
    name = run.pipeline.names[number]
    view.note(f"\n{describe_stage(run.pipeline, number)}")
    with run.open_stage(number) as one:
        run.event("stage started", stage=name, took=taken(run.path, run.pipeline, number))
        view.started(one.recipe, one.remaining_steps())
        stage.train(one, view)
    run.event("stage done", stage=name)


def _headline(run: PipelineRun, number: int) -> str:
    """What a stage came to, in one line."""
    figures, told = figures_of(run.summary(number)), []
    if figures.get("pass@1") is not None:
        told.append(f"pass@1 {figures['pass@1']:.1%} [{figures['pass@1_low']:.1%}, {figures['pass@1_high']:.1%}]")
    if "kept" in figures:
        told.append(f"{figures['kept']:,} of {figures['sampled']:,} chains are kept")
    if figures.get("length") is not None:
        told.append(f"{figures['length']:.0f} tokens a response")
    return f"{run.pipeline.names[number]}: {', '.join([*told, f'{run.seconds(number):.0f} s'])}"


def _require_gate(run: PipelineRun, number: int) -> None:
    one, figures = run.pipeline.stages[number], figures_of(run.summary(number))
    if not one.gate:
        return
    if not (short := missed(one.gate, figures)):
        run.event("gate passed", stage=one.name, require=one.require)
        return
    run.event("gate failed", stage=one.name, require=one.require, missed=short)
    place = run.place(number)
    opinion = in_words(examine(place)) if one.recipe.steps else []
    raise GateMissed(
        "\n".join(
            [
                f"stage {one.name} has not reached what it must: {'; '.join(short)}. Change a setting of it "
                f"({one.name}.SETTING=VALUE) or its gate ({one.name}.require=...), and go on with: "
                f"groupthink train --resume --run {run.path} {one.name}.SETTING=VALUE",
                *opinion,
            ]
        )
    )

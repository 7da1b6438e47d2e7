"""Where the stages of a pipeline stand, as its directory has them. Nothing is changed here."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groupthink.pipeline import Pipeline, Stage
from groupthink.pipeline.reading import load_pipeline
from groupthink.pipeline.references import placed, references, wanted_by, with_places
from groupthink.recipe import Recipe, load_recipe, settings_of
from groupthink.run.lines import read_events
from groupthink.run.standing import MAY_CHANGE, SETTLED
from groupthink.run.versions import data_version, weights_version

PIPELINE, STAGES = "pipeline.toml", "stages"
UNDER_WAY = MAY_CHANGE - {"steps"}
"""What may change of a stage that is not done: what a resumed run allows, but that another number of steps is another
stage."""

FREE = UNDER_WAY - {"evaluate.patience"}
"""What may change of one that is done: nothing that it made depends on it but by rounding."""

DRAWN = frozenset({"sample.problems", "sample.responses"})
"""Of [sample], what says which responses are drawn. The rest says what is kept of them, and may be said anew."""

REPLACED = ".replaced-"


def is_pipeline(path: Path) -> bool:
    """Whether a pipeline was begun in `path`."""
    return (path / PIPELINE).is_file()


def stage_place(path: Path, pipeline: Pipeline, number: int) -> Path:
    """The run directory of a stage, counted from 0: PATH/stages/01-zero."""
    return path / STAGES / f"{number + 1:02}-{pipeline.names[number]}"


def stage_recipe(path: Path, pipeline: Pipeline, number: int) -> Recipe:
    """What a stage's run does: its recipe, with the places of what the stages before it make."""

    def made(name: str, what: str) -> str:
        return (stage_place(path, pipeline, pipeline.names.index(name)) / what).as_posix()

    return with_places(
        pipeline.stages[number].recipe, models=lambda name: made(name, "model"), data=lambda name: made(name, "data")
    )


def standing_stages(path: Path, pipeline: Pipeline) -> int:
    """How many stages, from the first on, need not be begun anew: all of them are done, but perhaps the last."""
    took = recorded(path)
    for number, stage in enumerate(pipeline.stages):
        place, wanted = stage_place(path, pipeline, number), stage_recipe(path, pipeline, number)
        if not _is_as_it_was(place, stage, wanted):
            return number
        before, now = took.get(stage.name, {}), taken(path, pipeline, number)
        if any(before[name] != now[name] for name in before.keys() & now.keys()):
            return number  # it began with something else than what lies there now
        if not is_done(place) or _chooses_anew(place, wanted):
            return number + 1
    return len(pipeline.stages)


def taken(path: Path, pipeline: Pipeline, number: int) -> dict[str, str]:
    """Which versions of what other stages made a stage would take now, by their names: those that are known."""
    found: dict[str, str] = {}
    for setting, name in references(pipeline.stages[number].recipe):
        place = stage_place(path, pipeline, pipeline.names.index(name))
        version = data_version(place / "data") if wanted_by(setting) == "data" else weights_version(place)
        found |= {name: version} if version else {}
    return found


def recorded(path: Path) -> dict[str, dict[str, str]]:
    """The same of what each stage took when it was last begun, by its name, as the pipeline in `path` noted it."""
    events = read_events(path / "events.jsonl")
    return {event["stage"]: event.get("took", {}) for event in events if event["event"] == "stage started"}


def made_models(path: Path, pipeline: Pipeline) -> dict[str, str]:
    """The models that are there and stand, by the name of the stage that made them."""
    return {
        stage.name: (stage_place(path, pipeline, number) / "model").as_posix()
        for number, stage in enumerate(pipeline.stages[: standing_stages(path, pipeline)])
        if stage.makes == "model" and is_done(stage_place(path, pipeline, number))
    }


def overtaken(path: Path, pipeline: Pipeline) -> list[Path]:
    """The run directories that are of no use to the pipeline as it is: those behind the stages that stand."""
    standing = standing_stages(path, pipeline)
    kept = {stage_place(path, pipeline, number).name for number in range(standing)}
    begun = sorted(file.parent for file in (path / STAGES).glob("*/recipe.toml"))
    return [place for place in begun if place.name not in kept and REPLACED not in place.name]


def overtaken_line(place: Path, fate: str) -> str:
    """What is told of one of them; `fate`: "is set aside"."""
    return f"{place} is not what the recipe asks for now, or follows one that is not: it {fate}"


def to_choose(path: Path, pipeline: Pipeline) -> Path | None:
    """The run directory of the stage that chooses anew from what it has drawn, where one does: the last that stands."""
    if not (standing := standing_stages(path, pipeline)):
        return None
    place = stage_place(path, pipeline, standing - 1)
    return place if _chooses_anew(place, stage_recipe(path, pipeline, standing - 1)) else None


def is_done(place: Path) -> bool:
    """Whether the run in `place` has come to its end."""
    return (place / "summary.json").is_file()


def _chooses_anew(place: Path, wanted: Recipe) -> bool:
    """Whether a stage that has drawn all that it is to draw keeps something else of it by what is `wanted` now."""
    return wanted.stage == "sample" and is_done(place) and load_recipe(place / "recipe.toml").sample != wanted.sample


def chosen_line(place: Path, fate: str) -> str:
    """What is told of such a stage; `fate`: "is chosen"."""
    return f"what was drawn in {place} stands: what is kept of it {fate} anew"


def _is_as_it_was(place: Path, stage: Stage, wanted: Recipe) -> bool:
    """Whether a stage was begun in `place`, and by what it is asked to do now."""
    if not (place / "recipe.toml").is_file():
        return False
    before, after = settings_of(load_recipe(place / "recipe.toml")), settings_of(wanted)
    moving, free = placed(stage.recipe), FREE if is_done(place) else UNDER_WAY
    if stage.kind == "sample":
        free |= {name for name in after if name.startswith("sample.")} - DRAWN
    return all(
        before.get(name) == after.get(name)
        or name in free
        or (name in SETTLED and after.get(name) == 0)
        or (name in moving and _in_pipeline(before.get(name)) == _in_pipeline(after.get(name)))
        for name in {**before, **after}
    )


def _in_pipeline(place: Any) -> tuple[str, ...]:
    """Where something lies in its pipeline, wherever that lies: ("stages", "01-zero", "model")."""
    return Path(str(place)).parts[-3:]


def worked_seconds(events: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]] = ()) -> float:
    """How long a run was worked at, evaluations included: from each start or resumption to the last event after it.

    Of a run at work that event is some time ago. Where the steps in `lines` of its metrics come to more, they say it.
    """
    total, begun, last = 0.0, None, 0.0
    for event in events:
        if event["event"] in ("started", "resumed"):
            total += 0.0 if begun is None else last - begun
            begun = event["time"]
        last = event["time"]
    steps = sum(value for line in lines for name, value in line.items() if name.startswith("time/"))
    return max(total if begun is None else total + last - begun, steps)


def begun_stages(path: Path) -> list[tuple[Stage, Path]]:
    """The stages that were begun of the pipeline in `path`, in their order, and the run directory of each."""
    pipeline = load_pipeline(path / PIPELINE)
    places = [(stage, stage_place(path, pipeline, number)) for number, stage in enumerate(pipeline.stages)]
    return [(stage, place) for stage, place in places if (place / "recipe.toml").is_file()]


def runs_in(path: Path) -> list[Path]:
    """The run directory `path`, or those of the stages that were begun of the pipeline in it."""
    return [place for _, place in begun_stages(path)] if is_pipeline(path) else [path]


def run_name(path: Path) -> str:
    """What the run in `path` is called: as its folder is, but a stage of a pipeline without its number."""
    path = path.resolve()
    in_pipeline = path.parent.name == STAGES and is_pipeline(path.parent.parent)
    return re.sub(r"^\d+-", "", path.name) if in_pipeline else path.name


def model_run(path: Path) -> Path | None:
    """The run that the model of `path` comes from: the run in it, or that of the last stage of the pipeline in it."""
    if (path / "recipe.toml").is_file():
        return path
    if not is_pipeline(path):
        return None
    pipeline = load_pipeline(path / PIPELINE)
    model = pipeline.last_model
    return None if model is None else stage_place(path, pipeline, pipeline.names.index(model.name))

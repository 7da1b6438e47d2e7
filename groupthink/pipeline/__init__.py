"""A recipe of several stages, resolved into one ordinary recipe for each of them.

    model = "nano"                  # what stands above the first stage is said for all of them

    [[stages]]
    name = "zero"

    [[stages]]
    name = "chains"
    stage = "sample"
    model = "stage:zero"            # the model that `zero` ended with

    [[stages]]
    name = "cold"
    stage = "sft"
    require = "pass@1 >= 0.3"       # what it must reach: see `gate.py`
    [stages.sft]
    tasks = ["stage:chains"]        # the data set that `chains` wrote
    shares = [1.0]

`reading.py` reads such a file, `references.py` knows what `stage:NAME` stands for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomli_w

from groupthink.nearest import nearest
from groupthink.pipeline.gate import SHARES, Bound, read_gate, require_known, require_possible
from groupthink.pipeline.references import PREVIOUS, references, wanted_by
from groupthink.recipe import STAGE_LIST, Recipe, recipe_table

MAKES = {"sample": "data", "evaluate": "nothing"}
"""What a stage leaves for others, by its kind: every other kind makes a model."""


def made_by(kind: str) -> str:
    """What a stage of a kind leaves for others: "model", "data" or "nothing"."""
    return MAKES.get(kind, "model")


LONGEST = 64
"""Characters of a stage's name, which is part of the names of folders."""

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. Stage("cold", Recipe(stage="sft", model="stage:zero"), require="pass@1 >= 0.5")"""

    name: str
    recipe: Recipe  # its references as they stand
    require: str = ""

    @property
    def kind(self) -> str:
        """As a recipe's `stage` has it."""
        return self.recipe.stage

    @property
    def makes(self) -> str:
        """What it leaves for others: "model", "data" or "nothing"."""
        return made_by(self.kind)

    @property
    def gate(self) -> tuple[Bound, ...]:
        """What it must reach before the next begins."""
        return read_gate(self.require)

    @property
    def most(self) -> dict[str, float]:
        """What figures of it can come to at most, where that is known."""
        if self.kind != "sample":
            return dict.fromkeys(SHARES, 1.0)
        asked = self.recipe.sample
        sampled, kept = asked.problems * asked.responses, min(asked.keep or asked.responses, asked.responses)
        return {"sampled": sampled, "right": sampled, "kept": asked.problems * kept, "kept_problems": asked.problems}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order in which they run; each takes from those before it alone.

    Raises ValueError for names that no stage can have, references to what is not there, and gates that are none.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        before: dict[str, Stage] = {}
        for stage in self.stages:
            require_name(stage.name)
            if stage.name in before:
                raise ValueError(f"two stages are called {stage.name!r}: give each a name of its own")
            try:
                require_known(stage.gate, stage.kind)
                require_possible(stage.gate, stage.most)
                for setting, name in references(stage.recipe):
                    _require_made(setting, name, before, later=self.names[len(before) :])
            except ValueError as error:
                raise ValueError(f"stage {stage.name}: {error}") from None
            before[stage.name] = stage

    def __getitem__(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def names(self) -> list[str]:
        """Of the stages, in their order."""
        return [stage.name for stage in self.stages]

    @property
    def last_model(self) -> Stage | None:
        """The last stage that makes a model; None where none does."""
        return next((stage for stage in reversed(self.stages) if stage.makes == "model"), None)


def require_name(name: Any) -> None:
    """Raise ValueError for what no stage can be called."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == PREVIOUS:
        raise ValueError(
            f"a stage is called {name!r}: take letters, digits, - and _, {LONGEST} of them at most"
            + (f" (stage:{PREVIOUS} is whatever came before)" if name == PREVIOUS else "")
        )


def _require_made(setting: str, name: str, before: Mapping[str, Stage], later: Sequence[str]) -> None:
    """Raise ValueError where no stage before makes what `setting` names."""
    wanted = wanted_by(setting)
    makers = [stage.name for stage in before.values() if stage.makes == wanted]
    if name in makers:
        return
    words = {"model": "a model", "data": "a data set", "nothing": "nothing"}
    what = words[wanted]
    if name == PREVIOUS:
        instead = "name a model, such as nano" if wanted == "model" else "name a task, such as quadratics"
        raise ValueError(f"{setting} asks for {what} of a stage before this one, and none makes one: {instead}")
    if name in later:
        raise ValueError(
            f"{setting} asks for {what} of stage {name!r}, which comes later: put that one before this one"
        )
    why = f"it makes {words[before[name].makes]}" if name in before else "there is no such stage before this one"
    likely = f"did you mean stage:{nearest(name, makers)}?" if makers else f"no stage before this one makes {what}"
    raise ValueError(f"{setting} asks for {what} of stage {name!r}, and {why}: {likely}")


def dump_said(pipeline: Pipeline) -> str:
    """The stages as TOML, without the settings that stand at their default."""
    usual = recipe_table(Recipe())
    tables = (
        {key: _without(value, usual.get(key)) for key, value in _stage_table(stage).items()}
        for stage in pipeline.stages
    )
    said = [{key: value for key, value in table.items() if value != {} and value != usual.get(key)} for table in tables]
    return tomli_w.dumps({STAGE_LIST: said})


def _without(value: Any, usual: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if key not in usual or one != usual[key]}


def dump_pipeline(pipeline: Pipeline) -> str:
    """The stages as TOML, every default of each written out."""
    return tomli_w.dumps(pipeline_table(pipeline))


def pipeline_table(pipeline: Pipeline) -> dict[str, Any]:
    """The stages as a TOML table: what `dump_pipeline` writes."""
    return {STAGE_LIST: [_stage_table(stage) for stage in pipeline.stages]}


def _stage_table(stage: Stage) -> dict[str, Any]:
    gate = {"require": stage.require} if stage.require else {}
    return {"name": stage.name, **gate, **recipe_table(stage.recipe)}


def describe_stage(pipeline: Pipeline, number: int) -> str:
    """Which of how many, and what it does with what. `number`: counted from 0.

    "(2 of 8) chains: sample from stage:zero"
    """
    stage = pipeline.stages[number]
    data = [f"stage:{name}" for setting, name in references(stage.recipe) if wanted_by(setting) == "data"]
    taken = f", with the data of {', '.join(dict.fromkeys(data))}" if data else ""
    anew = stage.kind == "sft" and stage.recipe.sft.from_scratch
    origin = f"random weights, in the form of {stage.recipe.model}" if anew else stage.recipe.model
    return f"({number + 1} of {len(pipeline.stages)}) {stage.name}: {stage.kind} from {origin}{taken}"

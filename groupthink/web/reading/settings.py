"""What a run was asked to do, as far as its pages need to know."""

from pathlib import Path

from groupthink.pipeline import Pipeline
from groupthink.pipeline.reading import load_pipeline
from groupthink.recipe import Recipe, load_recipe
from groupthink.recipe.toml import read_toml
from groupthink.run.stages import PIPELINE
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.places import RECIPE


def recipe_of(place: Path) -> Recipe:
    """The recipe of the run in `place`. Raises ValueError where it cannot be read, LookupError where there is none."""
    return _recipes(place / RECIPE)


def stages_of(place: Path) -> Pipeline:
    """The stages of the recipe in `place` that has several. Errors as `recipe_of`."""
    return _pipelines(place / PIPELINE)


def toml_of(place: Path) -> str:
    """What was asked, as it was written: TOML, or nothing where it is none."""
    for name in (PIPELINE, RECIPE):
        if (place / name).is_file():
            return _texts(place / name)
    return ""


def weights_of(recipe: Recipe) -> dict[str, float]:
    """The weight of every part that a reward of this recipe may have, penalties of its objective among them."""
    return {**recipe.reward.weights, "kl": recipe.objective.kl, "overlong": 1.0}


def differs_by_token(recipe: Recipe) -> bool:
    """Whether tokens of one response learn from different advantages, or from another than it was given."""
    objective = recipe.objective
    to_go = objective.kl > 0 and objective.kl_place == "to_go"
    return recipe.stage == "distill" or to_go or recipe.advantage.whiten_tokens


def _load_recipe(file: Path) -> Recipe:
    _require(file)
    return load_recipe(file)


def _load_pipeline(file: Path) -> Pipeline:
    _require(file)
    return load_pipeline(file)


def _require(file: Path) -> None:
    if not file.is_file():  # a name without a file is that of a bundled recipe
        raise LookupError(f"there is no {file.name} in {file.parent}: was the run moved away?")


def _read_toml(file: Path) -> str:
    """Whatever else a link with this name may lead to is not shown."""
    try:
        text = file.read_text(encoding="utf-8")
        read_toml(text)
    except (OSError, ValueError):
        return ""
    return text


_recipes = Kept(_load_recipe, most=512)
_pipelines = Kept(_load_pipeline, most=64)
_texts = Kept(_read_toml, most=16)

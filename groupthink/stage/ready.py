"""Whether a run can be begun by a recipe: what it names is there, and fits."""

from collections.abc import Callable

from groupthink.insight.plan import require_room
from groupthink.model.loading import require_model
from groupthink.recipe import Recipe
from groupthink.stage.named import require_named
from groupthink.stage.prompt import require_chat
from groupthink.stage.teacher import require_teacher


def require_ready(
    recipe: Recipe, tell: Callable[[str], None], *, room: bool = True, data_to_come: bool = False
) -> None:
    """Raise ValueError for whatever can be known to be wrong with a recipe before it is begun.

    `tell` hears how tasks read what they were given, and that the hub is asked. `room`: it must fit into memory, too.
    `data_to_come`: see `require_named`.
    """
    require_named(recipe, tell, data_to_come=data_to_come)
    require_model(recipe.model, tell, trust_remote_code=recipe.trust_remote_code)
    require_chat(recipe)
    require_teacher(recipe, tell)
    if room and recipe.stage != "evaluate":  # it holds less than any that trains
        require_room(recipe)

"""What a run is asked to do: the whole configuration, from TOML, checked.

`recipe.py` holds the settings and `possible.py` says which cannot be together; `reading.py` reads files (`toml.py`:
whoever has written them), of which `tables.py` makes recipes; `names.py` knows all settings; `writing.py` and
`words.py` say what a recipe is.
"""

from groupthink.recipe.names import TABLES, setting_names
from groupthink.recipe.reading import BUNDLED, STAGE_LIST, bundled, load_recipe, read_table, recipe_name
from groupthink.recipe.recipe import Recipe
from groupthink.recipe.stages import BY_REWARDS, BY_SAMPLES, STAGES
from groupthink.recipe.tables import Table, build_recipe, override
from groupthink.recipe.words import describe_step
from groupthink.recipe.writing import dump_recipe, recipe_table, settings_of

__all__ = [
    "BUNDLED",
    "BY_REWARDS",
    "BY_SAMPLES",
    "STAGES",
    "STAGE_LIST",
    "TABLES",
    "Recipe",
    "Table",
    "build_recipe",
    "bundled",
    "describe_step",
    "dump_recipe",
    "load_recipe",
    "override",
    "read_table",
    "recipe_name",
    "recipe_table",
    "setting_names",
    "settings_of",
]

"""What the documents say of settings, recipes and places holds."""

import re
from pathlib import Path

import pytest

from groupthink.elsewhere import TRL, VERL
from groupthink.pipeline.reading import load_pipeline
from groupthink.recipe import Recipe, bundled, load_recipe, settings_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def rows(page: str) -> list[tuple[list[str], list[str]]]:
    """The names on both sides of each row of settings."""
    lines = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("| `")]
    cells = [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:-1]] for line in lines]
    return [(row[0], row[1]) for row in cells if len(row) == 3]


def shown_recipes(page: str, tmp_path: Path) -> list[Recipe]:
    """The recipes that a page shows, or parts of them, loaded."""
    shown = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert shown
    recipes = []
    for text in shown:
        (tmp_path / "shown.toml").write_text(text)
        recipes.append(load_recipe(tmp_path / "shown.toml"))
    return recipes


@pytest.mark.parametrize(("page", "least"), [("from-trl.md", 55), ("from-verl.md", 40)])
def test_every_setting_on_our_side_is_one(page, least):
    found, settings = rows(page), settings_of(Recipe())
    assert len(found) >= least
    assert {name for _, ours in found for name in ours} <= set(settings)
    assert all(theirs and ours for theirs, ours in found)


def test_no_setting_of_theirs_stands_twice():
    for page in ("from-trl.md", "from-verl.md"):
        names = [name for theirs, _ in rows(page) for name in theirs]
        assert len(names) == len(set(names)) > 45


@pytest.mark.parametrize(("page", "known"), [("from-trl.md", TRL), ("from-verl.md", VERL)])
def test_an_error_knows_what_the_pages_say(page, known):
    said = {name: ", ".join(ours) for theirs, ours in rows(page) for name in theirs}
    assert known == {name: ours for name, ours in said.items() if name != ours}


@pytest.mark.parametrize("page", ["from-trl.md", "from-verl.md"])
def test_the_recipes_that_are_shown_are_recipes(page, tmp_path):
    for recipe in shown_recipes(page, tmp_path):
        assert recipe.reward.functions or (recipe.stage == "sft" and recipe.task.data)


def test_the_stages_that_are_shown_are_stages(tmp_path):
    shown = re.findall(r"```toml\n(.*?)```", (DOCS / "stages.md").read_text(), re.DOTALL)
    names = []
    for number, text in enumerate(text for text in shown if "[[stages]]" in text):
        (tmp_path / f"{number}.toml").write_text(text)
        names.append(load_pipeline(tmp_path / f"{number}.toml").names)
    assert [len(of_one) for of_one in names] == [3, 9]


@pytest.mark.parametrize("page", ["problems.md", "models.md", "cluster.md"])
def test_what_is_shown_of_a_recipe_is_one(page, tmp_path):
    shown_recipes(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_spoken_of_is_one(page):
    known = settings_of(Recipe())
    tables = {name.partition(".")[0] for name in known if "." in name}
    spoken = re.findall(r"(?<![\w./])([a-z]+\.[a-z_0-9]+)(?=[=`])", page.read_text())
    named = [name for name in spoken if name.partition(".")[0] in tables and not name.endswith(".py")]
    assert set(named) <= set(known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_place_that_is_linked_is_there(page):
    linked = re.findall(r"\]\(([^)#:\s]+)\)", page.read_text())
    assert [place for place in linked if not (page.parent / place).exists()] == []


def test_every_recipe_that_comes_along_is_told_of():
    told = (DOCS / "models.md").read_text()
    assert [name for name in bundled() if f"`{name}`" not in told] == []

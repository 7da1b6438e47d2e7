from pathlib import Path

import pytest

from groupthink.recipe import bundled, load_recipe, recipe_name

TOP = Path(__file__).parent.parent.parent


def test_the_recipes_at_the_top_are_the_packaged_ones():
    packaged = {file.name: file.read_text() for file in (TOP / "groupthink/recipes").glob("*.toml")}
    assert {file.name: file.read_text() for file in (TOP / "recipes").glob("*.toml")} == packaged
    assert bundled() == sorted(name.removesuffix(".toml") for name in packaged)
    studies = {file.name: file.read_text() for file in (TOP / "groupthink/recipes/studies").glob("*.toml")}
    assert studies and {file.name: file.read_text() for file in (TOP / "recipes/studies").glob("*.toml")} == studies


@pytest.mark.parametrize("file", sorted((TOP / "recipes/studies").glob("*.toml")), ids=lambda file: file.stem)
def test_every_study_is_a_recipe(file):
    assert load_recipe(file).steps > 0


def test_without_a_path_the_packaged_recipe_is_loaded():
    assert load_recipe() == load_recipe(TOP / "recipes/nano.toml")


def test_a_packaged_recipe_is_found_by_its_name_where_no_file_has_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("qwen3-0.6b-gsm8k") == load_recipe(TOP / "recipes/qwen3-0.6b-gsm8k.toml")
    (tmp_path / "nano").write_text("steps = 3")
    assert load_recipe("nano").steps == 3
    with pytest.raises(FileNotFoundError, match=r"no recipe at qwen-0.6b-gsm8k: .*did you mean qwen3-0.6b-gsm8k\?"):
        load_recipe("qwen-0.6b-gsm8k")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (None, "nano"),
        ("nano", "nano"),
        ("recipes/mine.toml", "mine"),
        ("qwen3-0.6b-gsm8k", "qwen3-0.6b-gsm8k"),
        (Path("a/qwen3-0.6b-gsm8k.toml"), "qwen3-0.6b-gsm8k"),
    ],
)
def test_a_run_is_called_as_its_recipe(path, name):
    assert recipe_name(path) == name


def test_what_is_no_file_or_no_toml_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no recipe at"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("steps = = 3")
    with pytest.raises(ValueError, match="is not TOML"):
        load_recipe(tmp_path / "broken.toml")

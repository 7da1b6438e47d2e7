import os

import pytest

from groupthink.web.reading.places import Places, own_name
from tests.web.reading.making import run_of


@pytest.fixture
def runs(tmp_path):
    """runs/a, runs/deep/b, and a recipe of several stages."""
    folder = tmp_path / "runs"
    for name in ("a", "deep/b", "r1/stages/01-zero", "r1/stages/01-zero.replaced-1", ".hidden"):
        (folder / name).mkdir(parents=True)
        (folder / name / "recipe.toml").touch()
    (folder / "r1/pipeline.toml").touch()
    (folder / "empty").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/recipe.toml").touch()
    return folder


def test_runs_are_found_and_called_by_their_path(runs):
    places = Places(runs)
    assert places.names() == ["a", "deep/b", "r1", "r1/stages/01-zero"]
    for name in places.names():
        assert places.path(name) == runs / name and places.name(places.path(name)) == name
    assert places.path("r1/stages/01-zero.replaced-1").is_dir()  # listed nowhere, and there for who asks


def test_a_folder_that_is_a_run_has_its_own_name_first(runs):
    assert Places(runs / "a").names() == ["a"] and Places(runs / "a").path("a") == runs / "a"
    assert Places(runs / "r1").names() == ["r1", "r1/stages/01-zero"]
    with pytest.raises(LookupError):
        Places(runs / "r1").path("a")


STRANGE = [
    "a\0",
    "a\0/../..",
    "a\n",
    "\udcff",
    "x" * 5000,
    "a/" * 400 + "a",
    "..\\outside",
    "C:\\",
    "%2e%2e/outside",
    "~",
]
LEADING_OUT = ["", ".", "..", "../outside", "/", "a/..", "a/../a", "./a", "a/", "//a", "a//b", ".hidden"]


@pytest.mark.parametrize("name", [*LEADING_OUT, *STRANGE, "empty", "a/recipe.toml"])
def test_no_other_name_leads_anywhere(runs, name):
    with pytest.raises(LookupError, match="run"):
        Places(runs).path(name)


def test_an_absolute_path_is_no_name(runs):
    with pytest.raises(LookupError):
        Places(runs).path(str(runs / "a"))


@pytest.mark.fault("S8")
def test_a_link_out_of_the_folder_is_not_followed(runs):
    (runs / "link").symlink_to(runs.parent / "outside")
    (runs / "round").symlink_to(runs)
    (runs / "within").symlink_to(runs / "a")
    places = Places(runs)
    assert "link" not in places.names() and "round" not in places.names()
    with pytest.raises(LookupError):
        places.path("link")
    assert places.path("within") == runs / "a"


def test_what_is_mistyped_is_told_what_was_meant(runs):
    with pytest.raises(LookupError, match="did you mean 'deep/b'"):
        Places(runs).path("deep/bb")
    with pytest.raises(LookupError, match="holds your runs"):
        Places(runs / "nowhere")


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_name_that_is_no_text_is_left_out(runs):
    (runs / os.fsdecode(b"\xff")).mkdir()
    (runs / os.fsdecode(b"\xff") / "recipe.toml").touch()
    assert Places(runs).names() == ["a", "deep/b", "r1", "r1/stages/01-zero"]


def test_a_run_begun_while_one_looks_is_there(runs):
    places = Places(runs)
    run_of(runs / "new", [[[1, 0, 0], [1, 1, 0]]]).close()
    assert "new" in places.names()


def test_a_stage_is_called_with_its_recipe(runs):
    assert own_name(runs / "a") == "a" and own_name(runs / "r1/stages/01-zero") == "r1/stages/01-zero"


def test_what_lies_too_deep_or_among_too_much_is_not_looked_for(runs, monkeypatch):
    deep = runs / "1/2/3/4/5"
    deep.mkdir(parents=True)
    (deep / "recipe.toml").touch()
    assert "1/2/3/4/5" not in Places(runs).names() and Places(runs).path("1/2/3/4/5") == deep
    monkeypatch.setattr("groupthink.web.reading.places.FOLDERS", 1)
    assert Places(runs).names() == ["a", "r1", "r1/stages/01-zero"]

"""How an environment is found, by modules that are made up: those of `verifiers` are in tests_peers/verifiers."""

import signal
import sys

import pytest

from groupthink.task.environment_aside import Source, opened

OWN = """
import signal


class Environment:
    rubric = None

    def __init__(self, level):
        self.level = level
        signal.signal(signal.SIGTERM, lambda number, frame: None)

    def get_dataset(self):
        return []


def load_environment(level=1):
    return Environment(level)


def other(level):
    return object()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file, and a package of the same that is installed as `a_game`."""
    made = []

    class Conversations:
        def __init__(self, environment, name):
            made.append((environment.level, name))

    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "a_game.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("groupthink.task.environment_v0.Conversations", Conversations)
    opened.cache_clear()
    yield tmp_path / "own.py", made
    opened.cache_clear()
    sys.modules.pop("a_game", None)


def source(place, arguments="{}"):
    return Source(f"verifiers:{place}", str(place), arguments)


def test_a_file_and_an_installed_environment_are_found_and_take_arguments(own):
    file, made = own
    opened(source(file))
    opened(source(f"{file}:load_environment", '{"level": 3}'))
    opened(source("me/a-game@1.0", '{"level": 4}'))
    assert [level for level, _ in made] == [1, 3, 4]


def test_it_is_opened_once(own):
    file, made = own
    assert opened(source(file)) is opened(source(file)) and len(made) == 1


def test_its_handlers_of_signals_are_taken_back(own):
    before = signal.getsignal(signal.SIGTERM)
    opened(source(own[0]))
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("place", "arguments", "why"),
    [
        ("{file}:load_environmen", "{}", "no function or class 'load_environmen'.*did you mean load_environment"),
        ("{file}", '{"levle": 2}', r'levle.*own\.py:key" = value'),
        ("{file}:other", '{"level": 2}', "gives object: an environment is a verifiers.Environment, or a"),
        ("not-there", "{}", "no environment 'not-there' is installed .*no module not_there"),
        ("json", "{}", "json has no function load_environment, and 0 of what it exports"),
    ],
)
def test_what_is_not_there_is_refused_in_words(own, place, arguments, why):
    with pytest.raises(ValueError, match=why):
        opened(source(place.format(file=own[0].as_posix()), arguments))

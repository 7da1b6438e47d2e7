import pytest

from groupthink.pipeline import Pipeline, Stage
from groupthink.recipe import dump_recipe, load_recipe
from groupthink.run.stages import PIPELINE, STAGES, run_name, stage_place, standing_stages, to_choose, worked_seconds


def event(kind: str, time: float) -> dict:
    return {"event": kind, "time": time}


def test_time_between_sessions_does_not_count():
    events = [event("started", 100.0), event("checkpoint", 130.0), event("resumed", 500.0), event("finished", 507.0)]
    assert worked_seconds(events) == 30 + 7


def test_of_a_run_at_work_the_steps_say_how_long_it_has_been():
    lines = [{"step": step, "time/generate": 4.0, "time/learn": 6.0, "loss": 99.0} for step in range(3)]
    assert worked_seconds([event("started", 100.0)], lines) == 30
    assert worked_seconds([], []) == 0


def test_a_stage_is_called_by_its_name_and_another_run_by_its_folder(tmp_path):
    place = tmp_path / STAGES / "12-rl-2"
    assert run_name(place) == "12-rl-2"
    (tmp_path / PIPELINE).touch()
    assert run_name(place) == "rl-2" and run_name(tmp_path / "3-runs") == "3-runs"


EVERY = ("evaluate.every=2",)


@pytest.mark.parametrize(
    ("word", "under_way", "done"),
    [
        ("scale.patience=99", True, True),
        ("checkpoint_every=7", True, True),
        ("evaluate.patience=3", True, False),
        ("steps=9", False, False),
        ("policy.learning_rate=0.5", False, False),
        ("sample.keep=3", False, False),
    ],
)
def test_a_stage_under_way_may_change_as_a_resumed_run_may_but_in_its_steps(tmp_path, word, under_way, done):
    begun, wanted = (Pipeline((Stage("zero", load_recipe(overrides=words)),)) for words in (EVERY, (*EVERY, word)))
    place = stage_place(tmp_path, begun, 0)
    place.mkdir(parents=True)
    (place / "recipe.toml").write_text(dump_recipe(begun.stages[0].recipe))
    assert standing_stages(tmp_path, wanted) == under_way
    (place / "summary.json").touch()
    assert standing_stages(tmp_path, wanted) == done


@pytest.mark.parametrize(
    ("word", "stands"),
    [
        ("sample.keep=3", True),
        ("sample.longest=80", True),
        ("sample.problems=32", False),
        ("sample.responses=5", False),
        ("seed=9", False),
    ],
)
def test_what_a_stage_has_drawn_stands_where_it_is_only_chosen_from_otherwise(tmp_path, word, stands):
    words = ("stage=sample", "sample.problems=16")
    begun, wanted = (Pipeline((Stage("chains", load_recipe(overrides=each)),)) for each in (words, (*words, word)))
    place = stage_place(tmp_path, begun, 0)
    place.mkdir(parents=True)
    (place / "recipe.toml").write_text(dump_recipe(begun.stages[0].recipe))
    for summary in (False, True):
        if summary:
            (place / "summary.json").touch()
        assert standing_stages(tmp_path, wanted) == stands
        assert to_choose(tmp_path, wanted) == (place if summary and stands else None)
        assert to_choose(tmp_path, begun) is None

"""What a stage `sample`, or `sft`, cannot do is known before it begins."""

import json

import pytest

from groupthink.recipe import load_recipe
from groupthink.stage.named import require_named

SAMPLE = ("stage=sample", "sample.problems=20")


@pytest.fixture
def data(tmp_path):
    """Makes a data set of 30 rows."""

    def data(**row: object) -> str:
        rows = "".join(json.dumps({"question": f"{i}+{i}?", **row}) + "\n" for i in range(30))
        (tmp_path / "rows.jsonl").write_text(rows)
        return f"{tmp_path / 'rows.jsonl'}"

    return data


def test_more_problems_than_there_are_are_refused_but_where_the_data_are_to_come(data):
    recipe = load_recipe(overrides=["stage=sample", f"task.data={data(answer='4')}", "sample.problems=31"])
    with pytest.raises(ValueError, match=r"sample\.problems is 31"):
        require_named(recipe)
    require_named(recipe, data_to_come=True)


def test_tests_that_nobody_would_run_are_refused(data):
    place = data(tests=["assert f(1) == 2"])
    asked = [*SAMPLE, f"task.data={place}"]
    with pytest.raises(ValueError, match=r"reward\.code is 0: nothing would be kept"):
        require_named(load_recipe(overrides=asked))
    require_named(load_recipe(overrides=[*asked, f"task.data={data(answer='4')}"]))


def test_a_task_without_demonstrations_is_refused_to_sft_alone(data):
    words = [f'sft.tasks=["data:{data(answer="4")}"]', "sft.shares=[1.0]"]
    with pytest.raises(ValueError, match="has no worked solution to imitate"):
        require_named(load_recipe(overrides=["stage=sft", *words]))
    require_named(load_recipe(overrides=["stage=sft", *words]), data_to_come=True)
    require_named(load_recipe(overrides=words))

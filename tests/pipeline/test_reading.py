import tomllib

import pytest

from groupthink.pipeline import describe_stage, dump_pipeline
from groupthink.pipeline.forecast import forecast
from groupthink.pipeline.reading import has_stages, load_pipeline
from groupthink.pipeline.references import placed, toml_table, with_places
from groupthink.pipeline.rounds import MOST
from groupthink.recipe import dump_recipe, load_recipe

STAGES = """\
model = "./base"
steps = 5

[rollout]
max_tokens = 30

[objective]
name = "dr_grpo"
kl = 0.25

[[stages]]
name = "zero"
steps = 7
require = "pass@1 >= 0.5"

[[stages]]
name = "cold"
stage = "sft"
model = "stage:zero"
[stages.objective]
name = "dapo"

[[stages]]
name = "rl"
model = "stage:previous"

[[stages]]
name = "again"
stage = "sft"
model = "stage:rl"
repeat_from = "rl"
repeat = 3
"""


@pytest.fixture
def read(tmp_path):
    def read(text=STAGES, *words):
        (tmp_path / "stages.toml").write_text(text)
        return load_pipeline(tmp_path / "stages.toml", words)

    return read


def test_what_stands_above_the_stages_is_said_for_all_of_them(read):
    pipeline = read()
    assert [pipeline[name].recipe.steps for name in ("zero", "cold", "rl")] == [7, 5, 5]
    assert {stage.recipe.rollout.max_tokens for stage in pipeline.stages} == {30}
    assert [pipeline[name].kind for name in ("zero", "cold")] == ["grpo", "sft"]
    assert pipeline["zero"].require == "pass@1 >= 0.5" and pipeline["cold"].require == ""


def test_an_objective_brings_its_row_before_what_is_said_for_all(read):
    pipeline = read()
    assert (pipeline["zero"].recipe.objective.name, pipeline["zero"].recipe.objective.kl) == ("dr_grpo", 0.25)
    alone = load_recipe(overrides=["objective.name=dapo"]).objective
    assert pipeline["cold"].recipe.objective == alone and alone.kl != 0.25


def test_repeated_stages_take_the_newest_of_each_name(read):
    pipeline = read()
    assert pipeline.names == ["zero", "cold", "rl", "again", "rl-2", "again-2", "rl-3", "again-3"]
    taken = [stage.recipe.model.removeprefix("stage:") for stage in pipeline.stages]
    assert taken == ["./base", "zero", "cold", "rl", "again", "rl-2", "again-2", "rl-3"]
    assert pipeline.last_model.name == "again-3"


def test_a_stage_may_be_repeated_by_itself(read):
    text = '[[stages]]\nname="a"\nrepeat=2\n[[stages]]\nname="b"\nmodel="stage:a-2"'
    assert read(text).names == ["a", "a-2", "b"]


def test_words_are_for_all_stages_or_for_one(read):
    pipeline = read(STAGES, "steps=9", "rl-2.steps=3", "cold.rollout.max_tokens=40", "cold.require=length < 9")
    assert [stage.recipe.steps for stage in pipeline.stages] == [7, 9, 9, 9, 3, 9, 9, 9]
    assert pipeline["cold"].recipe.rollout.max_tokens == 40 and pipeline["rl"].recipe.rollout.max_tokens == 30
    assert pipeline["cold"].require == "length < 9"


def test_a_stage_called_as_a_table_leaves_the_table_its_settings(read):
    text = '[[stages]]\nname = "evaluate"\n[[stages]]\nname = "b"'
    pipeline = read(text, "evaluate.problems=3", "evaluate.steps=2", "evaluate.evaluate.samples=1")
    assert [stage.recipe.evaluate.problems for stage in pipeline.stages] == [3, 3]
    assert [stage.recipe.steps for stage in pipeline.stages] == [2, 120]
    assert [stage.recipe.evaluate.samples for stage in pipeline.stages] == [1, 4]


def test_what_is_written_out_is_the_same_pipeline(read, tmp_path):
    pipeline = read()
    (tmp_path / "resolved.toml").write_text(dump_pipeline(pipeline))
    assert load_pipeline(tmp_path / "resolved.toml") == pipeline


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "stage:zero"', 'model = "stage:zerro"', "stage cold: model asks for .*did you mean stage:zero?"),
        ('model = "stage:zero"', 'model = "stage:rl"', "stage 'rl', which comes later: put that one before this one"),
        ('model = "stage:zero"', 'model = "stage:zreo"', "no such stage before this one: did you mean stage:zero?"),
        ('name = "rl"', 'name = "rl"\nrequire = "pass@1 >= 30"', "30 % are written pass@1 >= 0.3"),
        ('name = "rl"', f'name = "{"l" * 65}"', "64 of them at most"),
        ('name = "cold"', 'name = "zero"', "two stages are called 'zero'"),
        ('name = "rl"', 'name = "r l"', "take letters, digits, - and _"),
        ('name = "rl"', 'name = "previous"', "is whatever came before"),
        (
            '"./base"',
            '"stage:previous"',
            "stage zero: model asks for a model of a stage before .*name a model, such as",
        ),
        ('"pass@1 >= 0.5"', '"pas@1 >= 0.5"', "stage zero: require asks for .* did you mean pass@1?"),
        ('"pass@1 >= 0.5"', '"kept >= 5"', "no figure of stage=grpo is called 'kept'"),
        ('name = "rl"', "", "stage 3 has no name"),
        ("steps = 7", "stepps = 7", "stage zero: unknown setting stepps: did you mean steps?"),
        ('"pass@1 >= 0.5"', '"pass@1 >= half"', "stage zero: require is"),
        ('"pass@1 >= 0.5"', "0.5", "stage zero: require is 0.5: write it as text"),
        ('repeat_from = "rl"', 'repeat_from = "rll"', "did you mean rl?"),
        ("repeat = 3", "repeat = 0", "give a whole number of rounds"),
        ("repeat = 3", "", "say in repeat how many rounds"),
        ("repeat = 3", f"repeat = {10**12}", "stages, every round counted: 100 at most"),
    ],
)
def test_what_makes_no_sense_is_refused(read, old, new, said):
    assert old in STAGES
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        read(STAGES.replace(old, new, 1))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("zerro.steps=3", "no stage and no table: did you mean zero.steps?"),
        ("nope.steps=1", r"did you mean zero.steps? \(the stages are zero, cold, rl, again, "),
        ("zero.stepps=3", "stage zero: unknown setting stepps: did you mean steps?"),
        ("stages=3", "unknown setting stages"),
    ],
)
def test_words_that_name_nothing_are_refused(read, word, said):
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        read(STAGES, word)


def test_a_word_that_every_stage_would_overrule_is_refused(read, tmp_path):
    (tmp_path / "resolved.toml").write_text(dump_pipeline(read()))
    with pytest.raises(ValueError, match=r"'steps=3' would change nothing.*zero\.steps=3"):
        load_pipeline(tmp_path / "resolved.toml", ["steps=3"])


ITERATED = """\
model = "./base"
seed = 4

[[stages]]
name = "zero"
model = "stage:previous"

[[stages]]
name = "chains"
stage = "sample"
model = "stage:previous"
require = "kept >= 5"

[[stages]]
name = "tuned"
stage = "sft"
seed = 9
repeat = 3
repeat_from = "zero"
[stages.sft]
tasks = ["stage:chains"]
shares = [1.0]
"""


def test_a_recipe_has_so_many_stages_and_no_more(read):
    def stages(number):
        return "".join(f'[[stages]]\nname = "s{place}"\n' for place in range(number))

    assert len(read(stages(MOST)).names) == MOST
    with pytest.raises(ValueError, match=f"stage s{MOST}: with it there are {MOST + 1} stages"):
        read(stages(MOST + 1))
    assert len(read(f"{stages(MOST - 9)}repeat = 10").names) == MOST
    with pytest.raises(ValueError, match=f"with it there are {MOST + 1} stages"):
        read(f"{stages(MOST - 9)}repeat = 11")


def test_a_recipe_as_a_table_is_what_toml_makes_of_it():
    one = load_recipe(overrides=["task.mixture=['arithmetic', 'gym:chain_sum']", 'task."chain_sum:x"=[{a=[1, 2.5]}]'])
    assert toml_table(one) == tomllib.loads(dump_recipe(one))


def test_rounds_that_begin_at_the_first_stage_go_on_from_one_another(read):
    models = {stage.name: stage.recipe.model for stage in read(ITERATED, "model=./mine").stages}
    assert models == {
        **{"zero": "./mine", "chains": "stage:zero", "tuned": "./mine"},
        **{"zero-2": "stage:tuned", "chains-2": "stage:zero-2", "tuned-2": "./mine"},
        **{"zero-3": "stage:tuned-2", "chains-3": "stage:zero-3", "tuned-3": "./mine"},
    }


def test_each_round_draws_by_a_seed_of_its_own_unless_the_stage_says_one(read, tmp_path):
    pipeline = read(ITERATED, "zero-3.seed=7")
    assert [stage.recipe.seed for stage in pipeline.stages] == [4, 4, 9, 5, 5, 9, 7, 6, 9]
    (tmp_path / "resolved.toml").write_text(dump_pipeline(pipeline))
    assert load_pipeline(tmp_path / "resolved.toml") == pipeline


def test_words_for_a_repeated_stage_are_for_all_its_rounds_and_those_for_a_round_go_before(read):
    pipeline = read(ITERATED, "zero-2.steps=3", "zero.steps=8", "chains.require=kept >= 7")
    assert [pipeline[name].recipe.steps for name in ("zero", "zero-2", "zero-3", "tuned-2")] == [8, 3, 8, 120]
    assert [stage.require for stage in pipeline.stages if stage.kind == "sample"] == ["kept >= 7"] * 3


def test_a_word_for_a_repeated_stage_takes_the_newest_of_the_stage_that_it_names_as_the_file_does(read):
    word = read(ITERATED, "tuned.model=stage:zero", "chains-3.model=stage:tuned")
    assert word["chains-3"].recipe.model == "stage:tuned"  # for one round: as it stands
    file = ITERATED.replace('name = "tuned"', 'name = "tuned"\nmodel = "stage:zero"')
    assert [word[name].recipe for name in ("tuned", "tuned-2", "tuned-3")] == [
        read(file)[name].recipe for name in ("tuned", "tuned-2", "tuned-3")
    ]
    assert word["tuned-3"].recipe.model == "stage:zero-3"


def test_a_word_counts_as_heard_only_by_stages_to_which_it_says_something(read):
    text = ITERATED.replace('name = "zero"', 'name = "zero"\nsteps = 3').replace("seed = 9", "steps = 9")
    with pytest.raises(ValueError, match=r"'steps=10' would change nothing.*the stages are zero, tuned, zero-2"):
        read(text, "steps=10")
    with pytest.raises(ValueError, match="no stage here takes steps"):
        read('[[stages]]\nname = "look"\nstage = "evaluate"', "steps=10")
    assert read(text, "rollout.max_tokens=9")["chains-2"].recipe.rollout.max_tokens == 9


def test_a_recipe_without_stages_is_what_it_was(tmp_path, read):
    assert not has_stages("nano") and not has_stages(None)
    read()
    assert has_stages(tmp_path / "stages.toml")
    with pytest.raises(ValueError, match="nano has no stages"):
        load_pipeline("nano")
    with pytest.raises(ValueError, match="has several stages"):
        load_recipe(tmp_path / "stages.toml")


def test_references_become_places(read):
    pipeline = read()
    recipe = with_places(pipeline["cold"].recipe, models=lambda name: f"runs/{name}/model", data=str)
    assert recipe.model == "runs/zero/model" and recipe.steps == 5
    assert placed(pipeline["cold"].recipe) == {"model"}


def test_a_forecast_goes_back_to_the_model_that_is_there(read):
    pipeline = read()
    assert {forecast(pipeline, number).model for number in range(8)} == {"./base"}
    assert describe_stage(pipeline, 1) == "(2 of 8) cold: sft from stage:zero"

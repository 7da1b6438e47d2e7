import pytest

from groupthink.recipe import dump_recipe, load_recipe


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scale.engines=-1",), "give 0 or more"),
        (("scale.engines=2", "scale.least_engines=3"), "or 0 to begin with all"),
        (("scale.engines=2", "rollout.processes=2"), "leave rollout.processes at 0"),
        (("scale.engines=2", "rollout.engine=vllm", "vllm.own_process=false"), "leave it at true"),
        (("vllm.tensor_parallel=2", "vllm.own_process=false"), "says that there are none"),
        (
            ("scale.engines=2", "scale.engine_gpus=1", "rollout.engine=vllm", "vllm.tensor_parallel=2"),
            "set scale.engine_gpus=2",
        ),
        (("scale.engine_gpus=1.5",), "a whole number, or a share below 1"),
        (("scale.placement=near",), "choose one of spread, pack"),
        (("scale.patience=0",), "give seconds above 0"),
        (("scale.engines=2", "scale.transport=nccl"), "choose one of store, nixl"),
        (("scale.learners=2", "scale.transport=nixl"), "no engine to bring weights to"),
        (
            ("stage=grpo_async", "rollout.lag=1", "scale.engines=2", "scale.transport=nixl"),
            'set scale.transport="store", or rollout.lag=0',
        ),
        (("scale.address=auto",), "nothing is to work there"),
    ],
)
def test_what_cannot_be_is_refused(words, said):
    with pytest.raises(ValueError, match=said):
        load_recipe(overrides=words)


def test_the_table_is_read_and_written(tmp_path):
    asked = load_recipe(overrides=("scale.engines=4", "scale.engine_gpus=1", "scale.address=auto"))
    assert (asked.scale.engines, asked.scale.engine_gpus, asked.scale.wanted) == (4, 1.0, True)
    (tmp_path / "recipe.toml").write_text(dump_recipe(asked))
    assert load_recipe(tmp_path / "recipe.toml") == asked
    assert not load_recipe().scale.wanted

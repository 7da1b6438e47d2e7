import pytest

from groupthink.recipe import dump_recipe, load_recipe


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scale.engines=-1",), "give 0 or more"),
        (("scale.engines=2", "scale.least_engines=3"), "give 1 to 2 to scale.least_engines, or 0 to begin with all"),
        (("scale.engines=2", "rollout.processes=2"), "leave rollout.processes at 0"),
        (("scale.engines=2", "rollout.engine=vllm", "vllm.own_process=false"), "leave it at true"),
        (("vllm.tensor_parallel=2", "vllm.own_process=false"), "says that there are none"),
        (
            ("scale.engines=2", "scale.engine_gpus=1", "rollout.engine=vllm", "vllm.tensor_parallel=2"),
            "set scale.engine_gpus=2",
        ),
        (("scale.engine_gpus=1.5",), "a whole number, or a share below 1"),
        (("scale.engines=2", "scale.engine_gpus=2"), 'set 1, or rollout.engine="vllm" with vllm.tensor_parallel'),
        (("scale.learners=2", "scale.learner_gpus=0.5"), r"on one GPU \(1\) or none \(0\)"),
        (("scale.learners=2", "scale.learner_gpus=2"), r"on one GPU \(1\) or none \(0\)"),
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


def test_who_leaves_gpus_idle_is_told():
    said = load_recipe(overrides=("scale.engines=2", "scale.learners=1", "scale.learner_gpus=1")).scale.without_gpus
    assert said(8) == "the cluster has 8 GPUs, and not all use them: set scale.engine_gpus=1" and not said(0)
    assert not load_recipe(overrides=("scale.rewards=2",)).scale.without_gpus(8)

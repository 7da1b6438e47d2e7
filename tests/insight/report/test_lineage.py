import hashlib
import json
from pathlib import Path

import pytest

from groupthink.insight.report.lineage import data_version, origins_of, stage_name, weights_version
from groupthink.recipe import load_recipe


@pytest.fixture
def earlier(tmp_path) -> list[Path]:
    """A stage that has made a model, and one that has made data."""
    zero, chains = tmp_path / "stages" / "01-zero", tmp_path / "stages" / "02-chains"
    for step, digits in ((0, "a"), (40, "b")):
        folder = zero / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        files = {"model.safetensors": {"sha256": digits * 64}, "optimizer.safetensors": {"sha256": "c" * 64}}
        (folder / "complete.json").write_text(json.dumps({"files": files}))
    (chains / "data").mkdir(parents=True)
    (chains / "data" / "train.parquet").write_bytes(b"rows")
    return [zero, chains]


def test_versions_are_those_of_weights_and_data(earlier):
    zero, chains = earlier
    assert weights_version(zero) == "b" * 12 and weights_version(zero, newest=False) == "a" * 12
    assert data_version(chains) == hashlib.sha256(b"rows").hexdigest()[:12]
    assert weights_version(chains) is data_version(zero) is None


def test_a_model_in_several_files_has_one_version(earlier):
    folder = earlier[0] / "checkpoints" / "step-000080"
    folder.mkdir()
    digits = ("1" * 64, "2" * 64)
    files = {f"model-0000{i}-of-00002.safetensors": {"sha256": text} for i, text in enumerate(digits, start=1)}
    (folder / "complete.json").write_text(json.dumps({"files": files}))
    assert weights_version(earlier[0]) == hashlib.sha256("".join(digits).encode()).hexdigest()[:12]


def test_what_earlier_stages_made_is_named_by_them(earlier, tmp_path):
    zero, chains = earlier
    recipe = load_recipe(
        overrides=["stage=sft", f"model={zero}/model", f'sft.tasks=["data:{chains}/data"]', "sft.shares=[1.0]"]
    )
    found = {origin.setting: (origin.source, origin.version) for origin in origins_of(tmp_path, recipe, earlier)}
    assert found == {"model": ("zero", "b" * 12), "sft.tasks": ("chains", data_version(chains))}


def test_what_comes_from_elsewhere_is_named_as_the_recipe_does(earlier, tmp_path):
    found = origins_of(tmp_path, load_recipe(overrides=["model=someone/01-zeroes"]), earlier)
    assert [(origin.setting, origin.source) for origin in found] == [
        ("model", "someone/01-zeroes"),
        ("task", "quadratics"),
    ]


def test_a_stage_is_called_by_its_folder_without_its_number():
    assert stage_name(Path("stages/12-rl-2")) == "rl-2"

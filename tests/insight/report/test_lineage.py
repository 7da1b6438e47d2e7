import json
from pathlib import Path

import pytest

from groupthink.insight.report.lineage import origins_of
from groupthink.recipe import load_recipe
from groupthink.run.versions import data_version

SFT = ("stage=sft", "sft.shares=[1.0]")


@pytest.fixture
def makers(tmp_path) -> dict[str, Path]:
    """A stage that has made a model, and one that has made data."""
    zero, chains = tmp_path / "stages" / "01-zero", tmp_path / "stages" / "02-chains"
    for step, digits in ((0, "a"), (40, "b")):
        folder = zero / "checkpoints" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "complete.json").write_text(json.dumps({"files": {"model.safetensors": {"sha256": digits * 64}}}))
    (chains / "data").mkdir(parents=True)
    (chains / "data" / "train.parquet").write_bytes(b"rows")
    return {"zero": zero, "chains": chains}


def told(path: Path, makers: dict[str, Path], *words: str) -> list[tuple]:
    origins = origins_of(path, load_recipe(overrides=words), makers)
    return [(origin.setting, origin.source, origin.version) for origin in origins]


def test_what_stages_made_is_named_by_them_once_by_reference_or_by_path(makers, tmp_path):
    version = data_version(makers["chains"] / "data")
    expected = [("model", "zero", "b" * 12), ("sft.tasks", "chains", version)]
    assert told(tmp_path, makers, *SFT, "model=stage:zero", 'sft.tasks=["stage:chains"]') == expected
    model, data = makers["zero"] / "model", makers["chains"] / "data"
    (tmp_path / "link").symlink_to(model.parent)
    for place in (model, tmp_path / "stages/../stages/01-zero/model", tmp_path / "link"):
        assert told(tmp_path, makers, *SFT, f"model={place}", f'sft.tasks=["data:{data}"]') == expected


def test_a_name_is_no_path_wherever_it_is_asked(makers, tmp_path, monkeypatch):
    monkeypatch.chdir(makers["zero"])
    for folder in ("nano", "quadratics", "model"):
        (makers["zero"] / folder).mkdir()
    expected = [("nano", "nano"), ("someone/model", "someone/model"), ("model", "zero"), ("./model", "zero")]
    for model, source in expected:
        found = told(tmp_path, makers, f"model={model}")
        assert [source for _, source, _ in found] == [source, "quadratics"]


def test_a_place_elsewhere_of_the_same_name_is_another(makers, tmp_path):
    other = tmp_path / "other" / "01-zero" / "model"
    assert told(tmp_path, makers, f"model={other}") == [("model", str(other), None), ("task", "quadratics", None)]


def test_each_task_of_a_mixture_is_an_origin_of_its_own(makers, tmp_path):
    words = ('task.mixture=["quadratics", "stage:chains"]', f'task."chains:place"="{tmp_path}"')
    assert [(setting, source) for setting, source, _ in told(tmp_path, makers, *words)] == [
        ("model", "nano"),
        ("task", "quadratics"),
        ("task", "chains"),
    ]


def test_where_no_stages_are_known_data_are_named_by_their_place(makers, tmp_path):
    place = makers["chains"] / "data"
    words = (*SFT, 'sft.tasks=["stage:chains"]', f'task."chains:place"="{place}"')
    assert told(tmp_path, {}, *words)[1:] == [("sft.tasks", str(place), data_version(place))]


def test_of_a_model_whose_weights_are_drawn_anew_the_architecture_is_taken(makers, tmp_path):
    words = ("stage=sft", "sft.from_scratch=true")
    assert told(makers["zero"], makers, *words)[0] == ("model", "architecture of nano", None)
    assert told(tmp_path, makers, *words, "model=stage:zero")[0] == ("model", "architecture of zero", None)

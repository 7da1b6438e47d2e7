import hashlib
import json
from pathlib import Path

import pytest

from groupthink.model.place import NANO
from groupthink.run.versions import data_version, version_of, weights_version


@pytest.fixture
def run(tmp_path) -> Path:
    """With two sealed checkpoints."""
    for step, digits in ((0, "a"), (40, "b")):
        files = {"model.safetensors": {"sha256": digits * 64}, "optimizer.safetensors": {"sha256": "c" * 64}}
        seal(tmp_path, step, files)
    return tmp_path


def seal(run: Path, step: int, files: dict) -> None:
    folder = run / "checkpoints" / f"step-{step:06d}"
    folder.mkdir(parents=True)
    (folder / "complete.json").write_text(json.dumps({"files": files}))


def test_a_run_has_the_version_of_its_newest_checkpoint(run, tmp_path):
    assert weights_version(run) == "b" * 12 and weights_version(run, newest=False) == "a" * 12
    assert weights_version(tmp_path / "none") is None


def test_a_model_in_several_files_has_one_version_wherever_it_is_read(run, tmp_path):
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for name in (*names, "optimizer.safetensors"):
        (tmp_path / name).write_text(name)
    digits = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    seal(run, 80, {name: {"sha256": text} for name, text in digits.items()})
    whole = hashlib.sha256("".join(digits.values()).encode()).hexdigest()[:12]
    assert weights_version(run) == version_of(tmp_path.glob("*.safetensors")) == whole
    assert version_of([]) is None


def test_of_one_file_it_is_what_sha256sum_says():
    file = NANO / "model.safetensors"
    assert version_of([file]) == hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def test_data_have_one_too(tmp_path):
    assert data_version(tmp_path) is None
    (tmp_path / "train.parquet").write_bytes(b"rows")
    assert data_version(tmp_path) == hashlib.sha256(b"rows").hexdigest()[:12]

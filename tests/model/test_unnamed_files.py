"""Files without a name: other processes map them, and nothing is left of them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from groupthink.model import unnamed_files
from groupthink.model.shared_tensors import SharedTensors
from groupthink.model.unnamed_files import UnnamedFiles

LIKE = {"a": torch.zeros(3, 5), "b": torch.zeros(7)}
LINUX = sys.platform == "linux"


@pytest.fixture(params=[pytest.param("as here", id="as here"), pytest.param("nowhere", id="without /proc")])
def temporary(request, tmp_path, monkeypatch):
    """The folder for temporary files. Without /proc files have names in it while they are open."""
    if request.param == "nowhere":
        monkeypatch.setattr(unnamed_files, "PROCESSES", tmp_path / "nowhere")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write_elsewhere(path):
    """As another process does that is given a path alone."""
    writing = "import sys\nwith open(sys.argv[1], 'r+b') as file:\n    file.write(b'\\0\\0\\x80\\x3f')  # 1.0"
    subprocess.run([sys.executable, "-IS", "-c", writing, path], check=True)


def test_what_another_process_writes_is_seen_and_what_is_mapped_stays(temporary):
    files = UnnamedFiles()
    path = files.path("weights")
    first, second = SharedTensors(path, LIKE), SharedTensors(path, LIKE)
    assert path == files.path("weights") and path != files.path("others")
    write_elsewhere(path)
    files.close()
    assert not path.exists()
    assert first.tensors["a"][0, 0] == second.tensors["a"][0, 0] == 1.0
    first.tensors["b"][6] = 2.0
    assert second.tensors["b"][6] == 2.0
    files.close()
    assert not any(temporary.iterdir())


@pytest.mark.skipif(not LINUX, reason="elsewhere they have names")
def test_they_have_no_names(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = UnnamedFiles()
    SharedTensors(files.path("weights"), LIKE).write({name: torch.ones_like(its) for name, its in LIKE.items()})
    assert not any(tmp_path.iterdir())
    assert Path(files.path("weights")).stat().st_size >= 4 * (15 + 7)
    files.close()

"""The worked example for its page: computed once, and then kept for as long as nothing changes that it depends on."""

import json

import pytest

from groupthink.web import seed


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A stand-in for what computes the example: its calls."""
    calls = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(seed, "_computed", lambda: calls.append(1) or {"kl": 0.1 + 0.2, "held": [1e-9]})
    return calls


def test_another_server_finds_the_very_figures(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = seed.work_through()
    assert first["rewards"] == [1.0, 0.8, 0.2] and len(first["responses"]) == 3
    assert (first["responses"][2]["reasoning"], first["responses"][2]["answer"]) == ("", "x=-8, x=-2")
    monkeypatch.setattr(seed, "_computed", lambda: pytest.fail("it is there"))
    assert seed.work_through() == first == json.loads(json.dumps(first))


def test_it_is_computed_anew_where_what_it_depends_on_has_changed(counted, monkeypatch, tmp_path):
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(seed, "PACKAGE", tmp_path / "package")
    weights = tmp_path / "package" / "model.safetensors"
    for calls, what in enumerate((b"one", b"two"), start=1):
        weights.write_bytes(what)
        for _ in range(2):
            assert seed.work_through() == {"kl": 0.1 + 0.2, "held": [1e-9]} and len(counted) == calls
    weights.write_bytes(b"one")
    seed.work_through()
    monkeypatch.setattr(seed, "version", lambda package: "another")
    seed.work_through()
    assert len(counted) == 3


def test_what_cannot_be_read_or_kept_is_computed(counted, monkeypatch, tmp_path):
    seed.work_through()
    (file,) = (tmp_path / "cache").rglob("seed-*")
    file.write_text('{"kl": 0.')
    assert seed.work_through()["kl"] == 0.1 + 0.2 and len(counted) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # which is no folder
    assert seed.work_through()["kl"] == 0.1 + 0.2 and len(counted) == 3

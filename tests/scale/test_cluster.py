"""What is decided about a cluster of Ray before any is begun or joined, and what is said where that fails."""

import os
from types import SimpleNamespace

import pytest

from groupthink.scale import cluster
from groupthink.scale.settings import ScaleSettings


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    return tmp_path


def test_a_token_that_is_here_is_shown_and_a_mode_that_is_said_stands(home, monkeypatch):
    cluster._use_token()
    assert "RAY_AUTH_MODE" not in os.environ
    (home / ".ray").mkdir()
    (home / ".ray/auth_token").write_text("secret")
    cluster._use_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    cluster._use_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            "Version mismatch: The cluster was started with:\n    Ray: 2.1\n    Python: 3.9\nThis process: 2.60",
            r"other versions than this process: .* Ray: 2\.1 Python: 3\.9 .* the same Ray and the same Python",
        ),
        ("RPC error: InvalidAuthToken: Authentication token is missing", "asks for a token: set RAY_AUTH_MODE=token"),
        (
            "Failed to connect to Ray cluster",
            r"there is no cluster .*\(Failed to connect .* or it asks for another token",
        ),
    ],
)
def test_why_a_cluster_cannot_be_joined_is_said(raised, said):
    def init(**words):
        raise RuntimeError(raised)

    with pytest.raises(ValueError, match=said):
        cluster._join(SimpleNamespace(init=init), "auto", {})


def test_a_package_that_is_missing_is_named_before_anything_is_begun(monkeypatch):
    cluster.require_installed(ScaleSettings())
    cluster.require_installed(ScaleSettings(engines=1))
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises((ValueError, ImportError), match="ray"):
        cluster.require_installed(ScaleSettings(engines=1))
    cluster.require_installed(ScaleSettings())

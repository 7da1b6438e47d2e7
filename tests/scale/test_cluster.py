"""What is decided about a cluster of Ray before any is begun or joined, and what is said where that fails."""

from types import SimpleNamespace

import pytest

from groupthink.scale import cluster
from groupthink.scale.settings import ScaleSettings


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
            r"there is no cluster .*\(Failed to connect .* or it asks for a token",
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

"""A real cluster of Ray on this machine, one for all files. Each test that passes counts."""

import os
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster as Nodes

from groupthink.scale.cluster import Cluster
from groupthink.scale.settings import ScaleSettings
from tests_peers.ray.warm import warm_workers

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

RECIPE = """\
stage = "grpo"
steps = 3
seed = 5
checkpoint_every = 3

[task]
problems_per_step = 4

[rollout]
group_size = 4
max_tokens = 60
processes = 1

[policy]
learning_rate = 1e-3
processes = 1
threads = 1

[evaluate]
problems = 3
samples = 2
base_samples = 2
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield
    item.funcargs["count"][f"ray {version('ray')}"] += 1  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def counted(count: Counter[str]) -> None:
    """Every test is one case."""


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A machine of four cores, in words; others may be added. It is this one, all of them."""
    with warm_workers(tmp_path_factory.mktemp("workers")) as warm:
        its = Nodes(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False, **warm})
        yield its
        its.shutdown()


@pytest.fixture(scope="session")
def cluster(nodes: Nodes) -> Iterator[Cluster]:
    """Joined; a recipe finds this process on it already."""
    its = Cluster(ScaleSettings(engines=2, address=nodes.address))
    yield its
    its.close()


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("place") / "grpo.toml"
    path.write_text(RECIPE)
    return path

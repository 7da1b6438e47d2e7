"""A cluster that is looked at from outside, as `groupthink check` does."""

import pytest
from ray.cluster_utils import Cluster as Nodes

from groupthink.scale.look import look_at
from groupthink.scale.settings import ScaleSettings


def test_machines_are_seen_with_what_they_have(nodes: Nodes):
    found = look_at(ScaleSettings(engines=1, address=nodes.address))
    assert len(found) >= 1 and found[0].cores == 4 and 0 <= found[0].cpus <= 4 and found[0].gpus == 0
    assert found[0].memory and found[0].memory > 1e8


def test_where_there_is_none_it_is_said():
    with pytest.raises(
        ValueError, match=r"there is no cluster of Ray at scale.address='127.0.0.1:9'.*ray start --head"
    ):
        look_at(ScaleSettings(engines=1, address="127.0.0.1:9"))

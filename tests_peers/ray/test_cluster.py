"""Machines that come and go, room that is not there, and a cluster that is started for a run and ended with it."""

import os
import subprocess
import sys

import pytest

from groupthink.model.loading import load_model
from groupthink.rollout.engine import EngineFailed
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale.cluster import Cluster, NoPlace, Place
from groupthink.scale.engines import RayEngines
from groupthink.scale.settings import ScaleSettings
from tests_peers.ray.test_engines import MANY, TOKENIZER, bits, drawn, opened, plain, until

ALONE = """
import os, signal, sys
from groupthink.scale.cluster import open_cluster
from groupthink.scale.settings import ScaleSettings
with open_cluster(ScaleSettings()) as none:
    assert none is None and "ray" not in sys.modules
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open_cluster(ScaleSettings(engines=3)) as cluster:
    assert cluster.ray.cluster_resources()["CPU"] >= 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
assert not cluster.ray.is_initialized()
try:
    type(cluster)(ScaleSettings(engines=1, address="127.0.0.1:9"))
except ValueError as error:
    print(error)
"""


def test_what_is_missing_is_said_within_the_bound(cluster):
    wanted = [{"CPU": 1.0, "GPU": 1.0}] * 2
    with pytest.raises(NoPlace, match=r"no room for 2 engines within 1 s: 2 GPU are asked for, and the cluster has 0"):
        cluster.reserve(wanted, "2 engines", seconds=1)
    cluster.leave(cluster.reserve([{"CPU": 4.0}], "one"))  # nothing is kept of what was refused


class Seeing:
    def gpus(self):
        return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_what_has_asked_for_no_gpu_sees_none(cluster):
    [place] = cluster.reserve([{"CPU": 1.0, "GPU": 0.0}], "one")
    see = cluster.ray.remote(Seeing).options(**place.options()).remote()
    assert cluster.ray.get(see.gpus.remote(), timeout=60) == ""
    cluster.ray.kill(see)
    cluster.leave([place])
    its = Place(place.group, 0, {"GPU": 1.0}).options()["runtime_env"]["env_vars"]
    assert "CUDA_VISIBLE_DEVICES" not in its


def test_those_whom_a_run_may_begin_without_take_no_place_of_those_it_needs(nodes):
    own = Cluster(ScaleSettings(engines=4, least_engines=1, address=nodes.address))
    engines = RayEngines(load_model("nano"), TOKENIZER, RolloutSettings(patience=15), VllmSettings(), own)
    try:
        engines.submit(*MANY[0]).start()
        places = own.reserve([{"CPU": 3.0}], "those that learn", seconds=20)
        engines.invite()
        until(lambda: len(engines.crew.members) == 4)
        until(lambda: len(engines.able()) == 1)
        own.reclaim(places, "those that learn")  # they are held, whoever else waits
        own.leave(places)
        until(lambda: len(engines.able()) == 4)
    finally:
        engines.close()


def test_the_work_of_a_machine_that_dies_is_done_by_others_and_one_that_joins_is_used(nodes, cluster):
    expected = bits(drawn(plain(), MANY))
    own = Cluster(ScaleSettings(engines=2, least_engines=1, engine_cpus=4, address=nodes.address))
    engines = opened(own, patience=15)  # there is room for one
    try:
        assert bits(drawn(engines, MANY)) == expected and len(engines.crew.ready()) == 1
        added = nodes.add_node(num_cpus=4)
        until(lambda: len(engines.able()) == 2)
        handles = [engines.submit(*request) for request in MANY]
        handles[-1].start()
        until(lambda: engines.queue.of(engines.crew.ready()[-1].number))
        nodes.remove_node(added, allow_graceful=False)
        assert bits([handle.result() for handle in handles]) == expected
        until(lambda: len(engines.restarts) == 1)
        assert "engine 2" in engines.restarts[0] and len(engines.crew.ready()) == 1
    finally:
        engines.close()


def test_where_nobody_is_left_the_engines_give_up_and_say_whom_they_lost(cluster):
    own = Cluster(ScaleSettings(engines=1, failures=2, address=cluster.settings.address))
    engines = opened(own, patience=15)
    try:
        until(lambda: engines.crew.ready())
        for _ in range(2):
            until(lambda: engines.failed or engines.crew.ready())
            cluster.ray.kill(engines.crew.members[0].actor)
            told = len(engines.restarts) + 1
            until(lambda told=told: len(engines.restarts) == told)
        with pytest.raises(EngineFailed, match=r"(?s)failed 2 times in a row.* 1\. engine 1 \(process \d+ on .*died"):
            drawn(engines, MANY[:1])
    finally:
        engines.close()


def test_a_cluster_is_started_and_ended_and_nothing_is_imported_where_nobody_asks():
    ran = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    assert "there is no cluster of Ray at scale.address='127.0.0.1:9'" in ran.stdout

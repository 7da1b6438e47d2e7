"""What machines a running cluster has, without anything being begun on it.

Another process joins, looks and leaves, for Ray may wait for long where nobody answers, and keeps what it is told.
"""

import json
import os
import socket
import subprocess
import sys

from groupthink.insight.plan.cluster.machines import Node, node_of
from groupthink.scale.settings import ScaleSettings

PATIENCE = 60.0
"""Seconds for joining: of those Ray takes some to begin, and a cluster that is far answers within a few."""

KNOCK = 10.0
"""Seconds for a machine to say that something listens there."""

CODE = """\
import json, sys
from groupthink.scale.cluster import Cluster
from groupthink.scale.settings import ScaleSettings
try:
    ray = Cluster(ScaleSettings(engines=1, address=sys.argv[1])).ray
except (ValueError, ImportError) as error:
    sys.exit(f"refused: {error}")
nodes = [node for node in ray.nodes() if node["Alive"]]
free = ray._private.state.available_resources_per_node()
print(json.dumps([[node["NodeManagerHostname"], node["Resources"], free.get(node["NodeID"], {})] for node in nodes]))
"""


def look_at(settings: ScaleSettings, patience: float = PATIENCE) -> tuple[Node, ...]:
    """The machines of the cluster at `settings.address`, with what of them is free.

    Raises ValueError where there is none, or where it does not answer within `patience` seconds.
    """
    _require_listener(settings.address)
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    try:
        said = subprocess.run(
            [sys.executable, "-c", CODE, settings.address],
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"the cluster at scale.address={settings.address!r} did not answer within {patience:g} s: is it running "
            "(`ray status`), and does a firewall let this machine reach it?"
        ) from None
    if said.returncode:
        last = (said.stderr.strip() or "nothing was said").splitlines()[-1]
        raise ValueError(last.removeprefix("refused: "))
    found = json.loads(said.stdout.strip().splitlines()[-1])
    return tuple(node_of(name, resources, free) for name, resources, free in found)


def _require_listener(address: str) -> None:
    """Raise ValueError where an address has a port at which nobody answers: Ray tries it for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK).close()
    except OSError as error:
        raise ValueError(
            f"there is no cluster of Ray at scale.address={address!r} ({error}): start one with `ray start --head`, on "
            "other machines with `ray start --address=...`"
        ) from error

"""A cluster of Ray: joined where there is one, started where there is none, and places on it."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from groupthink.extras import need
from groupthink.scale.direct import require_nixl
from groupthink.scale.settings import ScaleSettings

Bundle = Mapping[str, float]
"""What one actor takes of one machine: {"CPU": 4, "GPU": 1}."""


ANSWER = 20.0
"""Seconds in which a cluster that is named must answer."""


class NoPlace(RuntimeError):
    """The cluster has no room for what was asked for."""


ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
"""Of an actor's process. Ray has an actor work in a thread beside its main one, and what glibc keeps for such a thread
it hands back to the system as soon as it is free: `model/allocator.py` says what that costs a learner."""


NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
"""Of one that has asked for none: Ray hides those of others from those alone who have some of their own."""


@dataclass(frozen=True, slots=True)
class Place:
    """A part of one machine that is kept for an actor."""

    group: Any  # Ray's placement group
    index: int
    bundle: Bundle

    def options(self) -> dict[str, Any]:
        """For `.options(...)` of an actor that is to work there."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        gpus = self.bundle.get("GPU", 0)
        return {
            "num_cpus": self.bundle.get("CPU", 0),
            "num_gpus": gpus,
            "runtime_env": {"env_vars": ENVIRONMENT if gpus else {**ENVIRONMENT, **NO_GPU}},
            "scheduling_strategy": PlacementGroupSchedulingStrategy(
                self.group, placement_group_bundle_index=self.index
            ),
        }


class Cluster:
    """Joined at `settings.address`, or started on this machine; `close` ends one that was started here.

    Where this process has joined a cluster already, it is that one, and stays. A local one has as many cores as are
    asked for, whatever the machine has: they are words in a ledger.
    """

    def __init__(self, settings: ScaleSettings):
        self.settings = settings
        ray = self.ray = need("ray", "[scale]", "scale")
        if settings.transport == "nixl":
            require_nixl()
        self.own = not ray.is_initialized()
        if not self.own:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        with _signals_kept():
            if settings.address:
                tell(f"joins the cluster of Ray at {settings.address}")
                _join(ray, settings.address, quiet)
            else:
                tell("begins a cluster of Ray on this machine")
                cores = max(os.cpu_count() or 1, int(settings.cpus + 0.999))
                ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        if idle := settings.without_gpus(ray.cluster_resources().get("GPU", 0)):
            tell(idle)

    def reserve(self, bundles: Sequence[Bundle], whom: str, seconds: float | None = None) -> list[Place]:
        """A place for each bundle, together, within `seconds` (None: `scale.patience`).

        `whom`: who is to work there, for errors. Raises NoPlace with what is missing.
        """
        seconds = self.settings.patience if seconds is None else seconds
        group = self._ask(bundles)
        if not group.wait(seconds):
            self.ray.util.remove_placement_group(group)
            raise NoPlace(f"there was no room for {whom} within {seconds:g} s: {self.missing(bundles)}")
        return [Place(group, index, bundle) for index, bundle in enumerate(bundles)]

    def reclaim(self, places: Sequence[Place], whom: str) -> None:
        """Wait until places that were reserved are there (again): one may have been on a machine that is lost.

        Raises NoPlace as `reserve` does; the places are given back then.
        """
        if not places[0].group.wait(self.settings.patience):
            self.leave(places)
            missing = self.missing([place.bundle for place in places])
            raise NoPlace(f"there was no room for {whom} within {self.settings.patience:g} s: {missing}")

    def expect(self, bundles: Sequence[Bundle]) -> list[Place]:
        """A place for each bundle, whenever there is room for that one."""
        return [Place(self._ask([bundle]), 0, bundle) for bundle in bundles]

    def _ask(self, bundles: Sequence[Bundle]) -> Any:
        held = [{kind: amount for kind, amount in bundle.items() if amount} for bundle in bundles]
        return self.ray.util.placement_group(
            [bundle or {"CPU": 0.001} for bundle in held], strategy=self.settings.placement.upper()
        )

    def leave(self, places: Sequence[Place]) -> None:
        """Give places back."""
        for group in {place.group.id: place.group for place in places}.values():
            self.ray.util.remove_placement_group(group)

    def missing(self, bundles: Sequence[Bundle]) -> str:
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return shortage(bundles, nodes, self.ray.available_resources())

    def close(self) -> None:
        if self.own and self.ray.is_initialized():
            with _signals_kept():
                self.ray.shutdown()


def require_installed(settings: ScaleSettings) -> None:
    """Raise ValueError where a package is missing that `settings` need: nothing is begun for that."""
    if settings.wanted and find_spec("ray") is None:
        need("ray", "[scale]", "scale")
    if settings.transport == "nixl":
        require_nixl()


@contextmanager
def open_cluster(settings: ScaleSettings) -> Iterator[Cluster | None]:
    """The cluster that a recipe asks for, or None where it asks for none: then nothing is imported or started."""
    if not settings.wanted:
        yield None
        return
    cluster = Cluster(settings)
    try:
        yield cluster
    finally:
        cluster.close()


def shortage(bundles: Sequence[Bundle], nodes: Sequence[Bundle], free: Bundle) -> str:
    """What a cluster lacks, in words, and what to do.

    >>> shortage([{"GPU": 1}] * 4, [{"CPU": 8, "GPU": 2}], {"CPU": 8})
    '4 GPU are asked for, and the cluster has 2 in all, of which 0 are free: add machines, or ask for less in [scale]'
    """
    lacks = []
    for kind in sorted({kind for bundle in bundles for kind in bundle}):
        asked, most = sum(bundle.get(kind, 0) for bundle in bundles), max(bundle.get(kind, 0) for bundle in bundles)
        there, largest = sum(node.get(kind, 0) for node in nodes), max((node.get(kind, 0) for node in nodes), default=0)
        if asked > free.get(kind, 0):
            lacks.append(
                f"{asked:g} {kind} are asked for, and the cluster has {there:g} in all, of which "
                f"{free.get(kind, 0):g} are free"
            )
        elif most > largest:
            lacks.append(f"one part takes {most:g} {kind}, and no machine has more than {largest:g}")
    found = "; ".join(lacks) or "no machine has all that one part takes"
    return f"{found}: add machines, or ask for less in [scale]"


def _join(ray: Any, address: str, quiet: Mapping[str, Any]) -> None:
    try:
        _knock(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        if "InvalidAuthToken" in str(error):
            raise ValueError(
                f"the cluster of Ray at scale.address={address!r} asks for a token: set RAY_AUTH_MODE=token, and give "
                "the token that its machines have, in ~/.ray/auth_token or as RAY_AUTH_TOKEN"
            ) from error
        if "Version mismatch" in str(error):
            raise ValueError(
                f"the cluster of Ray at scale.address={address!r} has other versions than this process: "
                f"{' '.join(str(error).split())}. Have the same Ray and the same Python on all machines"
            ) from error
        raise ValueError(
            f"there is no cluster of Ray at scale.address={address!r} ({_first_line(error)}), or it asks for a "
            "token (set RAY_AUTH_MODE=token, and have the one of its machines in ~/.ray/auth_token or RAY_AUTH_TOKEN): "
            "start one with `ray start --head`, on other machines with `ray start --address=...`, or "
            'set scale.address=""'
        ) from error


def tell(text: str) -> None:
    """Say on stderr what is waited for: processes on a cluster take long to begin."""
    print(f"groupthink: {text}", file=sys.stderr, flush=True)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at host:port. (Ray itself would try for minutes.)"""
    host, colon, port = address.rpartition(":")
    if colon and host and port.isdecimal():
        with socket.create_connection((host.removeprefix("ray://").strip("[]"), int(port)), timeout=ANSWER):
            pass


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts its own handler in the place of a run's, which ends well when it is told to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)

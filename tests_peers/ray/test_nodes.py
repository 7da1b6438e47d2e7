"""Two machines in network namespaces, each with an address of its own, one of which is cut off in the midst of a run.

Real Ray nodes and a real run, in processes of their own; the cable between them is pulled. Needs root and iproute2.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from groupthink.run.metrics import read_metrics
from tests.stage.conftest import weights


def _can_separate() -> bool:
    """Whether this process may make network namespaces."""
    probe = "groupthink-probe"
    if not shutil.which("ip") or subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return False
    return not subprocess.run(["ip", "netns", "del", probe], capture_output=True).returncode


pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not _can_separate(), reason="network namespaces need root and `ip` (iproute2)"),
]

HEAD, OTHER = "10.213.0.1", "10.213.0.2"
SETTINGS = {  # a machine that is lost is noticed within seconds, in place of half a minute
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
}
STEPS = 8


class Machines:
    """Two, joined by a cable."""

    def __init__(self, folder: Path):
        self.folder, self.spaces, self.nodes = folder, ("groupthink-a", "groupthink-b"), list[subprocess.Popen]()
        self.clear()
        for space, name, address in zip(self.spaces, ("gt-a", "gt-b"), (HEAD, OTHER), strict=True):
            run("ip", "netns", "add", space)
            if name == "gt-a":
                run("ip", "link", "add", "gt-a", "type", "veth", "peer", "name", "gt-b")
            run("ip", "link", "set", name, "netns", space)
            run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", name)
            for device in ("lo", name):
                run("ip", "-n", space, "link", "set", device, "up")

    def begin(self, place: int, *words: str) -> subprocess.Popen:
        """A process on one of them."""
        inside = ["ip", "netns", "exec", self.spaces[place]]
        log = (self.folder / f"{place}-{len(self.nodes)}.log").open("w")
        process = subprocess.Popen([*inside, *words], stdout=log, stderr=log, env=os.environ | SETTINGS)
        self.nodes.append(process)
        return process

    def start_ray(self, cpus: tuple[int, int]) -> str:
        """A node of Ray on each; where the first one is."""
        ray = str(Path(sys.executable).with_name("ray"))
        quiet = ("--block", "--disable-usage-stats", "--include-dashboard=false")
        address = f"{HEAD}:6379"
        self.begin(
            0, ray, "start", "--head", "--port=6379", f"--node-ip-address={HEAD}", f"--num-cpus={cpus[0]}", *quiet
        )
        knock = ["ip", "netns", "exec", self.spaces[0], "bash", "-c", f"</dev/tcp/{HEAD}/6379"]
        until(lambda: subprocess.run(knock, capture_output=True).returncode == 0)
        more = (f"--address={address}", f"--node-ip-address={OTHER}", f"--num-cpus={cpus[1]}")
        self.begin(1, ray, "start", *more, "--block", "--disable-usage-stats")
        return address

    def cut(self) -> None:
        run("ip", "-n", self.spaces[1], "link", "set", "gt-b", "down")

    def clear(self) -> None:
        for node in self.nodes:
            node.terminate()
        for space in self.spaces:
            found = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True).stdout
            for process in map(int, found.split()):
                with suppress(ProcessLookupError):
                    os.kill(process, 9)
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    its = Machines(tmp_path)
    yield its
    its.clear()


def cut_off(machines: Machines, recipe: Path, place: Path, *words: str) -> Path:
    """A run on the first machine, whose second one is cut off after two steps."""
    command = [sys.executable, "-m", "groupthink.cli", "train", str(recipe), "--run", str(place)]
    driver = machines.begin(0, *command, f"steps={STEPS}", *words)
    metrics = place / "metrics.jsonl"
    until(lambda: driver.poll() is not None or (metrics.exists() and len(read_metrics(metrics)) >= 2))
    assert driver.poll() is None, told(machines)
    machines.cut()
    until(lambda: driver.poll() is not None)
    assert driver.returncode == 0, told(machines)
    assert [line["step"] for line in read_metrics(metrics)] == list(range(STEPS))
    return place


def until(what, seconds: float = 400.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)


def told(machines: Machines) -> str:
    return "\n".join(log.read_text()[-1500:] for log in sorted(machines.folder.glob("*.log")))


def restarts(place: Path) -> list[str]:
    return [
        event["reason"]
        for event in map(json.loads, (place / "events.jsonl").read_text().splitlines())
        if event["event"] == "restarted"
    ]


def test_a_run_goes_on_without_the_machine_of_an_engine(machines, recipe, tmp_path):
    """To the bits that it would have come to."""
    address = machines.start_ray(cpus=(1, 1))
    words = ("policy.schedule=constant",)
    far = cut_off(machines, recipe, tmp_path / "far", *words, "scale.engines=2", f"scale.address={address}")
    local = tmp_path / "local"
    command = [sys.executable, "-m", "groupthink.cli", "train", str(recipe), "--run", str(local), f"steps={STEPS}"]
    subprocess.run([*command, *words], check=True, capture_output=True)
    assert weights(far) == weights(local)
    assert json.loads((far / "evaluations/after.json").read_text()) == json.loads(
        (local / "evaluations/after.json").read_text()
    )


def test_learners_are_brought_back_where_the_machine_of_one_is_cut_off(machines, recipe, tmp_path):
    address = machines.start_ray(cpus=(2, 1))
    place = cut_off(
        machines, recipe, tmp_path / "run", "scale.learners=2", f"scale.address={address}", "scale.patience=60"
    )
    assert any("learner" in reason for reason in restarts(place))

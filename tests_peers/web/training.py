"""A real run whose pace a test sets: nano learns a few problems, and a reward of its recipe waits for leave."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME, STEPS = "learning", 40

RECIPE = """\
stage = "grpo"
model = "nano"
steps = {steps}
seed = 7
checkpoint_every = 10

[task]
problems_per_step = 4
pool = 6

[rollout]
group_size = 4
max_tokens = 100
processes = 1

[reward]
"{folder}/rewards.py:ends" = 0.1

[policy]
processes = 1
threads = 1
traced_groups = 3

[evaluate]
problems = 6
samples = 2
base_samples = 2
every = 10
"""

REWARDS = '''\
"""A step's rewards wait until `allowed` says so: as many steps as stand there may be done."""

import time
from pathlib import Path

HERE = Path(__file__).parent
METRICS = HERE / "runs" / {name!r} / "metrics.jsonl"


def ends(group):
    while done() >= int((HERE / "allowed").read_text()):
        time.sleep(0.02)
    return [float(response.finish == "stop") for response in group.responses]


def done():
    return METRICS.read_bytes().count(b"\\n") if METRICS.exists() else 0
'''


class Training:
    """`groupthink train` in a process of its own, in `folder`; its run is `runs/learning` there."""

    def __init__(self, folder: Path, steps: int = STEPS):
        self.folder, self.steps = folder, steps
        self.run = folder / "runs" / NAME
        self.run.parent.mkdir(parents=True)
        self._allowed = 0
        self._allow(1)
        (folder / "rewards.py").write_text(REWARDS.format(name=NAME))
        (folder / "recipe.toml").write_text(RECIPE.format(folder=folder.as_posix(), steps=steps))
        self._log = (folder / "log.txt").open("w+")
        command = [sys.executable, "-m", "groupthink.cli", "train", folder / "recipe.toml", "--run", self.run]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=self._log, env=environment(folder))

    @property
    def done(self) -> int:
        """Steps that are written."""
        file = self.run / "metrics.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def go_on(self, steps: int = 1, wait: bool = True) -> int:
        """Let it do so many steps more, at most all; how many are done then."""
        self._allow(min(max(self._allowed, self.done) + steps, self.steps))
        if wait:
            self._until(lambda: self.done >= self._allowed)
        return self.done

    def finish(self) -> None:
        """Let it come to its end, and be at hand when it has."""
        self._allow(self.steps)
        self._until(lambda: self.process.poll() is not None, 240)
        assert self.process.returncode == 0, self.said()

    def end(self) -> None:
        """Whatever it is at."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def said(self) -> str:
        """What it wrote on the terminal."""
        return (self.folder / "log.txt").read_text()

    def _allow(self, steps: int) -> None:
        self._allowed = steps
        (self.folder / "allowed.new").write_text(str(steps))
        (self.folder / "allowed.new").replace(self.folder / "allowed")  # never read half-written

    def _until(self, true, seconds: float = 60.0) -> None:
        begun = time.monotonic()
        while not true():
            assert self.process.poll() in (None, 0), self.said()
            assert time.monotonic() - begun < seconds, f"{self.done} steps are done.\n{self.said()}"
            time.sleep(0.05)


def environment(folder: Path) -> dict[str, str]:
    """That of a process of groupthink's: without the user's own cache, with one thread."""
    return os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

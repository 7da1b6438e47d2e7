"""A run that takes a step when it is told to: what `scale.py` starts.

    python bench/scale_run.py FOLDER [key=value ...]

Each line on stdin lets it take one more step; after each a line of JSON follows: the step's seconds, and its metrics.
"""

import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groupthink import stage
from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.terminal import PlainView


class Gate(PlainView):
    """Holds the run before each step, until it may go on."""

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        super().evaluated(name, figures)
        if name == "before":
            say({"ready": True})
            self._wait()

    def stepped(self, metrics: Mapping[str, float]) -> None:
        say({"seconds": time.perf_counter() - self._began, **metrics})
        self._wait()

    def _wait(self) -> None:
        if not sys.stdin.readline():  # who asked is gone
            sys.exit()
        self._began = time.perf_counter()


def say(what: Mapping[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # through all that is open
    with Run.create(Path(sys.argv[1]), load_recipe(overrides=sys.argv[2:])) as run:
        stage.train(run, Gate(sys.stderr))

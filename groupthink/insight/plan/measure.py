"""What a step takes on this machine: measured for a few seconds, in a process that then gives all its memory back."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from groupthink.insight.plan.shape import ModelShape, read_shape
from groupthink.model.loading import weights_here
from groupthink.recipe import Recipe, dump_recipe

WHOLE = {"cpu": 300_000_000, "mps": 1_000_000_000, "cuda": 4_000_000_000}
"""Parameters, up to which a model is measured as it is: it is read in a few seconds, and a step's worth of it too."""

DEPTHS = (1, 3)
"""Layers of the models by which a larger one is measured."""

CODE = """\
import sys, time
began = time.perf_counter()
from groupthink.insight.plan.rehearsal.rehearse import main
main(sys.argv[1:], began)
"""
"""What the process runs. Not as a module: its own workers would import that first."""

PATIENCE = 600.0
"""Seconds after which a measurement is given up."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Seconds are those of a whole step, reckoned from what was measured by counts of operations."""

    seconds: dict[str, float]  # of a step, by phase
    response_seconds: float  # of a response in an evaluation, drawn and judged
    start_seconds: float  # from the start of the process until all is open
    worth: int  # processes that draw fastest
    prompt: float  # tokens, on average
    response: float  # tokens, on average; where nothing is known, as many as they may be
    seen: bool  # whether the model's own responses were looked at
    notes: tuple[str, ...]
    code: int  # bytes of libraries, mapped
    data: int  # bytes of their data, without a model
    update: float = 0.0  # of the seconds to learn, those that do not depend on how much is learned from
    lengths: tuple[int, ...] = ()  # tokens of responses that were drawn to their end
    drawing: tuple[float, float, float] | None = None  # of an engine of several: see `plan.cluster.rates.Drawing`


def measure(recipe: Recipe, shape: ModelShape, device: str, *, fits: bool) -> Rehearsal:
    """Rehearse a step in a process of its own. Raises RuntimeError, with what that process said last, where it fails.

    The model itself is asked where it fits, is no larger than WHOLE, and its weights are on this machine; else models
    of the same shape with fewer layers and random weights.
    """
    whole = fits and shape.parameters <= WHOLE[device] and bool(weights_here(recipe.model))
    if whole and recipe.stage == "distill":
        teacher = recipe.distill.teacher
        size = read_shape(teacher, recipe.trust_remote_code).parameters
        whole = size <= WHOLE[device] and bool(weights_here(teacher))
    depths = (0,) if whole else tuple(min(depth, shape.layers) for depth in DEPTHS)
    if len(set(depths)) == 1:
        depths = depths[:1]
    with TemporaryDirectory(prefix="groupthink-") as folder:
        file = Path(folder) / "recipe.toml"
        file.write_text(dump_recipe(recipe), encoding="utf-8")
        command = [sys.executable, "-c", CODE, str(file), *map(str, depths)]
        # What can be imported here can be there, the user's modules among it.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environment = {**os.environ, "PYTHONPATH": paths}
        try:
            said = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"measuring was given up after {PATIENCE:.0f} seconds") from None
    if said.returncode:
        last = (said.stderr.strip() or f"it ended with code {said.returncode}").splitlines()[-1]
        raise RuntimeError(f"measuring failed: {last}")
    found = json.loads(said.stdout.splitlines()[-1])
    drawing = found["drawing"] and tuple(found["drawing"])
    return Rehearsal(
        **{**found, "notes": tuple(found["notes"]), "lengths": tuple(found["lengths"]), "drawing": drawing}
    )

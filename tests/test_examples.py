import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import Warm, script

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
QUICK = (
    *("steps=1", "rollout.group_size=2", "task.problems_per_step=2", "policy.processes=1", "rollout.processes=1"),
    *("evaluate.problems=2", "evaluate.samples=1", "evaluate.base_samples=1"),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_runs(example, tmp_path):
    if example == EXAMPLES[0]:  # as users begin it
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, str(example), *QUICK], cwd=tmp_path, **pipes)
    else:
        process = Warm(script, example, *QUICK, cwd=tmp_path)
    out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    assert out.splitlines()[-1].strip(), out
    assert (tmp_path / "runs" / "nano" / "model" / "config.json").exists()

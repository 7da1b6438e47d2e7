import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
QUICK = (
    *("steps=1", "rollout.group_size=2", "task.problems_per_step=2", "policy.processes=1", "rollout.processes=1"),
    *("evaluate.problems=2", "evaluate.samples=1", "evaluate.base_samples=1"),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_runs(example, tmp_path):
    command = [sys.executable, str(example), *QUICK]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1].strip(), found.stdout
    assert (tmp_path / "runs" / "nano" / "model" / "config.json").exists()

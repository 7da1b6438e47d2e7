"""Problems from a file. Its columns are found by their names, and a share of its rows is kept to measure by.

python examples/data_set.py [key=value ...]
"""

import json
import sys
import tempfile
from pathlib import Path

import groupthink


def write_problems(path: Path) -> Path:
    """Stands for the file that you have: a problem and its answer on each line."""
    sums = [(left, right) for left in range(-12, 13) for right in range(1, 13)]
    rows = [{"question": f"Compute {left}+{right}", "answer": str(left + right)} for left, right in sums]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        problems = write_problems(Path(folder) / "sums.jsonl")
        trained = groupthink.train(
            model="nano",
            task={"data": str(problems), "verify": "number"},
            steps=20,
            rollout={"max_tokens": 64},
            words=sys.argv[1:],
        )
    print(f"{trained.figures['after']['pass@1']:.0%} of the held-out problems are right")

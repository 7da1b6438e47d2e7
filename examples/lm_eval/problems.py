"""Held-out problems of quadratics as JSON lines, the same that `groupthink eval` asks.

python examples/lm_eval/problems.py 200 > problems.jsonl
"""

import json
import sys

from groupthink.task import open_task

if __name__ == "__main__":
    for problem in open_task("quadratics").held_out(int(sys.argv[1])):
        print(json.dumps({"id": problem.id, "prompt": problem.prompt, "answer": problem.answer}))

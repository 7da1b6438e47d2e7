"""`groupthink view` on a long run: how long each page's data takes, a search, and what memory the server needs.

    python bench/web.py [--json] [--out FILE] [--steps 1000] [--responses 500] [--run DIR]

The run is made up: its responses are of the length of nano's, and more of them say "wait" from step to step. It is made
once where `--run` names a folder. `first`: the first view of something that was not read before; `again`: the median of
views of others of the kind. `first_hit` and `curve`: seconds from the question to the first hit and to the end.
"""

import argparse
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from report import add_report, report
from vs_trl import tell

from groupthink.recipe import dump_recipe, load_recipe
from groupthink.run.lines import replace_lines
from groupthink.run.rollouts import schema

REPOSITORY = Path(__file__).parent.parent
AIMS = {"page": 0.3, "first": 1.0, "first_hit": 1.0, "curve": 10.0, "megabytes": 500}
GROUP = 10
PROBLEMS, NAMED = 5000, range(8)
"""How many problems there are, and some that come up far more often than others."""

PIECES = ["b=-5 c=6\n", "2*3: 3+2=5 yes\n", "1*6: 6+1=7 no\n", "(x-2)(x-3)\n", "D=25-24=1=1*1\n", "(5+1)/2=6/2=3\n"]
SEARCHES = (
    {"text": "wait"}, {"regex": r"\d+\+\d+=\d+ yes"}, {"text": "not there"}, {"preset": "reflection"},
    {"preset": "repetition"}, {"preset": "longest"}, {"preset": "rewarded-wrong"},
)  # fmt: skip


def main() -> None:
    options = read_options()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or Path(folder) / "runs/long"
        if not run.exists():
            tell(f"making {options.steps} steps of {options.responses} responses in {run}")
            make_run(run, options.steps, options.responses)
        with served(run.parent) as (port, process):
            found = measure(port, process, run.name, options.steps)
    found["details"] = {"steps": options.steps, "responses": options.steps * options.responses, "aims": AIMS}
    lines = [f"{what}: first {its['first']:.3f} s, again {its['again']:.3f} s" for what, its in found["pages"].items()]
    lines += [
        f"search {what}: first hit {'none' if its['first_hit'] is None else format(its['first_hit'], '.2f')}, "
        f"curve {its['curve']:.2f} s, {its['hits']} hits"
        for what, its in found["searches"].items()
    ]
    report(found, options, *lines, f"memory: {found['megabytes']:.0f} MB")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--responses", type=int, default=500, help="of each step, in groups of ten")
    parser.add_argument("--run", type=Path, help="where the run is, or is made and kept")
    add_report(parser)
    return parser.parse_args()


def make_run(run: Path, steps: int, responses: int) -> None:
    (run / "rollouts").mkdir(parents=True)
    (run / "recipe.toml").write_text(dump_recipe(load_recipe(overrides=[f"steps={steps}"])))
    (run / "events.jsonl").write_text('{"event": "started", "time": 1000.0}\n')
    draw, metrics = random.Random(0), []
    for step in range(steps):
        rows = [row for _ in range(responses // GROUP) for row in make_group(draw, step / steps)]
        table = pa.Table.from_pylist(rows, schema=schema(["accuracy", "format"]))
        parquet.write_table(table, run / f"rollouts/step-{step:06d}.parquet", compression="zstd")
        lengths = [len(row["token_ids"]) for row in rows]
        figures = {"reward": np.mean([row["reward"] for row in rows]), "completions/mean_length": np.mean(lengths)}
        figures |= {f"figure/{number}": draw.random() for number in range(30)}
        metrics.append({"step": step, **{name: float(value) for name, value in figures.items()}, "time/generate": 1.0})
    replace_lines(run / "metrics.jsonl", metrics)
    (run / "summary.json").write_text(json.dumps({"steps": steps}))


def make_group(draw: random.Random, done: float) -> list[dict[str, Any]]:
    """Responses to one problem, of a policy that has so much of its training behind it."""
    problem = draw.choice(NAMED) if draw.random() < 0.2 else draw.randrange(PROBLEMS)
    rows = []
    for place in range(GROUP):
        pieces = draw.choices(PIECES, k=draw.randint(2, 20))
        if draw.random() < done / 4:
            pieces.insert(draw.randrange(len(pieces)), "wait, ")
        right = draw.random() < 0.3 + 0.6 * done
        text = f"<think>{''.join(pieces)}</think>x={2 if right else 7}, x=3"
        tokens = list(text.encode())
        # Figures of a few different values, as bfloat16 leaves them: random digits would fill the disk alone.
        figures = np.round(np.array(draw.choices(range(-64, 0), k=len(tokens))) / 32, 3).tolist()
        rows.append(
            {
                "problem": f"quadratics/train/1/{problem}", "task": "quadratics", "prompt": f"Solve problem {problem}",
                "prompt_ids": [1] * 20, "expected": "x=2, x=3", "response": place, "text": text, "finish": "stop",
                "seed": place, "reward": 1.0 if right else 0.2, "parts": {"accuracy": float(right), "format": 1.0},
                "extracted": "2, 3", "note": "", "token_ids": tokens, "sampled": [True] * len(tokens),
                "version": [0] * len(tokens), "logprobs": figures, "drawn_logprobs": figures, "advantages": figures,
                "learner_logprobs": figures, "reference_logprobs": figures, "entropies": figures,
                "clipped": [False] * len(tokens), "change": figures,
            }
        )  # fmt: skip
    mean = sum(row["reward"] for row in rows) / GROUP
    return [{**row, "group_mean": mean, "advantage": row["reward"] - mean} for row in rows]


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, subprocess.Popen]]:
    command = [sys.executable, "-m", "groupthink.cli", "view", str(folder), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        assert found is not None, "the server did not begin"
        yield int(found[1]), process
    finally:
        process.terminate()
        process.wait()


def measure(port: int, process: subprocess.Popen, run: str, steps: int) -> dict[str, Any]:
    draw = random.Random(1)
    found: dict[str, Any] = {"searches": {}, "pages": {}}
    for search in SEARCHES:  # before anything else was read
        found["searches"][" ".join(map("=".join, search.items()))] = measure_search(port, {"run": run, **search})
    questions: dict[str, list[dict[str, Any]]] = {
        "runs": [{}] * 8,
        "run": [{"run": run}] * 8,
        "step": [{"run": run, "step": step} for step in draw.choices(range(steps), k=12)],
        "group": [{"run": run, "step": step, "group": 3} for step in draw.choices(range(steps), k=12)],
        "response": [
            {"run": run, "step": step, "group": 3, "response": 2} for step in draw.choices(range(steps), k=12)
        ],
        "problems": [{"run": run, "sort": sort} for sort in ("visits", "rate", "gain", "name")] * 3,
        "problem": [{"run": run, "problem": f"quadratics/train/1/{number}"} for number in draw.choices(NAMED, k=12)],
        "notes": [{"run": run}] * 8,
    }
    for what, asked in questions.items():
        taken = [seconds(port, f"/api/{what}?{urlencode(params)}") for params in asked]
        found["pages"][what] = {"first": taken[0], "again": median(taken[1:]), "most": max(taken)}
    status = Path(f"/proc/{process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    return {**found, "megabytes": int(peak[1]) / 1000 if peak else 0.0}


def measure_search(port: int, params: dict[str, str]) -> dict[str, Any]:
    began, first, line = time.perf_counter(), None, b""
    for line in lines(port, f"/api/search?{urlencode(params)}"):
        if first is None and line.startswith(b'{"hit"'):
            first = time.perf_counter() - began
    end = json.loads(line)
    return {"first_hit": first, "curve": time.perf_counter() - began, "hits": end["hits"], "stopped": end["stopped"]}


def seconds(port: int, target: str) -> float:
    began = time.perf_counter()
    list(lines(port, target))
    return time.perf_counter() - began


def lines(port: int, target: str) -> Iterator[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", target)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{target}: {answer.status} {answer.read()[:300]!r}")
    yield from answer
    connection.close()


if __name__ == "__main__":
    main()

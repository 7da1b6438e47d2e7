"""lm-evaluation-harness, by the command of docs/evaluation.md, finds what `groupthink eval` finds."""

import json
import math
import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as parquet
import pytest

from groupthink.run.directory import Evaluation

ROOT = Path(__file__).parents[2]
PROBLEMS = 60


class Trained(NamedTuple):
    path: Path
    evaluation: Evaluation  # as the run made it itself


class Found(NamedTuple):
    figures: dict[str, Any]
    samples: list[dict[str, Any]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    """nano after one step, which is right now and then."""
    path = tmp_path_factory.mktemp("runs") / "nano"
    settings = ["steps=1", f"evaluate.problems={PROBLEMS}", "policy.processes=1", "rollout.processes=1"]
    subprocess.run([sys.executable, "-m", "groupthink.cli", "train", "--run", path, *settings], check=True)
    evaluated = path / "evaluations" / "after.json"
    rows = parquet.read_table(evaluated.with_suffix(".parquet")).to_pylist()
    return Trained(path, Evaluation(json.loads(evaluated.read_text()), rows))


def documented(begins: str) -> list[str]:
    """The words of a command that the page shows."""
    lines = (ROOT / "docs" / "evaluation.md").read_text().splitlines()
    return shlex.split(next(line for line in lines if line.startswith(begins)).partition(">")[0])


def ask(trained: Trained, folder: Path, *more: str) -> Found:
    """What lm-evaluation-harness finds of the model, with problems and results in `folder`."""
    placed = {"runs/nano/model": trained.path / "model", "examples/lm_eval": ROOT / "examples" / "lm_eval"}

    def here(words: list[str]) -> list[str]:
        for name, place in placed.items():
            words = [word.replace(name, str(place)) for word in words]
        return words

    _, script, _ = here(documented("python examples/lm_eval/problems.py"))
    with (folder / "problems.jsonl").open("w") as file:
        subprocess.run([sys.executable, script, str(PROBLEMS)], stdout=file, check=True)
    _, *words = here(documented("lm_eval run --model hf"))
    command = [
        sys.executable,
        "-m",
        "lm_eval",
        *words,
        "--device",
        "cpu",
        "--log_samples",
        "--output_path",
        "out",
        *more,
    ]
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    [results], [samples] = folder.glob("out/*/results_*.json"), folder.glob("out/*/samples_*.jsonl")
    figures = json.loads(results.read_text())["results"]["groupthink_quadratics"]
    return Found(figures, [json.loads(line) for line in samples.read_text().splitlines()])


def test_greedy_responses_and_what_they_are_worth_are_the_same(trained, tmp_path, count):
    found = ask(trained, tmp_path)
    ours = {row["problem"]: row for row in trained.evaluation.rows if row["kind"] == "greedy"}
    theirs = {sample["doc"]["id"]: sample for sample in found.samples}
    assert theirs.keys() == ours.keys() and 0 < found.figures["right,none"] < 1
    other = [problem for problem, row in ours.items() if row["text"] != theirs[problem]["resps"][0][0]]
    assert len(other) <= 1  # another order of sums may turn the likeliest token
    for name in ours.keys() - set(other):
        assert (theirs[name]["right"], theirs[name]["lenient"]) == (ours[name]["right"], ours[name]["lenient"])
    assert found.figures["right,none"] == pytest.approx(trained.evaluation.figures["greedy"], abs=1.5 / PROBLEMS)
    count[f"lm-eval {version('lm-eval')}"] += len(found.samples)


def test_samples_are_right_as_often(trained, tmp_path, count):
    found, ours = ask(trained, tmp_path, "--gen_kwargs", "do_sample=True,temperature=1"), trained.evaluation.figures
    error = math.hypot(found.figures["right_stderr,none"], (ours["pass@1_high"] - ours["pass@1_low"]) / 4)
    assert 0 < found.figures["right,none"] < 1
    assert found.figures["right,none"] == pytest.approx(ours["pass@1"], abs=3 * error)
    count[f"lm-eval {version('lm-eval')}"] += len(found.samples)

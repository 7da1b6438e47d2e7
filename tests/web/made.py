"""Run directories for tests of what reads them: written by the run's own hands, with responses that a test chooses."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from groupthink.model.place import NANO
from groupthink.recipe import dump_recipe, load_recipe
from groupthink.run.lines import append_line
from groupthink.run.rollouts import schema

WORDS = ["wait, no", "check: 2*3=6 ok", "so x=2", "é²", "Actually", "(x-2)(x-3)", "hmm", "D=25-24", "\n", "no,"]


def row(place: int, text: str, reward: float = 1.0, accuracy: float | None = 1.0, **more):
    """One response as its step's file holds it."""
    ids = np.frombuffer(text.encode("utf-8")[:400], np.uint8).astype(int)
    known = [-0.5] * len(ids)
    return {
        "problem": "quadratics/1", "task": "quadratics", "prompt": "Solve x^2-5x+6=0", "prompt_ids": [5, 6],
        "expected": "x=2, x=3", "response": place, "text": text, "finish": "stop", "seed": 1, "reward": reward,
        "parts": {"accuracy": accuracy}, "extracted": None, "note": "", "group_mean": 0.5, "advantage": reward - 0.5,
        "token_ids": ids.tolist(), "sampled": [True] * len(ids), "version": [0] * len(ids), "logprobs": known,
        "drawn_logprobs": known, "advantages": known, "learner_logprobs": known, "reference_logprobs": None,
        "entropies": known, "clipped": [False] * len(ids), "change": None, **more,
    }  # fmt: skip


def write_step(run: Path, step: int, rows: list[dict], line: dict | None = None) -> None:
    """The file of a step, and its line of metrics."""
    (run / "rollouts").mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=schema(["accuracy"]))
    parquet.write_table(table, run / f"rollouts/step-{step:06d}.parquet", compression="zstd")
    append_line(run / "metrics.jsonl", line or {"step": step, "reward": 0.5, "completions/mean_length": 20.0})


def begin_run(run: Path, steps: int = 10) -> Path:
    """A run that has begun."""
    run.mkdir(parents=True)
    (run / "recipe.toml").write_text(dump_recipe(load_recipe(overrides=[f"steps={steps}"])), encoding="utf-8")
    append_line(run / "events.jsonl", {"event": "started", "time": 1000.0, "steps": steps})
    return run


def endless_run(run: Path) -> Path:
    """A run whose model is nano without an end of its own: responses of 8,192 tokens, where nobody wants fewer."""
    begin_run(run)
    shutil.copytree(NANO, run / "model")
    changes: dict[str, dict[str, Any]] = {
        "config.json": {"eos_token_id": None, "max_position_embeddings": 100_000},
        "generation_config.json": {"eos_token_id": None},
        "tokenizer_config.json": {"eos_token": None},
    }
    for name, change in changes.items():
        file = run / "model" / name
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    return run


def made_run(run: Path, steps: int = 12, groups: int = 3, size: int = 4, seed: int = 0) -> Path:
    """A finished run of random responses, of which some are wrong and of some of which nobody knows."""
    draw = random.Random(seed)
    begin_run(run, steps)
    for step in range(steps):
        rows = []
        for group in range(groups):
            for place in range(size):
                text = " ".join(draw.choices(WORDS, k=draw.randint(1, 30)))
                accuracy = draw.choice([1.0, 0.0, None])
                problem = f"quadratics/{step}/{group}"
                rows.append(row(place, text, draw.choice([0.0, 0.2, 0.8, 1.0]), accuracy, problem=problem))
        write_step(run, step, rows)
    append_line(run / "events.jsonl", {"event": "finished", "time": 2000.0, "step": steps})
    (run / "summary.json").write_text(json.dumps({"steps": steps}))
    return run


def rows_of(run: Path, step: int) -> list[dict]:
    """The responses of a step, as they are stored."""
    return parquet.read_table(run / f"rollouts/step-{step:06d}.parquet").to_pylist()

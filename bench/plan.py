"""The plan of a run against the run: memory at the peak, and the time of a step, for three sizes of model.

    python bench/plan.py [--json] [--out FILE]

`memory_ratio` is what the plan says over what the processes of a real `groupthink train` held at their peak,
`time_ratio` what it says a step takes over the median of the steps; 1 is right, 0.85 to 1.15 and 0.7 to 1.3 the aims.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from report import add_report, report

from groupthink.insight.plan.machine import held_by

REPOSITORY = Path(__file__).resolve().parent.parent
INTERVAL = 0.5  # seconds between two looks at the memory
FILES_EVERY = 10  # looks, of which one looks at mapped files, too: that takes longer, and they change little

PLAN = """\
import json, sys
from dataclasses import asdict
from groupthink.insight.plan import plan
from groupthink.recipe import load_recipe
print(json.dumps(asdict(plan(load_recipe(overrides=sys.argv[1:])))))
"""
MODEL = """\
import sys
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM
from workload import write_model
from groupthink.nano.tokenizer import build_tokenizer
folder, kind = sys.argv[1:]
if kind == "40m":
    write_model(folder, 0)
else:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=64_000, hidden_size=768, intermediate_size=2304, num_hidden_layers=14, num_attention_heads=12,
        num_key_value_heads=4, head_dim=64, max_position_embeddings=1024, tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
"""
SMALL = ("evaluate.problems=8", "evaluate.samples=2", "evaluate.base_samples=2", "policy.warmup_steps=0")
CASES: dict[str, tuple[str, ...]] = {
    "nano": ("steps=12", "evaluate.problems=40"),
    "40m": ("steps=5", *SMALL, "task.problems_per_step=8", "rollout.group_size=4", "rollout.max_tokens=64"),
    "150m": ("steps=4", *SMALL, "task.problems_per_step=4", "rollout.group_size=4", "rollout.max_tokens=64"),
}
"""Settings of each model's run, beside those of the default recipe."""


@dataclass
class Peak:
    """What the processes of a run held at most. Anonymous memory is each one's own; mapped files count once for all."""

    anonymous: int = 0
    files: int = 0
    pss: int = 0  # of the system's reckoning, in which other programs' use of the same libraries lowers it
    processes: int = 0
    at_peak: Mapping[int, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return self.anonymous + self.files


def main() -> None:
    options = read_options()
    details: dict[str, Any] = {}
    for kind in options.models:
        tell(f"{kind}: the plan")
        with tempfile.TemporaryDirectory(prefix="groupthink-bench-") as folder:
            details[kind] = compare(kind, Path(folder))
        tell(f"{kind}: memory {details[kind]['memory_ratio']}, time {details[kind]['time_ratio']}")
    found = {
        name: {kind: details[kind][name] for kind in details} for name in ("memory_ratio", "time_ratio", "total_ratio")
    }
    found["details"] = details
    lines = [
        f"{kind}: memory_ratio {its['memory_ratio']:.2f}  time_ratio {its['time_ratio']:.2f}  (aim: 1)"
        for kind, its in details.items()
    ]
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES), help="which of them (all)")
    add_report(parser)
    return parser.parse_args()


def compare(kind: str, folder: Path) -> dict[str, Any]:
    """The plan of a model's run, and what the run was."""
    model = "nano"
    if kind != "nano":
        model = str(folder / "model")
        python("-c", MODEL, model, kind)
    words = [f"model={model}", *CASES[kind]]
    plan = json.loads(python("-c", PLAN, *words).splitlines()[-1])
    tell(f"{kind}: the run")
    start = time.perf_counter()
    peak = train(folder / "run", words)
    whole = time.perf_counter() - start
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    phases = {name: median(line[f"time/{name}"] for line in lines) for name in ("generate", "score", "learn")}
    # From the file of one step's responses to that of the next: all that a step is, and chores are none here.
    written = sorted(file.stat().st_mtime for file in (folder / "run/rollouts").glob("step-*.parquet"))
    step = median(after - before for before, after in pairwise(written))
    return {
        "memory_ratio": round(plan["memory_bytes"] / peak.bytes, 3),
        "time_ratio": round(plan["step_seconds"] / step, 3),
        "total_ratio": round(plan["total_seconds"] / whole, 3),
        "parameters": plan["parameters"],
        "planned": {
            name: plan[name]
            for name in (
                "memory_bytes",
                "memory",
                "seconds",
                "step_seconds",
                "total_seconds",
                "response_tokens",
                "staff",
                "notes",
            )
        },
        "measured": {
            **asdict(peak),
            "seconds": phases,
            "step_seconds": step,
            "total_seconds": whole,
            "response_tokens": median(line["completions/mean_length"] for line in lines),
        },
        "settings": list(CASES[kind]),
    }


def python(*words: str) -> str:
    """What another Python prints. (Not this one: the libraries that it would map are to be the run's alone.)"""
    return subprocess.run(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True, env=environment()
    ).stdout


def environment() -> dict[str, str]:
    places = [str(REPOSITORY), str(REPOSITORY / "bench"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def train(run: Path, words: list[str]) -> Peak:
    """Train, and watch the processes of the run."""
    command = [sys.executable, "-m", "groupthink.cli", "train", "--json", "--run", str(run), *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment())
    peak, done = Peak(), threading.Event()
    watcher = threading.Thread(target=watch, args=(process.pid, peak, done))
    watcher.start()
    assert process.stderr is not None
    said = process.stderr.read()
    done.set()
    watcher.join()
    if process.wait():
        raise RuntimeError(f"the run failed:\n{said}")
    return peak


def watch(root: int, peak: Peak, done: threading.Event) -> None:
    look = 0
    while not done.wait(INTERVAL):
        processes = family(root)
        held = {process: its for process in processes if (its := held_by(process))}
        anonymous = sum(its["Anonymous"] for its in held.values())
        if anonymous > peak.anonymous:
            peak.anonymous, peak.processes = anonymous, len(held)
            peak.at_peak = {process - root: its["Anonymous"] for process, its in held.items()}
        peak.pss = max(peak.pss, sum(its["Pss"] for its in held.values()))
        if look % FILES_EVERY == 0:
            peak.files = max(peak.files, files_once(processes))
        look += 1


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def files_once(processes: list[int]) -> int:
    """Bytes of mapped files that are in memory: of each part of a file as much as the mapping that has most of it."""
    most: dict[tuple[str, ...], int] = {}
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps").read_text().splitlines()
        except OSError:
            continue
        part, resident = ("",), 0
        for line in lines:
            words = line.split()
            if not words[0].endswith(":"):  # range, rights, offset, device, inode
                part = tuple(words[2:5])
            elif words[0] == "Rss:":
                resident = int(words[1]) * 1024
            elif words[0] == "Anonymous:":
                most[part] = max(most.get(part, 0), resident - int(words[1]) * 1024)
    return sum(most.values())


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

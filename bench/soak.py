"""A run that is struck again and again, and gone on with: does it end as one that was left alone?

    python bench/soak.py N [--seed S] [--jobs J] [--minutes M] [--json] [--out FILE [--more]]

Trains nano for a few steps by `groupthink train`, undisturbed: in one process, with worker processes, and a step ahead
(`VARIANTS`). Then runs of these are begun and struck at moments that the seed draws, N times in all, by what
`soak_strike.KINDS` names, each in turn, and are gone on with (`--resume`); one that is finished is compared with the
undisturbed one, and the next is begun. A disk is full where this machine may mount one (`left_out` says so otherwise).
With `--more` the strikes that FILE holds count towards N, and its figures are added to: the seed has to be a new one.

What is counted:

- `kills`: strikes of a process that was there when the moment came; `by_kind`: of each kind.
- `unusable`: starts and resumes that failed without a strike, and strikes that a process did not end by.
- `different`: finished runs that are not the undisturbed one bit for bit, in their weights, the token ids of all
  rollouts, the figures of all steps but times, their evaluations, or the names of their files (`differences`).
- `steps_lost`: steps that are missing or repeated in a finished run, and steps that were made again though a checkpoint
  should have held them: of those that a resume makes again after SIGTERM or SIGINT, all; else those beyond
  `checkpoint_every`, and as many more for each checkpoint that a strike has damaged.
- `orphans`: processes of a run that were alive `--grace` seconds after its own had ended.
- `tracebacks`: ends by a strike that a traceback was printed for.
- `left_mb`: what ended processes have left in the folder for temporary files.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from report import add_report, added, keep, report
from soak_strike import (
    ASKED,
    DAMAGE,
    FULL,
    KINDS,
    MARK,
    Moment,
    Pace,
    damage,
    draw_moment,
    ended,
    files_of,
    orphans,
    small_disk,
    strike,
    wait_for,
)
from vs_trl import processor, tell

from groupthink.run.lines import read_lines
from groupthink.run.lock import LOCK
from groupthink.run.metrics import read_metrics

STEPS, EVERY = 9, 3
WORDS = (
    *("task.problems_per_step=4", "rollout.group_size=4", "rollout.max_tokens=120", "policy.threads=1"),
    *("evaluate.problems=4", "evaluate.samples=1", "evaluate.base_samples=1", "policy.warmup_steps=2"),
)
VARIANTS = {
    "one process": ("rollout.processes=1", "policy.processes=1"),
    "workers": ("rollout.processes=2", "policy.processes=2"),
    "ahead": ("stage=grpo_async", "rollout.lag=1", "rollout.processes=1", "policy.processes=1"),
}


@dataclass
class Found:
    """What has come of the strikes so far; several threads add to its lists."""

    strikes: list[str] = field(default_factory=list)  # the kind of each
    finished: list[str] = field(default_factory=list)  # the variant of each run
    failures: list[str] = field(default_factory=list)  # in words
    unusable: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    left_bytes: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """As they are reported."""
        return {
            "kills": len(self.strikes),
            "by_kind": {kind: self.strikes.count(kind) for kind in KINDS},
            "unusable": len(self.unusable),
            "different": len(self.different),
            "steps_lost": sum(self.lost),
            "orphans": sum(self.orphans),
            "tracebacks": len(self.tracebacks),
            "left_mb": round(sum(self.left_bytes) / 1e6, 1),
            "finished": dict(Counter(self.finished)),
            "failures": self.failures,
        }


@dataclass(frozen=True)
class Soak:
    """One of several that strike side by side: where it works, and until when."""

    options: argparse.Namespace
    number: int
    strikes: int  # of all of them together
    folder: Path
    disk: Path | None  # a file system that may be filled
    references: dict[str, tuple[Path, Pace]]
    end: float  # by time.monotonic
    found: Found
    tell_so_far: Callable[[], None]


@dataclass
class Course:
    """One run on its way, and what has happened to it."""

    name: str
    variant: str
    path: Path
    starts: int = 0
    resumes: int = 0
    made: int = 0  # steps, when it was last struck
    asked: bool = False  # to end, by the last strike
    ruined: set[Path] = field(default_factory=set)  # checkpoints that were damaged since it was last gone on with
    fails: bool = False

    @property
    def over(self) -> bool:
        return self.fails or (self.path / "summary.json").exists()


def main() -> None:
    options = read_options()
    held = before(options)
    began = time.monotonic()
    base = Path(tempfile.mkdtemp(prefix="soak-", dir=options.folder))
    tell(f"seed {options.seed}, in {base}")
    found = Found()
    references = {variant: undisturbed(base / "whole" / variant, variant, options) for variant in options.variants}
    with ExitStack() as disks:
        places = [base / f"job-{number}" for number in range(options.jobs)]
        mounted = {place: disks.enter_context(small_disk(place / "disk")) for place in places}

        def so_far() -> dict[str, Any]:
            figures = found.figures() | {"seconds": round(time.monotonic() - began, 1), "seeds": [options.seed]}
            return added(held, figures) | {
                "left_out": [] if all(mounted.values()) else [FULL],
                "steps": options.steps,
                "checkpoint_every": EVERY,
                "jobs": options.jobs,
                "processor": processor(),
            }

        soaks = [
            Soak(
                options=options,
                number=number,
                strikes=options.strikes - held.get("kills", 0),
                folder=place,
                disk=place / "disk" if mounted[place] else None,
                references=references,
                end=began + options.minutes * 60 if options.minutes else float("inf"),
                found=found,
                tell_so_far=lambda: keep(so_far(), options.out),
            )
            for number, place in enumerate(places)
        ]
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(soak, soaks))  # raises what one of them has raised
        figures = so_far()
        if not found.failures:
            shutil.rmtree(base / "whole")
    if not found.failures:
        shutil.rmtree(base)
    report(
        figures,
        options,
        f"{figures['kills']} strikes ({figures['by_kind']}) in {figures['seconds']} s, "
        f"{sum(figures['finished'].values())} runs finished: {figures['unusable']} unusable, {figures['different']} "
        f"different, {figures['steps_lost']} steps lost, {figures['orphans']} orphans, {figures['tracebacks']} "
        f"tracebacks, {figures['left_mb']} MB left",
        *found.failures,
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strikes", metavar="N", type=int, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="of kinds, variants and moments")
    parser.add_argument("--jobs", type=int, default=1, help="runs that are struck side by side")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no strike after so many (0: without an end)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--grace", type=float, default=20.0, help="seconds in which processes beside a run's end")
    parser.add_argument("--more", action="store_true", help="count what --out's file holds, and add to it")
    parser.add_argument("--folder", type=Path, help="where runs are kept (default: that of temporary files)")
    add_report(parser)
    options = parser.parse_args()
    if options.more and not options.out:
        parser.error("--more needs --out, the file that is added to")
    return options


def before(options: argparse.Namespace) -> dict[str, Any]:
    """What the file that is added to holds."""
    if not options.more or not options.out.exists():
        return {}
    held = json.loads(options.out.read_text())
    if options.seed in held["seeds"]:
        raise SystemExit(f"{options.out} holds the strikes of seed {options.seed}: take another by --seed")
    return {name: held[name] for name in (*Found().figures(), "seconds", "seeds")}


def undisturbed(run: Path, variant: str, options: argparse.Namespace) -> tuple[Path, Pace]:
    """The run that others are compared with, and how long it took."""
    tell(f"{variant}: the undisturbed run")
    began = time.monotonic()
    process = begin(run, variant, options, run.with_name(f"{variant}.log"), run.with_name("temporary"), "undisturbed")
    wait_for(Moment("recipe.toml", whole=True, seconds=0.0), run, process)
    start = time.monotonic() - began
    if process.wait():
        raise SystemExit(f"the undisturbed run failed: see {run.with_name(f'{variant}.log')}")
    return run, Pace(start, (time.monotonic() - began - start) / len(list(files_of(options.steps, EVERY))))


def begin(
    run: Path, variant: str, options: argparse.Namespace, log: Path, temporary: Path, mark: str
) -> subprocess.Popen[bytes]:
    """Begin the run, or go on with it where it was begun, as the leader of its own group of processes."""
    words = (f"steps={options.steps}", f"checkpoint_every={EVERY}", *WORDS, *VARIANTS[variant])
    how = ("--resume",) if (run / "recipe.toml").exists() else words
    temporary.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {MARK: mark, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "groupthink.cli", "train", "--run", str(run), *how],
            stdout=said,
            stderr=said,
            env=environment,
            process_group=0,  # not a session of its own, which on Linux may have other priorities
        )


def soak(here: Soak) -> None:
    """Begin runs, and strike them, until this one's share of the strikes is done."""
    draw = random.Random(f"{here.options.seed}/{here.number}")
    to_do = strokes(here, draw)
    kind, count = next(to_do, None), 0
    while kind is not None:
        name, count = f"run-{here.number}-{count}", count + 1
        course = Course(name, draw.choice(here.options.variants), (here.disk or here.folder) / name)
        while not course.over:
            if go_on(here, course, kind, draw) or kind is None:
                kind = next(to_do, None)
                here.tell_so_far()
        if not course.fails:
            compare(here, course)
        if course.fails:
            shutil.copytree(course.path, here.folder / course.name, dirs_exist_ok=True)
        elif (here.disk or here.folder) in course.path.parents:
            shutil.rmtree(course.path)


def strokes(here: Soak, draw: random.Random) -> Iterator[str]:
    """The kinds of this one's share of the strikes, each in turn, until the time is over."""
    kinds = [kind for kind in KINDS if kind != FULL or here.disk]
    for stroke in range(len(range(here.number, here.strikes, here.options.jobs))):
        if stroke % len(kinds) == 0:
            turn = draw.sample(kinds, len(kinds))
        if time.monotonic() > here.end:
            return
        yield turn[stroke % len(kinds)]


def go_on(here: Soak, course: Course, kind: str | None, draw: random.Random) -> bool:
    """Begin the run or go on with it, and strike it (None: let it finish); whether it was hit."""
    pace = here.references[course.variant][1]
    log, temporary = here.folder / f"{course.name}-{course.starts}.log", here.folder / "temporary"
    mark = f"{here.folder.parent.name}-{course.name}-{course.starts}"
    course.starts += 1
    moment = draw_moment(draw, course.path, list(files_of(here.options.steps, EVERY)), pace)
    process = begin(course.path, course.variant, here.options, log, temporary, mark)
    hit = kind is not None and wait_for(moment, course.path, process)
    ends = strike(kind, process, here.disk) if hit else ended(process)
    told = f"{course.name} ({course.variant}), start {course.starts}: " + (
        f"{kind} at {moment}" if hit else "not struck"
    )
    said = log.read_text(errors="replace")
    here.found.orphans.append(left := orphans(mark, here.options.grace))
    here.found.left_bytes.append(emptied(temporary))
    if left:
        here.found.failures.append(f"{told}: {left} orphans")
    if hit:
        here.found.strikes.append(kind)
        if "Traceback" in said:
            here.found.tracebacks.append(f"{told}: {said[-2000:]}")
            here.found.failures.append(here.found.tracebacks[-1])
    if not ends or (not hit and process.returncode):
        course.fails = True
        here.found.unusable.append(f"{told}, ended {process.returncode}: {said[-2000:]}")
        here.found.failures.append(here.found.unusable[-1])
    before = course.resumes
    count_again(here, course, told)
    if course.starts == 1 or course.resumes > before:  # else it was struck before it had taken the run up
        course.asked = hit and kind in ASKED
    if hit and kind in DAMAGE and not course.over and (ruined := damage(kind, course.path, draw)):
        course.ruined.add(ruined)
    tell(f"{told}, {process.returncode}; {course.made} steps")
    return hit


def count_again(here: Soak, course: Course, told: str) -> None:
    """Count what a resume had to make again beyond what it may, and note what there is now."""
    resumed = [line["step"] for line in read_lines(course.path / "events.jsonl") if line["event"] == "resumed"]
    if len(resumed) > course.resumes:
        again = course.made - resumed[-1]
        lost = max(0, again - (0 if course.asked else EVERY * (1 + len(course.ruined))))
        if lost:
            here.found.lost.append(lost)
            here.found.failures.append(f"{told}: {again} steps of {course.made} made again, {course.ruined} damaged")
        course.resumes = len(resumed)
        course.ruined.clear()
    course.made = len(read_metrics(course.path / "metrics.jsonl"))


def compare(here: Soak, course: Course) -> None:
    """A finished run with the one that was left alone."""
    here.found.finished.append(course.variant)
    steps = Counter(line["step"] for line in read_metrics(course.path / "metrics.jsonl"))
    lost = sum(abs(steps[step] - 1) for step in range(here.options.steps))
    others = differences(course.path, here.references[course.variant][0])
    here.found.lost.append(lost)
    if lost or others:
        course.fails = True
        here.found.failures.append(f"{course.name} ({course.variant}): {lost} steps lost, other {others}")
    if others:
        here.found.different.append(course.name)
    tell(f"{course.name} ({course.variant}) is finished: {f'other {others}' if others else 'the same'}")


def differences(run: Path, whole: Path) -> list[str]:
    """In what two finished runs differ."""
    looks: dict[str, Callable[[Path], Any]] = {
        "weights": lambda run: (run / "model/model.safetensors").read_bytes(),
        "tokens": lambda run: [
            parquet.read_table(file, columns=["token_ids"]).to_pylist() for file in sorted(run.glob("rollouts/step-*"))
        ],
        "figures": timeless,
        "evaluations": lambda run: [file.read_bytes() for file in sorted(run.glob("evaluations/*.json"))],
        "files": lambda run: {file.relative_to(run) for file in run.rglob("*")} - {Path(LOCK)},
    }
    return [name for name, look in looks.items() if look(run) != look(whole)]


def timeless(run: Path) -> list[dict[str, Any]]:
    lines = read_metrics(run / "metrics.jsonl")
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in lines]


def emptied(folder: Path) -> int:
    """How many bytes were in a folder, in which nothing is any more."""
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder)
    return held


if __name__ == "__main__":
    main()

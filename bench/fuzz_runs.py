"""Targets that read a run directory: with files that were cut off, damaged, or written by somebody else."""

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import fuzz_mutate as mutate
from fuzz_watch import Make, Target, Try

COLUMNS = (
    "text",
    "response",
    "reward",
    "parts",
    "token_ids",
    "sampled",
    "version",
    "logprobs",
    "problem",
    "finish",
    "note",
)
EVENTS = (
    *(
        {
            "event": "finding",
            "cause": "entropy",
            "evidence": "entropy fell",
            "advice": "raise it",
            "step": 1,
            "time": 1001.0,
        },
    ),
    *(
        {"event": "checkpoint", "step": 2, "time": 1002.0},
        {"event": "restarted", "reason": "gone", "step": 2, "time": 1003.0},
    ),
    *({"event": "disagreement", "step": 2, "cause": "a mean", "corrected": False, "time": 1003.5},),
)
WORDS = (
    *(
        "step",
        "event",
        "time",
        "reward",
        "started",
        "finished",
        "completions/mean_length",
        "id",
        "removed",
        "label",
        "text",
    ),
    *(
        "group",
        "response",
        "steps",
        "stages",
        "ended_early",
        "figures",
        "accuracy",
        "cause",
        "evidence",
        "process 1 on here",
    ),
)
ODD: tuple[Any, ...] = (None, True, 3, -0.5, 10**30, "odd", b"\xff", [], [[1]], [None], {"a": 1}, [{"a": "b"}])
"""Values of types that a column does not have."""

FILES = (
    *(
        "metrics.jsonl",
        "events.jsonl",
        "notes.jsonl",
        "summary.json",
        "recipe.toml",
        ".lock",
        "evaluations/before.json",
    ),
    *(
        "evaluations/before.parquet",
        "rollouts/step-000001.parquet",
        "rollouts/step-000001.parquet",
        "model/tokenizer.json",
    ),
)


class Changed(NamedTuple):
    """A file of the run, and what stands in it in place of what was there: bytes, or a table's columns."""

    file: str
    held: bytes | dict[str, list[Any]]


def made(folder: Path) -> Path:
    """A run of three steps with everything in it that pages read."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from groupthink.model.place import NANO
    from groupthink.run.lines import append_line
    from tests.web.made import made_run

    run = made_run(folder / "run", steps=3, groups=2, size=2)
    for event in EVENTS:
        append_line(run / "events.jsonl", event)
    note = {"id": "one", "step": 1, "group": 0, "response": 1, "label": "odd", "text": "a note", "time": 1004.0}
    append_line(run / "notes.jsonl", note)
    (run / ".lock").write_text("process 1 on here\n")
    (run / "model").mkdir()
    shutil.copy(NANO / "tokenizer.json", run / "model/tokenizer.json")
    rows = [
        {"kind": "sampled", "problem": f"p/{k // 2}", "prompt": "Solve", "expected": "x=2", "text": "x=2",
         "extracted": "x=2", "right": k != 1, "lenient": True, "formed": True, "by_tests": False, "length": 3,
         "finish": "stop", "traits": ["checks"]}
        for k in range(4)
    ]  # fmt: skip
    (run / "evaluations").mkdir()
    figures = {"pass@1": 0.5, "pass@1_low": None, "traits": {"checks": {"share": 0.1}}, "problems": 2, "samples": 2}
    figures |= {"unjudged": {}, "greedy": None, "length": 3.0}
    (run / "evaluations/before.json").write_text(json.dumps(figures))
    parquet.write_table(pa.Table.from_pylist(rows), run / "evaluations/before.parquet")
    return run


def runs(folder: Path) -> tuple[Make, Try]:
    """All that pages show of a run, and what its report, its doctor and a resume read."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    whole = made(folder)
    held = {name: (whole / name).read_bytes() for name in FILES}
    table = parquet.read_table(whole / "rollouts/step-000001.parquet").to_pydict()

    def make(draw: random.Random) -> tuple[Changed, ...]:
        return tuple(_changed(draw, draw.choice(FILES), held, table) for _ in range(draw.choice((1, 1, 2))))

    count = 0

    def read(changes: tuple[Changed, ...]) -> None:
        nonlocal count
        count += 1
        place = folder / f"run-{count}"
        shutil.copytree(whole, place)
        try:
            for change in changes:
                file = place / change.file
                if isinstance(change.held, bytes):
                    file.write_bytes(change.held)
                    continue
                try:
                    odd = pa.table(change.held)
                except (pa.ArrowException, ValueError, TypeError, OverflowError):
                    continue  # no table can hold it
                with suppress(pa.ArrowException):
                    parquet.write_table(odd, file)
            for question in questions(place):
                try:
                    question()
                except (KeyError, IndexError):
                    raise
                except (ValueError, LookupError, OSError):
                    pass
        finally:
            shutil.rmtree(place)

    return make, read


def questions(place: Path) -> list[Callable[[], Any]]:
    """What is asked of a run. What pages get must be such that JSON holds it."""
    from groupthink.insight.doctor import examine, in_words
    from groupthink.insight.report import read_report
    from groupthink.insight.report.table import accuracy
    from groupthink.run.standing import find_standing
    from groupthink.web.answers import dump
    from groupthink.web.api import OF_RUN
    from groupthink.web.following import Follower
    from groupthink.web.notes import exported
    from groupthink.web.reading.places import Places
    from groupthink.web.reading.runs import list_runs
    from groupthink.web.search.query import read_query
    from groupthink.web.search.walk import search

    params = {"step": "1", "group": "0", "response": "1", "problem": "quadratics/1/0"}
    queries: tuple[dict[str, str], ...] = ({"text": "wait"}, {"preset": "longest"}, {"regex": "x=(2|3)", "right": "1"})
    asked: list[Callable[[], Any]] = [partial(read, place, "run", params) for read in OF_RUN.values()]
    asked += [partial(lambda query: [*search(place, read_query(query))], query) for query in queries]
    asked += [lambda: list_runs(Places(place)), lambda: [*exported(place)]]
    asked += [lambda: [event._asdict() for event in Follower("run", place, whole=True).fresh()]]
    told = [partial(lambda one: dump(one()), one) for one in asked]
    return [*told, lambda: in_words(examine(place)), lambda: accuracy(read_report(place)), lambda: find_standing(place)]


def _changed(draw: random.Random, file: str, held: dict[str, bytes], table: dict[str, list[Any]]) -> Changed:
    sample = held[file]
    if file.endswith(".parquet"):
        if not file.startswith("rollouts") or draw.random() < 0.4:
            return Changed(file, mutate.data(draw, sample))
        return Changed(file, _other_table(draw, table))
    if file.endswith(("json", "jsonl")) and len(sample) < 100_000 and draw.random() < 0.8:
        lines = sample.splitlines() if file.endswith("l") else [sample]
        at = draw.randrange(len(lines))
        lines[at] = mutate.json_text(draw, json.loads(lines[at]), WORDS)
        return Changed(file, b"\n".join([*lines, b""] if draw.random() < 0.8 else lines))
    if file.endswith("toml") or file == ".lock":
        changed = mutate.text(draw, [sample.decode()], WORDS, 60_000)
        return Changed(file, changed.encode(errors="surrogatepass"))
    return Changed(file, mutate.data(draw, sample))


def _other_table(draw: random.Random, table: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns that are lost, of another type, with holes, or with values that nothing counts to."""
    made = dict(table)
    for _ in range(draw.choice((1, 1, 2, 3))):
        name = draw.choice((*COLUMNS, draw.choice(list(table))))
        column = list(made.get(name, table[name]))
        match draw.randrange(6):
            case 0:
                made.pop(name, None)
                continue
            case 1:
                column = [draw.choice(ODD)] * len(column)
            case 2:
                column[draw.randrange(len(column))] = None
            case 3:
                column = list(table[draw.choice(list(table))])
            case 4:
                numbers = [number for number in mutate.ODD_NUMBERS if isinstance(number, type(_first(column)))]
                column = [_each(value, draw.choice(numbers)) if numbers else value for value in column]
            case 5:
                column = [value[: draw.randrange(3)] if isinstance(value, list | str) else value for value in column]
        made[name] = column
    return made


def _first(column: list[Any]) -> Any:
    value = next((value for value in column if value is not None), None)
    return value[0] if isinstance(value, list) and value else value


def _each(value: Any, number: Any) -> Any:
    return [number] * len(value) if isinstance(value, list) else number


RUNS = (
    Target(
        "runs",
        "run directories: lines, figures, notes, tables of responses, recipes, tokenizers",
        runs,
        (ValueError, LookupError, OSError),
        ("groupthink.web.api", "groupthink.insight.doctor", "tests.web.made"),
    ),
)

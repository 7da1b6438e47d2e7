"""The evaluations of a run: their figures, and the responses to each held-out problem."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from groupthink.run.checkpoints import step_of
from groupthink.run.evaluations import require_evaluation
from groupthink.web.reading.chains import excerpt
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.numbers import known
from groupthink.web.reading.series import extent_of

EXCERPT = 300
"""Characters of a prompt that are shown in lists."""

FIGURES = ("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient", "format", "length")
ASKED = ("kind", "problem", "prompt", "right")
COLUMNS = ("kind", "problem", "prompt", "expected", "text", "extracted", "right", "length", "finish", "traits")


class Evaluation(NamedTuple):
    """Evaluation("step-000050", 50, Path("RUN/evaluations/step-000050.json"))"""

    name: str  # "before", "after", or by its step
    step: int  # so many were done
    file: Path


class Asked(NamedTuple):
    """How often a held-out problem was answered right, in one evaluation."""

    prompt: str  # its beginning
    rate: float | None


def evaluations_of(place: Path) -> list[Evaluation]:
    """Those that the run in `place` has made so far, in order."""
    folder = place / "evaluations"
    found = [Evaluation("before", 0, folder / "before.json")] if (folder / "before.json").is_file() else []
    for file in sorted(folder.glob("step-*.json")):
        if file.stem.removeprefix("step-").isdigit():
            found.append(Evaluation(file.stem, step_of(file), file))
    if (folder / "after.json").is_file():
        found.append(Evaluation("after", extent_of(place).last + 1, folder / "after.json"))
    return found


def described(evaluation: Evaluation) -> dict[str, Any] | None:
    """Its figures; None where they cannot be read (a resume may just have removed them)."""
    found = _figures(evaluation.file)
    if not found:
        return None
    traits, unjudged = found.get("traits"), found.get("unjudged")
    return {
        "step": evaluation.step,
        "name": evaluation.name,
        **{name: known(found.get(name)) for name in (*FIGURES, "truncated")},
        "problems": found.get("problems"),
        "samples": found.get("samples"),
        "unjudged": unjudged if isinstance(unjudged, dict) else {},
        "traits": {
            name: {of: known(value) for of, value in figures.items()}
            for name, figures in (traits if isinstance(traits, dict) else {}).items()
            if isinstance(figures, dict)
        },
    }


def rates_of(evaluation: Evaluation) -> dict[str, Asked]:
    """Of every problem that was asked, the share of its samples that are right. None where nothing can be read."""
    return _rates(evaluation.file.with_suffix(".parquet"))


def responses_to(evaluation: Evaluation, problem: str) -> list[dict[str, Any]]:
    """The responses to one problem; none where it was not asked."""
    if problem not in rates_of(evaluation):
        return []
    file = evaluation.file.with_suffix(".parquet")
    try:
        with parquet.ParquetFile(file) as opened:
            there = [name for name in opened.schema_arrow.names if name in COLUMNS]
            table = opened.read(columns=there, use_threads=False)
        require_evaluation(table, file)
    except (OSError, ValueError, pa.ArrowException):
        return []
    rows: list[dict[str, Any]] = table.filter(compute.equal(table.column("problem"), problem)).to_pylist()
    return rows


def _read_figures(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_rates(file: Path) -> dict[str, Asked]:
    try:
        with parquet.ParquetFile(file) as opened:
            table = opened.read(columns=list(ASKED), use_threads=False)
        require_evaluation(table, file)
        kinds, problems, prompts, rights = (table.column(name).to_pylist() for name in ASKED)
    except (OSError, ValueError, pa.ArrowException, KeyError):
        return {}
    told: dict[str, list[bool]] = {}
    shown: dict[str, str] = {}
    for kind, problem, prompt, right in zip(kinds, problems, prompts, rights, strict=True):
        if problem not in shown:
            shown[problem] = excerpt(prompt or "", EXCERPT)
        if kind == "sampled" and right is not None:
            told.setdefault(problem, []).append(right)
    rates = {problem: sum(some) / len(some) for problem, some in told.items()}
    return {problem: Asked(prompt, rates.get(problem)) for problem, prompt in shown.items()}


_figures = Kept(_read_figures, most=2048)
_rates = Kept(_read_rates, most=64)

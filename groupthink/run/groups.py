"""Groups as a file: what was sampled and is still to be learned from, so that a resume takes up the very same."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from groupthink.records import Group, Problem, Prompt, Response

_SCHEMA = pa.schema(
    {
        "step": pa.int64(),
        "group": pa.int64(),  # its place among those of the step
        "problem": pa.string(),  # JSON, as is the text: it may hold what UTF-8 cannot
        "prompt_ids": pa.list_(pa.int64()),
        "token_ids": pa.list_(pa.int64()),
        "sampled": pa.list_(pa.bool_()),
        "logprobs": pa.list_(pa.float32()),
        "drawn_logprobs": pa.list_(pa.float32()),
        "versions": pa.list_(pa.int64()),
        "text": pa.string(),
        "turns": pa.string(),  # JSON
        "finish": pa.string(),
        "seed": pa.int64(),
    }
)


def write_groups(path: Path, groups_by_step: Mapping[int, Sequence[Group]]) -> None:
    """Write the groups of some steps, a row for each response."""
    rows = [
        _row(step, place, group, response)
        for step, groups in groups_by_step.items()
        for place, group in enumerate(groups)
        for response in group.responses
    ]
    parquet.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), path, compression="zstd")


def read_groups(path: Path) -> dict[int, list[Group]]:
    """What `write_groups` wrote, by step."""
    rows = parquet.read_table(path, schema=_SCHEMA).to_pylist()
    found: dict[int, list[Group]] = {}
    for (step, _), members in groupby(rows, key=lambda row: (row["step"], row["group"])):
        some = list(members)
        prompt_ids = np.array(some[0]["prompt_ids"], np.int64)
        group = Group(_problem(some[0]["problem"]), prompt_ids, tuple(map(_response, some)))
        found.setdefault(step, []).append(group)
    return found


def _row(step: int, place: int, group: Group, response: Response) -> dict[str, Any]:
    problem = group.problem
    told = (problem.id, problem.task, problem.prompt, problem.answer, dict(problem.info))
    return {
        "step": step,
        "group": place,
        "problem": json.dumps(told),
        "prompt_ids": group.prompt_ids,
        "token_ids": response.token_ids_T,
        "sampled": response.sampled_T,
        "logprobs": response.logprobs_T,
        "drawn_logprobs": response.drawn_logprobs_T,
        "versions": response.versions_T,
        "text": json.dumps(response.text),
        "turns": json.dumps(response.turns),
        "finish": response.finish,
        "seed": response.seed,
    }


def _problem(text: str) -> Problem:
    name, task, prompt, answer, info = json.loads(text)
    asked: Prompt = prompt if isinstance(prompt, str) else tuple(prompt)
    return Problem(name, task, asked, answer, info)


def _response(row: Mapping[str, Any]) -> Response:
    return Response(
        token_ids_T=np.array(row["token_ids"], np.int64),
        sampled_T=np.array(row["sampled"], bool),
        logprobs_T=np.array(row["logprobs"], np.float32),
        drawn_logprobs_T=np.array(row["drawn_logprobs"], np.float32),
        versions_T=np.array(row["versions"], np.int64),
        text=json.loads(row["text"]),
        turns=tuple(json.loads(row["turns"] or "[]")),
        finish=row["finish"],
        seed=row["seed"],
    )

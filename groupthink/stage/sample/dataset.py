"""The data set as files: `train.parquet`, the same rows as `train.jsonl`, and the card.

A row has the chain twice. `messages` has it as chat templates take it, the reasoning apart in `reasoning_content`;
`prompt` and `completion` have it as the policy wrote it, to the letter, which is what is to be imitated.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from groupthink.records import Message, Problem
from groupthink.run.printable import storable
from groupthink.run.versions import data_version
from groupthink.stage.sample.candidates import Candidate

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Of data sets, as the hub has them."""

_TEXT = pa.string()
_MESSAGE = pa.struct({"role": _TEXT, "content": _TEXT})
_REASONED = pa.struct({"role": _TEXT, "content": _TEXT, "reasoning_content": _TEXT})


def write_dataset(
    folder: Path, kept: Sequence[Candidate], rewards: Sequence[str], policy: str, name: str, card: str
) -> None:
    """Write the files into `folder`. `rewards`: the names of the parts of a score. `card`: without its head."""
    table = pa.Table.from_pylist([row_of(one, policy) for one in kept], schema=schema(rewards))
    parquet.write_table(table, folder / "train.parquet", compression="zstd")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
    (folder / "train.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    head = front_matter(name, len(kept), str(data_version(folder)))
    (folder / "README.md").write_text(f"{head}\n{card}", encoding="utf-8", newline="\n")


def front_matter(name: str, rows: int, version: str) -> str:
    """The head of the card. It names the file to read: both hold the same rows, and would otherwise both be read.

    The configuration is called by the rows' version: `datasets` keeps what it has read by that name and the file's, so
    under one that is always the same it would give the rows of another folder `data`, or of the same one before.
    """
    size = next((word for most, word in SIZES if rows < most), "n>1M")
    lines = ["---", f"pretty_name: {json.dumps(name, ensure_ascii=False)}", "task_categories:", "- text-generation"]
    lines += ["tags:", *(f"- {tag}" for tag in ("groupthink", "reasoning", "rejection-sampling", "synthetic"))]
    lines += ["size_categories:", f"- {size}", "configs:", f'- config_name: "{version}"']
    lines += ["  data_files:"]
    return "\n".join([*lines, "  - split: train", "    path: train.parquet", "---", ""])


def schema(rewards: Sequence[str]) -> pa.Schema:
    """The columns, with a struct of the parts of the reward."""
    return pa.schema(
        {
            "id": _TEXT,  # of the problem, of which several chains may be kept
            "messages": pa.list_(_REASONED),
            "prompt": pa.list_(_MESSAGE),
            "completion": pa.list_(_MESSAGE),
            "answer": _TEXT,  # as expected; null where tests decide
            "score": pa.float64(),
            "parts": pa.struct({name: pa.float64() for name in rewards}),
            "tokens": pa.int64(),  # of the response, its end included
            "policy": _TEXT,  # which weights wrote it
            "task": _TEXT,
            "seed": pa.int64(),
        }
    )


def row_of(one: Candidate, policy: str) -> dict[str, Any]:
    problem, asked = one.problem, messages_of(one.problem)
    said = {"role": "assistant", "content": (one.chain.answer or "").strip()}
    return {
        "id": storable(problem.id),
        "messages": [*asked, {**said, "reasoning_content": (one.chain.reasoning or "").strip()}],
        "prompt": asked,
        "completion": [{"role": "assistant", "content": one.text}],
        "answer": None if problem.answer is None else storable(problem.answer),
        "score": one.score,
        "parts": dict(one.parts),
        "tokens": one.tokens,
        "policy": policy,
        "task": problem.task,
        "seed": one.seed,
    }


def messages_of(problem: Problem) -> list[Message]:
    """What was asked, as messages, without what [chat] adds to it."""
    prompt = problem.prompt
    messages = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt
    return [{"role": one["role"], "content": storable(one["content"])} for one in messages]

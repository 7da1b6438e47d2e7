"""What every engine of `rollout.py` is asked for, and how: a line for each turn, answered in JSON.

Nothing heavy is imported here, and nothing of groupthink's: vLLM's environment has neither.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from turns import Turns

Responses = Sequence[Sequence[Sequence[int]]]
"""Token ids of each response to each prompt, the token that ended it included."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Drawing(model="/models/nano", prompts=[[[5, 6], [7]]], group_size=8, max_tokens=200, stop_ids=[1], ...)"""

    model: str  # a folder in Hugging Face format
    prompts: Sequence[Sequence[Sequence[int]]]  # of each turn, token ids
    group_size: int  # responses to each prompt
    max_tokens: int  # of a response, its end included
    stop_ids: Sequence[int]  # any of these ends a response
    pad_id: int  # what a batch is filled up with, where an engine needs that
    device: str  # cpu or cuda
    dtype: str
    cores: Sequence[int] | None  # the processor cores to stay on; None where the system lets nobody choose
    gpus: str | None  # CUDA_VISIBLE_DEVICES as it was, which is hidden from whoever computes on a CPU

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: str) -> "Drawing":
        return cls(**json.loads(Path(path).read_text()))

    def settle(self) -> None:
        """Keep this process to its cores, or let it see its GPU again, before it looks for one."""
        if self.cores is not None:
            os.sched_setaffinity(0, self.cores)
        if self.device == "cuda":
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            os.environ |= {} if self.gpus is None else {"CUDA_VISIBLE_DEVICES": self.gpus}

    @property
    def context(self) -> int:
        """Tokens of the longest prompt of any turn and its response."""
        return max(len(prompt) for turn in self.prompts for prompt in turn) + self.max_tokens


@dataclass(frozen=True, slots=True)
class Order:
    """A turn as it is asked for. Order(turn=3, max_tokens=200, way={"threads": 2})"""

    turn: int  # which of the drawing's prompts; draws differ with it, too
    max_tokens: int
    way: dict[str, Any]  # settings that the engine takes anew for each turn

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def serve(
    turns: Turns,
    drawing: Drawing,
    versions: dict[str, str],
    draw: Callable[[Order], Responses],
    measure: Callable[[Responses, Order], dict[str, Any]] = lambda responses, order: {},
) -> None:
    """Answer each order by the seconds that `draw` took and what came of it; `measure` adds what it likes."""
    turns.answer(versions=versions)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        start = time.perf_counter()
        responses = draw(order)
        seconds = time.perf_counter() - start
        require_ends(responses, drawing, order)
        turns.answer(seconds=seconds, **counts(responses, drawing), **measure(responses, order))


def require_ends(responses: Responses, drawing: Drawing, order: Order) -> None:
    """Raise AssertionError unless each response ended where it should: at its first stop, or at `max_tokens`."""
    stops = set(drawing.stop_ids)
    assert [len(group) for group in responses] == [drawing.group_size] * len(drawing.prompts[order.turn])
    for group in responses:
        for token_ids in group:
            assert 0 < len(token_ids) <= order.max_tokens and stops.isdisjoint(token_ids[:-1])
            assert len(token_ids) == order.max_tokens or token_ids[-1] in stops


def counts(responses: Responses, drawing: Drawing) -> dict[str, Any]:
    stops = set(drawing.stop_ids)
    lengths = sorted(len(token_ids) for group in responses for token_ids in group)
    return {
        "tokens": sum(lengths),
        "median_length": lengths[len(lengths) // 2],
        "longest": lengths[-1],
        "stopped": sum(token_ids[-1] in stops for group in responses for token_ids in group) / len(lengths),
    }

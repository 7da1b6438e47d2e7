"""Log-probabilities with their gradient: memory, and time against plain `log_softmax` and `gather`.

    python bench/logprobs.py [--json] [--out FILE]

Both sides take hidden states to the gradient of the same token-local loss, with respect to hidden states and head, in
float32; the head's gradient is there already, as in a learner, and is added to. `peak_bytes` is the most memory that
groupthink's process had, less what it had before, the head's matrix and its gradient, and the input. `time_ratio` is
groupthink's time for a token over the plain side's, which is given fewer tokens, since it holds all their logits.
Each side is a process of its own; they work in turn, and times are medians. Only for Linux.
"""

import argparse
import multiprocessing
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
from report import add_report, report
from torch import Tensor, nn
from vs_trl import processor, tell

from groupthink.model.allocator import keep_freed_memory
from groupthink.model.logprobs import Finish, Head, score, score_loss
from groupthink.model.threads import physical_cores

SIDES = {
    "local": "the loss of a token depends on no token of another chunk",
    "general": "any loss; the logits are made twice",
    "plain": "log_softmax and gather",
}


@dataclass(frozen=True, slots=True)
class Spec:
    """What a side is asked to do."""

    side: str  # one of SIDES
    tokens: int
    hidden: int
    vocabulary: int
    threads: int


class Side:
    """A running process that makes a pass when asked."""

    def __init__(self, spec: Spec):
        context = multiprocessing.get_context("spawn")  # a fork would begin with this process's memory
        self.spec = spec
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, spec), daemon=True)
        self._process.start()
        theirs.close()

    def step(self) -> dict[str, float]:
        self._line.send("pass")
        figures = self._line.recv()
        tell(f"{self.spec.side}: {self.spec.tokens} tokens, {figures['seconds']:.2f} s")
        return figures

    def close(self) -> None:
        self._line.close()
        self._process.join()


def main() -> None:
    options = read_options()
    # Read by the sides when they import torch: one thread to a core, which it stays on.
    os.environ |= {"OMP_NUM_THREADS": str(options.threads), "OMP_PROC_BIND": "spread", "OMP_PLACES": "cores"}
    shape = {"hidden": options.hidden, "vocabulary": options.vocabulary, "threads": options.threads}
    with ExitStack() as stack:
        us = stack.enter_context(opened(Spec("local", options.tokens, **shape)))
        any_loss = stack.enter_context(opened(Spec("general", options.tokens, **shape))) if options.general else None
        them = stack.enter_context(opened(Spec("plain", options.plain_tokens, **shape)))
        peak, plain_peak = us.step()["peak_bytes"], them.step()["peak_bytes"]  # also warms up
        general_peak = any_loss.step()["peak_bytes"] if any_loss else 0
        ours, theirs, general = [], [], []
        for _ in range(options.turns):
            theirs.append(them.step())
            ours.append(us.step())
            theirs.append(them.step())
            if any_loss:
                general.append(any_loss.step())
    found = {
        "peak_bytes": int(peak),
        "time_ratio": ratio(ours, theirs, "seconds"),
        "details": {
            "cpu_ratio": ratio(ours, theirs, "cpu_seconds"),
            "groupthink": {**asdict(us.spec), "microseconds_per_token": microseconds(ours)},
            **({"general_time_ratio": ratio(general, theirs, "seconds")} if general else {}),
            **({"general_peak_bytes": int(general_peak)} if general else {}),
            "plain": {**asdict(them.spec), "microseconds_per_token": microseconds(theirs), "peak_bytes": plain_peak},
            "weight_bytes": 4 * options.hidden * options.vocabulary,  # and as much again for the gradient
            "logits_bytes": 4 * options.tokens * options.vocabulary,  # one copy of all of them
            "versions": {"torch": torch.__version__, "python": platform.python_version(), "processor": processor()},
        },
    }
    lines = [
        f"peak_bytes {peak / 1e9:.2f} GB  (aim: under 1.5)",
        f"time_ratio {found['time_ratio']:.2f}  (aim: at most 1.15)",
    ]
    if general:
        lines.append(f"time_ratio {ratio(general, theirs, 'seconds'):.2f} where a loss mixes tokens of several chunks")
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=8192, help="tokens of a pass of groupthink")
    parser.add_argument("--plain-tokens", type=int, default=1024, help="tokens of a plain pass")
    parser.add_argument("--hidden", type=int, default=1024, help="size of a hidden state")
    parser.add_argument("--vocabulary", type=int, default=151_936, help="words")
    parser.add_argument("--threads", type=int, default=physical_cores(), help="threads of each side")
    parser.add_argument("--turns", type=int, default=3, help="passes of groupthink measured, and half the plain ones")
    parser.add_argument("--general", action="store_true", help="measure the way of any loss, too")
    add_report(parser)
    return parser.parse_args()


@contextmanager
def opened(spec: Spec) -> Iterator[Side]:
    side = Side(spec)
    try:
        yield side
    finally:
        side.close()


def serve(line: Connection, spec: Spec) -> None:
    """A side: make a pass for each word that comes, and answer with what it took."""
    keep_freed_memory()  # as every run does
    torch.set_num_threads(spec.threads)
    torch.manual_seed(0)
    before = memory("VmRSS")
    head = nn.Linear(spec.hidden, spec.vocabulary, bias=False, device="meta").to_empty(device="cpu")
    nn.init.normal_(head.weight, std=0.02)
    head.weight.grad = torch.zeros_like(head.weight)
    hidden_MH = torch.randn(spec.tokens, spec.hidden).requires_grad_()
    targets_M = torch.randint(spec.vocabulary, (spec.tokens,))
    old_logprobs_M, advantages_M = torch.full((spec.tokens,), -11.0), torch.randn(spec.tokens)
    given = [head.weight, head.weight.grad, hidden_MH, targets_M, old_logprobs_M, advantages_M]
    before += sum(tensor.nbytes for tensor in given)

    def loss_of(logprobs_m: Tensor, entropies_m: Tensor | None, where: slice) -> Tensor:
        ratio_m = (logprobs_m - old_logprobs_M[where]).exp()
        gain_m = torch.minimum(ratio_m * advantages_M[where], ratio_m.clamp(0.8, 1.2) * advantages_M[where])
        return -gain_m.sum() / spec.tokens

    def loss() -> Tensor:
        whole = slice(0, spec.tokens)
        described = Head(head, spec.vocabulary, Finish())
        match spec.side:
            case "local":
                return score_loss(hidden_MH, targets_M, described, 1.0, loss_of)[0]
            case "general":
                return loss_of(*score(hidden_MH, targets_M, described, 1.0), whole)
            case _:
                laws_MV = torch.log_softmax(head(hidden_MH), dim=-1)
                return loss_of(laws_MV.gather(1, targets_M[:, None])[:, 0], None, whole)

    while True:
        try:
            line.recv()
        except EOFError:
            return
        hidden_MH.grad = None
        wall, cpu = time.perf_counter(), time.process_time()
        loss().backward()
        took = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        line.send({**took, "tokens": spec.tokens, "peak_bytes": memory("VmHWM") - before})


def memory(name: str) -> int:
    """Bytes of this process: "VmRSS", what it holds; "VmHWM", the most that it has held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def ratio(ours: list[dict[str, float]], theirs: list[dict[str, float]], name: str) -> float:
    us, them = (median(each[name] / each["tokens"] for each in side) for side in (ours, theirs))
    return round(us / them, 3)


def microseconds(passes: list[dict[str, float]]) -> list[float]:
    return [round(1e6 * each["seconds"] / each["tokens"], 1) for each in passes]


if __name__ == "__main__":
    main()

"""`groupthink serve` besieged: are clients that ask as they should answered as if they were alone with it?

    python bench/siege.py [--clients 64] [--minutes 10] [--misbehaving 0.1] [--seed 0] [--json] [--out FILE]

The server is a process with the defaults. A list of questions is asked alone, one after the other; then all clients
come at once. Those that behave ask what the seed draws of the list, whole or as a stream, one question after the other.
Those that misbehave do one misdeed after the other (`siege_misdeeds.py`): they read slowly or never, send garbage, cut,
begin what they do not end. At the end all have left, and the server is told to end.

What is counted:

- `requests`: answers to clients that behave; `tokens`: of these.
- `errors`: questions of theirs that were not answered as the API says: by another status, by JSON or a stream that is
  none, with a usage that is not that of what was told, by a connection that ends, or not within two minutes. `failures`
  tells the first of them, and the first of all that follows here, in words.
- `different`: answers that are others than the question had alone, or another usage.
- `reconnected`: questions that were asked once more, for a connection that had been kept open was ended before any of
  the answer came, as HTTP allows.
- `misdeeds`: of each kind; `answers`: statuses that came back to them; `server_errors`: of these, 500 and above;
  `unexpected`: those that a misdeed may not be answered by.
- `ended`: visitors who would have stayed and were ended by the server; `held`: those who were not, within `--patience`
  seconds.
- `latency_ms`, `first_ms`: of clients that behave, to the end of an answer and to its first bytes (of a stream, its
  head); `health_ms`: of a client beside them all, who asks for nothing but `/health`, four times a second.
- `rss_mb`: the server's memory before, in the second and in the last tenth of the time (`early`, `late`: medians, as
  of each tenth in `tenths`), at most, and when all have left; `rss_growth_mb`: from `early` to `late`.
- `open_files`, `threads`: the server's, before, at most, and when all have left and `SETTLES` seconds have passed.
- `left_after_seconds`: until nothing was drawn and nothing waited any more, once the last had left.
- `said`: lines of the server's on stderr, of which there should be none; `exit_code`, `exit_seconds`: after SIGTERM.

Linux only.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from engines import REPOSITORY
from report import add_report, report
from siege_asking import WITHIN, Answer, Client, Question, Took, Wrong, questions, read_head
from siege_line import Visit
from siege_misdeeds import MISDEEDS
from vs_trl import processor, tell

QUESTIONS = 48
TOLD = 20
"""Failures that are told in words."""

SETTLES = 12.0
"""Seconds after the last has left, in which the server has let go of what it needed for them."""

LEFT_WITHIN = 60.0


class Server(NamedTuple):
    """A server that is at work."""

    process: subprocess.Popen[str]
    port: int
    said: list[str]  # lines on stderr, since it is


class Look(NamedTuple):
    """What the server's process takes, at one moment."""

    rss_mb: float
    open_files: int
    threads: int


@dataclass
class Found:
    """What has come of it so far."""

    took: list[Took] = field(default_factory=list)
    health: list[float] = field(default_factory=list)  # seconds
    tokens: int = 0
    errors: int = 0
    different: int = 0
    reconnected: int = 0
    failures: list[str] = field(default_factory=list)
    misdeeds: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    unexpected: int = 0
    ended: int = 0
    held: int = 0
    looks: list[Look] = field(default_factory=list)

    def fail(self, what: str) -> None:
        """Note a failure, and tell it, if it is one of the first."""
        if len(self.failures) < TOLD:
            self.failures.append(what)
            tell(what)


def main() -> None:
    options = read_options()
    with served(options.model) as server:
        tell(f"{options.model}: served at port {server.port}; seed {options.seed}")
        figures = asyncio.run(besiege(server.port, server.process.pid, options))
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        figures |= {"exit_code": server.process.wait(60), "exit_seconds": round(time.monotonic() - began, 2)}
    figures |= {"said": len(server.said), "details": details(options)}
    figures["failures"] += server.said[:TOLD]
    report(figures, options, *lines_of(figures))


def lines_of(found: dict[str, Any]) -> list[str]:
    """The figures, for people."""
    return [
        f"{found['requests']} requests answered, {found['errors']} errors, {found['different']} different; "
        f"latency {found['latency_ms']} ms",
        f"{sum(found['misdeeds'].values())} misdeeds, answered {found['answers']}: {found['unexpected']} unexpected, "
        f"{found['server_errors']} errors of the server's own; {found['ended']} were ended, {found['held']} held",
        f"memory {found['rss_mb']}, grown by {found['rss_growth_mb']} MB; open files {found['open_files']}, "
        f"threads {found['threads']}",
        f"nothing was drawn {found['left_after_seconds']} s after the last had left; {found['said']} lines said, "
        f"exit code {found['exit_code']}",
        *found["failures"],
    ]


def read_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--misbehaving", type=float, default=0.1, help="the share of clients that do (0.1)")
    parser.add_argument(
        "--patience", type=float, default=90.0, help="seconds in which the server ends who does nothing"
    )
    parser.add_argument("--seed", type=int, default=0, help="of questions and misdeeds")
    parser.add_argument("--model", default="nano", help="the model that is served")
    add_report(parser)
    return parser.parse_args(words)


def details(options: argparse.Namespace) -> dict[str, Any]:
    names = ("clients", "minutes", "misbehaving", "patience", "seed", "model")
    return {name: getattr(options, name) for name in names} | {"questions": QUESTIONS, "processor": processor()}


@contextmanager
def served(model: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "groupthink.cli", "serve", model, "--port", "0"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    assert process.stderr is not None
    try:
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"http://[^/]+:(\d+)/v1", line)))
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        reader.start()
        yield Server(process, port, said)
        reader.join(5)
    finally:
        process.kill()
        process.wait()


async def besiege(port: int, pid: int, options: argparse.Namespace) -> dict[str, Any]:
    """What came of it, but for the server's end."""
    found, draw = Found(), random.Random(options.seed)
    asked = questions(QUESTIONS, draw)
    alone = await ask_alone(port, asked, found)
    before = look(pid)
    tell(f"{len(asked)} questions asked alone; {before}")
    seconds = options.minutes * 60
    until, bad = time.monotonic() + seconds, round(options.clients * options.misbehaving)
    good = [
        behave(port, random.Random(f"{options.seed}/{number}"), until, asked, alone, found)
        for number in range(options.clients - bad)
    ]
    others = [
        misbehave(port, random.Random(f"{options.seed}/bad/{number}"), until, options, found) for number in range(bad)
    ]
    watching = asyncio.create_task(watch(port, pid, until, found))
    await asyncio.gather(*good, *others)
    began = time.monotonic()
    await watching
    left = await nothing_drawn(port)
    left_after = time.monotonic() - began
    await asyncio.sleep(SETTLES)
    return figures_of(found, before, look(pid)) | {"left_after_seconds": round(left_after, 2)} | left


async def ask_alone(port: int, asked: Sequence[Question], found: Found) -> list[Answer]:
    """The answer to each, by nobody else's side; whole and streamed it must be the same."""
    client, answers = Client(port), []
    for question in asked:
        whole, _ = await client.ask(question, stream=False)
        streamed, _ = await client.ask(question, stream=True)
        if whole != streamed:
            found.different += 1
            found.fail(f"alone, {question}: {whole}, and as a stream {streamed}")
        answers.append(whole)
    client.leave()
    return answers


async def behave(
    port: int, draw: random.Random, until: float, asked: Sequence[Question], alone: Sequence[Answer], found: Found
) -> None:
    """One question after the other, until the time is over; the last answer is waited for."""
    client = Client(port)
    while time.monotonic() < until:
        place, stream = draw.randrange(len(asked)), draw.random() < 0.5
        question = asked[place]
        try:
            answer, took = await client.ask(question, stream=stream)
        except (Wrong, OSError, EOFError, ValueError, KeyError, TypeError, asyncio.LimitOverrunError) as error:
            found.errors += 1
            found.fail(f"{'streamed' if stream else 'whole'}, {question}: {type(error).__name__}: {error}")
            await asyncio.sleep(0.1)
            continue
        found.took.append(took)
        found.tokens += answer.drawn_tokens
        if answer != alone[place]:
            found.different += 1
            found.fail(f"{'streamed' if stream else 'whole'}, {question}: {answer}, and alone {alone[place]}")
        if draw.random() < 0.2:
            client.leave()
    found.reconnected += client.reconnected
    client.leave()


async def misbehave(port: int, draw: random.Random, until: float, options: argparse.Namespace, found: Found) -> None:
    """One misdeed after the other, each kind in turn; the last is broken off when the time is over."""
    while True:
        for name in draw.sample(list(MISDEEDS), len(MISDEEDS)):
            if time.monotonic() >= until:
                return
            visit = Visit(port, options.patience, draw)
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    await MISDEEDS[name].do(visit)
            except TimeoutError:
                pass
            except OSError as error:
                found.errors += 1
                found.fail(f"{name}: the server lets nobody in: {error!r}")
            note(name, visit, found)
            await asyncio.sleep(draw.uniform(0.0, 0.2))


def note(name: str, visit: Visit, found: Found) -> None:
    """What has come of a misdeed."""
    found.misdeeds[name] += 1
    found.answers.update(visit.statuses)
    odd = [status for status in visit.statuses if status not in MISDEEDS[name].may]
    if odd:
        found.unexpected += len(odd)
        found.fail(f"{name}: answered by {Counter(odd)}")
    if visit.held:
        found.held += 1
        found.fail(f"{name}: still there after {visit.patience:g} s")
    elif visit.stayed:
        found.ended += 1


async def watch(port: int, pid: int, until: float, found: Found) -> None:
    """Look at the process, and whether the server is awake, four times a second."""
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(WITHIN):
                await health(port)
        except (OSError, EOFError) as error:
            found.errors += 1
            found.fail(f"/health: {error!r}")
        found.health.append(time.perf_counter() - began)
        found.looks.append(look(pid))
        await asyncio.sleep(0.25)


async def health(port: int) -> dict[str, Any]:
    """What the server says of itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    _, headers = await read_head(reader)
    answer = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    return json.loads(answer)


async def nothing_drawn(port: int) -> dict[str, int]:
    """Wait until that is so; what is left, where it is not."""
    end = time.monotonic() + LEFT_WITHIN
    while (there := await health(port))["running"] + there["waiting"] and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return {"running_after": there["running"], "waiting_after": there["waiting"]}


def look(pid: int) -> Look:
    """What the process takes now."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss, threads = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads"))  # type: ignore[index]
    return Look(round(rss / 1024, 1), len(list(Path(f"/proc/{pid}/fd").iterdir())), threads)


def figures_of(found: Found, before: Look, after: Look) -> dict[str, Any]:
    tenths = [round(median(part), 1) for part in parted([one.rss_mb for one in found.looks], 10)]
    early, late = tenths[1], tenths[-1]

    def course(name: str) -> dict[str, int]:
        most = max(getattr(one, name) for one in found.looks)
        return {"before": getattr(before, name), "max": most, "after": getattr(after, name)}

    return {
        "requests": len(found.took),
        "tokens": found.tokens,
        "errors": found.errors,
        "different": found.different,
        "reconnected": found.reconnected,
        "misdeeds": dict(sorted(found.misdeeds.items())),
        "answers": {str(status): count for status, count in sorted(found.answers.items())},
        "server_errors": sum(count for status, count in found.answers.items() if status >= 500),
        "unexpected": found.unexpected,
        "ended": found.ended,
        "held": found.held,
        "latency_ms": spread([took.all for took in found.took]),
        "first_ms": spread([took.first for took in found.took]),
        "health_ms": spread(found.health),
        "rss_mb": course("rss_mb") | {"early": early, "late": late, "tenths": tenths},
        "rss_growth_mb": round(late - early, 1),
        "open_files": course("open_files"),
        "threads": course("threads"),
        "failures": found.failures,
    }


def parted(values: Sequence[float], parts: int) -> list[Sequence[float]]:
    """In so many parts of about the same length, none of them empty where there are as many values."""
    cuts = [round(part * len(values) / parts) for part in range(parts + 1)]
    return [values[begin:end] or values for begin, end in pairwise(cuts)]


def spread(seconds: Sequence[float]) -> dict[str, float | None]:
    """In milliseconds; None where there are too few."""
    if len(seconds) < 2:
        return dict.fromkeys(("p50", "p99", "max"))
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(1e3 * cuts[49], 1), "p99": round(1e3 * cuts[98], 1), "max": round(1e3 * max(seconds), 1)}


if __name__ == "__main__":
    main()

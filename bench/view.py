"""How soon `groupthink view` answers on a run of 1,000 steps with 500,000 responses (`view_run.py` makes it).

    python bench/view.py [--json] [--out FILE]

Every page is asked for as a browser does: all of its addresses at once. `median_ms` and `worst_ms` are over different
steps, groups and problems, drawn by chance. `first_step_s` is the first answer of a server that has just begun, with
the run's files out of the system's cache and without an index; so are the searches "of a cold disk", the median of
several starts of the server. A search's `first_s` is until its first hit, `curve_s` until its end; the slowest counts.
`memory_mb` is the most that the server held at any time, libraries included; a chat with nano, drawn in a process of
its own, comes after that.
"""

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from report import add_report, report
from view_run import REPOSITORY, add_run, make
from vs_trl import processor, tell

AIMS = {"page_median_ms": 300, "first_step_s": 1.0, "search_first_s": 1.0, "search_curve_s": 10.0, "memory_mb": 500}

SEARCHES: dict[str, dict[str, str]] = {
    "a frequent text": {"text": "="},
    "a text": {"text": "wait, check"},
    "a rare text": {"text": "=31*31"},
    "a text that is nowhere": {"text": "zzzz"},
    "a regular expression": {"regex": r"wait|D=\d+-\d+"},
    "reflection": {"preset": "reflection"},
    "repetition": {"preset": "repetition"},
    "longest": {"preset": "longest"},
    "rewarded, but wrong": {"preset": "rewarded-wrong"},
}
COLD = ("a text", "reflection", "repetition", "longest", "rewarded, but wrong")
"""Those that are asked of a server that has just begun, too: the presets, and one of another kind."""


def main() -> None:
    options = read_options()
    run = make(options.run, options.steps, options.groups, options.size)
    chance = random.Random(0)
    firsts = [first_step(run, chance.randrange(options.steps)) for _ in range(options.starts)]
    tell(f"first step: {firsts}")
    searches = {f"{name}, of a cold disk": cold_search(run, SEARCHES[name], options.starts) for name in COLD}
    with served(run) as server:
        wait_until_read(server, run.name)
        pages = {name: measured(server, draw, options.turns) for name, draw in page_requests(options, chance).items()}
        seed = server.seconds([("seed", {})])
        searches |= {name: search(server, {"run": run.name, **query}) for name, query in SEARCHES.items()}
        memory = server.memory()
        server.chat()
        asked, drawing = server.memory(), server.memory(server.chats_process())
    found = {
        "page_median_ms": max(one["median_ms"] for one in pages.values()),
        "first_step_s": round(median(firsts), 3),
        "search_first_s": max(one["first_s"] for one in searches.values() if one["hits"]),
        "search_curve_s": max(one["curve_s"] for one in searches.values()),
        "memory_mb": memory["most_mb"],
        "pages": pages,
        "searches": searches,
        "details": {
            "first_step_s_of_each_start": firsts,
            "seed_first_s": round(seed, 2),
            "memory": memory,
            "memory_after_a_chat_with_nano": asked,
            "memory_of_the_chats_process": drawing,
            "steps": options.steps,
            "responses": options.steps * options.groups * options.size,
            "run_mb": round(sum(file.stat().st_size for file in (run / "rollouts").iterdir()) / 1e6),
            "processor": processor(),
            "aims": AIMS,
        },
    }
    lines = [f"{name}: {found[name]:g} (aim: at most {aim:g})" for name, aim in AIMS.items()]
    lines += [f"  {name}: {one['median_ms']:.0f} ms, at worst {one['worst_ms']:.0f}" for name, one in pages.items()]
    lines += [
        f"  {name}: {one['hits']} hits, the first after {one['first_s']:.2f} s, all after {one['curve_s']:.2f} s"
        for name, one in searches.items()
    ]
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_run(parser)
    parser.add_argument("--turns", type=int, default=30, help="of each page")
    parser.add_argument("--starts", type=int, default=5, help="of the server, for each first answer")
    add_report(parser)
    return parser.parse_args()


Request = tuple[str, dict[str, Any]]


def page_requests(options: argparse.Namespace, chance: random.Random) -> dict[str, Callable[["Server"], list[Request]]]:
    """For each page the addresses that it asks for, of another step and group each time."""
    run = {"run": options.run.name}

    def group() -> dict[str, Any]:
        return {**run, "step": chance.randrange(options.steps), "group": chance.randrange(options.groups)}

    def problem(server: "Server") -> str:
        found = server.json("problems", {**run, "sort": "name", "page": chance.randrange(1, 20)})["problems"]
        return str(chance.choice(found)["problem"])

    def response(server: "Server") -> list[Request]:
        of = group()
        return [("response", {**of, "response": chance.randrange(options.size)}), ("group", of), ("notes", run)]

    def list_of(server: "Server") -> list[Request]:
        sort, page = chance.choice(["visits", "rate", "gain", "name"]), chance.randrange(1, 20)
        return [("problems", {**run, "sort": sort, "page": page})]

    return {
        "runs": lambda server: [("runs", {})],
        "run": lambda server: [("run", run)],
        "step": lambda server: [("step", {**run, "step": chance.randrange(options.steps)})],
        "group": lambda server: [("group", group())],
        "response": response,
        "problems": list_of,
        "problem": lambda server: [("problem", {**run, "problem": problem(server)})],
        "chat": lambda server: [("chat/models", run), ("problems", {**run, "sort": "visits"})],
        "notes": lambda server: [("notes", run)],
        "events": lambda server: [("poll", run)],
    }


class Server:
    """A server at work."""

    def __init__(self, process: subprocess.Popen[str], port: int):
        self.process, self.port = process, port
        self.pool = ThreadPoolExecutor(6)  # connections of a browser

    def seconds(self, requests: Sequence[Request]) -> float:
        """Until all of them are answered, asked at once."""
        begun = time.perf_counter()
        list(self.pool.map(lambda request: self.body(*request), requests))
        return time.perf_counter() - begun

    def json(self, what: str, params: dict[str, Any]) -> Any:
        return json.loads(self.body(what, params))

    def body(self, what: str, params: dict[str, Any]) -> bytes:
        answer = self.answer(what, params)
        return answer.read()

    def answer(self, what: str, params: dict[str, Any]) -> http.client.HTTPResponse:
        """That to one address, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", f"/api/{what}?{urlencode(params)}")
        answer = connection.getresponse()
        assert answer.status == 200, (what, params, answer.read()[:500])
        return answer

    def chat(self) -> None:
        """Ask nano, in a process of its own, which loads torch."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        body = {"models": ["nano"], "messages": [{"role": "user", "content": "Solve x^2-5x+6=0"}], "max_tokens": 100}
        headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}"}
        connection.request("POST", "/api/chat", json.dumps(body), headers)
        assert b'"end"' in connection.getresponse().read()

    def chats_process(self) -> int:
        """The process with the models, once one was asked: of those that the server has begun the largest (Linux)."""
        begun = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return max(map(int, begun), key=lambda pid: self.memory(pid)["now_mb"])

    def memory(self, pid: int | None = None) -> dict[str, float]:
        """What it holds, or another process, and the most that it held, in MB (Linux)."""
        status = Path(f"/proc/{pid or self.process.pid}/status").read_text()
        return {
            f"{name}_mb": round(int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) / 1000, 1)
            for name, field in (("most", "VmHWM"), ("now", "VmRSS"), ("anonymous", "RssAnon"))
        }


@contextmanager
def served(run: Path) -> Iterator[Server]:
    """`groupthink view` of the folder of a run, without an index."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "groupthink.cli", "view", run.parent, "--port", "0", "--no-browser"]
        env = os.environ | {"XDG_CACHE_HOME": cache, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env=env)
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)/", process.stdout.readline())
            assert found, "it did not begin"
            yield Server(process, int(found[1]))
        finally:
            process.terminate()
            process.wait(20)


def first_step(run: Path, step: int) -> float:
    """Seconds until a server that has just begun has answered for a step that it has never seen."""
    forget(run)
    with served(run) as server:
        return round(server.seconds([("step", {"run": run.name, "step": step})]), 3)


def cold_search(run: Path, asked: dict[str, str], starts: int) -> dict[str, Any]:
    """The same of a search: of so many starts the one whose first hit is the median, and of each when it came."""
    found = []
    for _ in range(starts):
        forget(run)
        with served(run) as server:
            found.append(search(server, {"run": run.name, **asked}))
    found.sort(key=lambda one: one["first_s"])
    tell(f"{asked}: first hits after {[one['first_s'] for one in found]} s")
    return {**found[len(found) // 2], "first_s_of_each_start": [one["first_s"] for one in found]}


def forget(run: Path) -> None:
    """Put the run's files out of the system's cache."""
    for file in run.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def wait_until_read(server: Server, run: str) -> None:
    """Wait until all groups of the run have been read, which goes on while pages are shown."""
    begun = time.perf_counter()
    while (found := server.json("problems", {"run": run, "sort": "visits"}))["steps"] < found["of"]:
        assert time.perf_counter() - begun < 300, "it is never read"
        time.sleep(0.5)
    tell(f"all groups were read after {time.perf_counter() - begun:.1f} s")


def measured(server: Server, draw: Callable[[Server], list[Request]], turns: int) -> dict[str, float]:
    """The time of a page, over several of its kind."""
    times = [1000 * server.seconds(draw(server)) for _ in range(turns)]
    return {"median_ms": round(median(times), 1), "worst_ms": round(max(times), 1)}


def search(server: Server, asked: dict[str, str]) -> dict[str, Any]:
    """When its first hit comes, and its end."""
    begun, first, last = time.perf_counter(), None, {}
    answer = server.answer("search", asked)
    for line in answer:
        last = json.loads(line)
        if "hit" in last and first is None:
            first = time.perf_counter() - begun
    ended = time.perf_counter() - begun
    assert "curve" in last, last
    return {
        "hits": last["hits"],
        "first_s": round(ended if first is None else first, 3),
        "curve_s": round(ended, 3),
        "stopped": last["stopped"],
    }


if __name__ == "__main__":
    main()

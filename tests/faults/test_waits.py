"""No wait without a limit, and an error that names who is waited for: every wait of the program, and what bounds it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "groupthink"

ALWAYS = frozenset(
    (
        *("wait", "wait_for", "recv", "recv_bytes", "acquire", "communicate", "sleep", "readline", "urlopen"),
        *("create_connection", "barrier", "all_gather_object", "init_process_group", "TCPStore", "run_until_complete"),
        *("run_sync", "AsyncClient", "flock", "lockf"),
    )
)
"""Names of calls that may wait, whatever they are called on."""

THREADS = re.compile(r"process|thread|parent|writer|worker", re.IGNORECASE)
"""What a `join` is called on that is none of texts."""

HELD = re.compile(r"(?:\b|_)lock\b|_changed|semaphore|places\b|one_at_a_time|Executor", re.IGNORECASE)
"""What a `with` waits for."""


class Found(NamedTuple):
    """Found("run/heartbeat.py", "_beat", "over.wait(every)")"""

    file: str
    function: str
    call: str


def waits(file: Path) -> Iterator[Found]:
    """The calls in a file that may wait for somebody else."""

    def walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[Found]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = (*names, node.name)
        told = None
        if isinstance(node, ast.Call) and may_wait(node):
            told = ast.unparse(node)
        elif isinstance(node, ast.withitem) and HELD.search(ast.unparse(node.context_expr)):
            told = f"with {ast.unparse(node.context_expr)}"
        if told:
            yield Found(file.relative_to(PACKAGE).as_posix(), ".".join(names), told)
        for inner in ast.iter_child_nodes(node):
            yield from walk(inner, names)

    yield from walk(ast.parse(file.read_text(encoding="utf-8")), ())


def may_wait(call: ast.Call) -> bool:
    """By the name of what is called, and what stands before it."""
    name, of = (
        (call.func.attr, ast.unparse(call.func.value))
        if isinstance(call.func, ast.Attribute)
        else (call.func.id if isinstance(call.func, ast.Name) else "", "")
    )
    words = {word.arg for word in call.keywords}
    match name:
        case "join":
            return bool(THREADS.search(of)) and not isinstance(call.func.value, ast.Constant)
        case "get":  # of a queue: a mapping is asked for a key
            return of == "ray" or not call.args or bool(words & {"block", "timeout"})
        case "result":
            return True
        case "poll":
            return True
        case "select":
            return of == "select"
        case "run" | "call" | "check_call" | "check_output":
            return of in ("subprocess", "asyncio")
    return name in ALWAYS


SERVED = "its parent's life: the end of the pipe ends it, and a thread of its own ends it with the parent"
HERE = "nobody: it is computed here, by the step that is called"
HANDLE = "its engine: `rollout.patience`, `scale.patience` and so many failures, named by whoever is gone"
DONE = "nothing: it is done"
MOMENT = "a moment: who holds it computes or reads files, and waits for nobody"
INBOX = "an inbox of a daemon thread, which has nothing else to do and ends with its process"
CLIENT = "its client: what was asked is cancelled when that has gone; a lane that fails tells whoever waits"

WAITS: dict[str, dict[tuple[str, str], str]] = {
    # file: {(function, call): who is waited for, and until when}
    "processes.py": {
        ("kill", "process.join(ENDS_WITHIN)"): "a killed process: ENDS_WITHIN, then a warning names it",
        ("_follow_parent", "parent.join()"): "the parent: to end with it is all that this daemon thread is for",
    },
    "stopping.py": {
        (
            "_Asked._wait",
            "finished.wait(min(left, SAME_STOP))",
        ): "what goes before a stop: SAME_STOP, in silence",
        (
            "_Asked._wait",
            "finished.wait(max(0.0, left - SAME_STOP))",
        ): "the same: PATIENCE, as it says, then the stop",
    },
    "model/hub.py": {
        ("_failure", "thread.join(seconds)"): "the hub: PATIENCE, then an error or what is kept here, and both name it",
    },
    "model/workers.py": {
        ("Workers.receive", "self.connections[i].poll(0)"): "nobody",
        ("Workers.receive", "self.connections[i].recv()"): "half a message: `limit`, then WorkerGone names the worker",
        ("Workers.wait", "self.connections[i].poll(seconds)"): "a worker: `seconds`; `receive` then counts its silence",
        ("Workers.close", "process.join(max(0.0, end - time.monotonic()))"): "a worker: `patience`, then it is killed",
        ("Workers._death", "self.processes[i].join(2)"): "a dead worker's exit code: 2 s",
        ("Mailbox.recv", "self._inbox.get()"): SERVED,
        ("Mailbox.flush", "self._writer.join()"): SERVED,
        ("Mailbox._read", "self._connection.recv_bytes()"): INBOX,
        ("Mailbox._write", "self._outbox.get()"): INBOX,
    },
    "policy/team.py": {
        (
            "Team._answer",
            "self._workers.wait(i, 0.2)",
        ): "a worker: 0.2 s at a time; silent for SILENCE it is WorkerGone",
    },
    "policy/worker.py": {("learn", "connection.recv()"): SERVED},
    "rollout/worker.py": {("draw", "connection.recv()"): SERVED, ("draw", "handle.result()"): HERE},
    "rollout/ahead_worker.py": {
        ("draw_ahead", "connection.recv()"): SERVED,
        ("draw_ahead", "connection.poll()"): "nobody",
        ("draw_ahead", "handle.result()"): HERE,
    },
    "rollout/worker_engine.py": {
        ("WorkerEngine.advance", "self.workers.wait(i, 0.2)"): "a worker: 0.2 s at a time, `rollout.patience` in all",
        ("LocalHandle.result", "self.handle.result()"): HERE,
    },
    "rollout/ahead_engine.py": {
        ("AheadEngine.advance", "self.workers.wait(worker, 0.2)"): "its process: 0.2 s, `rollout.patience` in all",
    },
    "rollout/remote.py": {("RemoteHandle.__iter__", "self.result()"): HANDLE},
    "rollout/generate.py": {
        ("Pending.result", "handle.result()"): HANDLE,
        ("generate", "pending.result()"): HANDLE,
    },
    "rollout/turns.py": {("take_turns", "handle.result()"): HANDLE},
    "rollout/vllm/other_python.py": {
        ("OtherPython.receive", "self.process.poll()"): "nobody",
        (
            "OtherPython.receive",
            "self.connection.poll(seconds)",
        ): "vLLM: `seconds`; `patience` in all, then Gone names it",
        ("OtherPython.receive", "self.connection.recv()"): "half a message: SO_RCVTIMEO, `rollout.patience`",
        ("OtherPython.close", "self.process.wait(GRACE)"): "vLLM: GRACE, then it is killed",
        ("OtherPython.kill", "self.process.wait(GRACE)"): "a killed process: GRACE",
        ("OtherPython._dead", "self.process.wait(GRACE)"): "a dead process's exit code: GRACE",
    },
    "rollout/vllm/worker.py": {
        ("main.read", "connection.recv()"): INBOX,
        ("main.write", "outbox.get()"): INBOX,
        ("main", "sent.wait()"): SERVED,
        ("Service.serve", "self.inbox.get()"): SERVED,
        ("Service._messages", "self.inbox.get(block=not self.core.busy)"): SERVED,
        ("Service._while_opening", "opening.wait(self.interval)"): "`interval`, between two signs of life",
    },
    "rollout/vllm/core.py": {("VllmCore.release", "self._engine.sleep(level=1)"): "nobody: memory is given back"},
    "model/logprobs.py": {
        ("_Score.backward", "gradients.result()"): DONE,
        ("_ScoreLoss.forward", "gradients.result()"): DONE,
    },
    "stage/ahead.py": {("Ahead._groups", "asked.result()"): HANDLE},
    "stage/probe.py": {("Probe.difference", "handle.result()"): HANDLE},
    "reward/beside.py": {
        ("run_beside", "beside.outcome.result()"): DONE,
        ("here", "_BESIDE.get()"): "nobody: a context variable",
        ("_Beside.serve", "self._asked.get()"): "the loop, in which every wait has a limit of its own",
        ("_Beside.stop", "self.thread.join(GRACE)"): "the loop: GRACE",
        ("_Beside._look_after_calls", "asyncio.sleep(LOOK)"): "LOOK, between two looks at a call",
        ("_Beside._work", "asyncio.run(self._run())"): "what is awaited there: each of it has its own limit",
    },
    "reward/places.py": {
        (
            "Places.__aenter__",
            "self._held.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.n)).acquire()",
        ): "those inside: each for `code.seconds` (its patience) or `judge.seconds`",
    },
    "reward/code.py": {
        ("Programs._called", "with self._places"): "those inside: `code.seconds`",
        ("Programs._fed", "with self._places"): "those inside: `code.seconds`",
    },
    "reward/sandbox.py": {
        ("output_of", "process.wait()"): "a program: `code.seconds` (where.patience), then it has failed",
        (
            "verdicts_on",
            "checker.stderr.readline()",
        ): "tests: `code.seconds` (where.patience), then the rest has failed",
        (
            "_probe",
            "subprocess.run(command, env=ENVIRONMENT, pass_fds=[calls.fileno()], capture_output=True, text=True, "
            "timeout=60)",
        ): "bubblewrap: 60 s, then ValueError says that it does not work",
        ("_let_go", "process.wait()"): "a killed sandbox: ENDS_WITHIN",
        ("_let_go", "asyncio.sleep(0)"): "a turn of the loop",
    },
    "reward/reaper.py": {
        ("Reaper.watch", "with self._lock"): MOMENT,
        ("Reaper.forget", "with self._lock"): MOMENT,
        ("Reaper._end", "process.wait(ENDS_WITHIN)"): "a killed process: ENDS_WITHIN",
        ("Reaper._close", "process.wait(ENDS_WITHIN)"): "a process that has nothing to read any more: ENDS_WITHIN",
    },
    "reward/inside/limits.py": {
        ("take_job", "waiting.poll(0)"): "nobody",
        ("take_job", "select.poll()"): "nobody",
    },
    "reward/inside/check.py": {
        ("Link.ask", "self.answers.readline(LONGEST)"): "the program: whoever began both kills them (`code.seconds`)",
    },
    "reward/model_judge.py": {
        (
            "ModelJudge.__call__",
            "httpx2.AsyncClient(headers=_headers(self.server), timeout=self.server.seconds)",
        ): "the judge's server: `judge.seconds` for a try, `judge.tries` of them; the error names its address",
        ("ModelJudge._ask", "with self._places"): "those inside: `judge.seconds`",
        (
            "ModelJudge._ask",
            "asyncio.sleep(min(wait, LONGEST_PAUSE) * random.uniform(1.0, 1.3))",
        ): "LONGEST_PAUSE, between two of `judge.tries`",
    },
    "task/aside.py": {
        ("Aside.receive", "self._connection.poll(self._seconds)"): "a call: `seconds` (and `opening`), then Failed",
        ("Aside.receive", "self._connection.recv()"): "half an answer: `limit`, then Failed",
        ("_serve", "connection.recv()"): SERVED,
    },
    "task/environment_aside.py": {
        ("_run", "_loop().run_until_complete(coroutine)"): "an environment: whoever asks ends this process (`Aside`)",
    },
    "task/answer/mathematics.py": {
        (
            "MathRule.many",
            "with ThreadPoolExecutor(self._pool.processes)",
        ): "comparisons: SECONDS each, then they count as wrong",
    },
    "task/answer/pool.py": {
        ("Pool.ask", "self._free.get(timeout=seconds)"): "a free worker: TURNS comparisons, then RuntimeError",
        ("Pool.close", "with self._lock"): MOMENT,
        ("Pool._begin", "with self._lock"): MOMENT,
        ("Pool._end", "with self._lock"): MOMENT,
        ("_Worker.wait_until_ready", "self._connection.poll(max(left, 0.0))"): "a worker: STARTING, then RuntimeError",
        ("_Worker.wait_until_ready", "self._connection.recv_bytes(MAX_ANSWER)"): "so few bytes come as one",
        (
            "_Worker.ask",
            "self._connection.poll(max(0.0, end - time.monotonic()))",
        ): "a comparison: `seconds`, then TooLong and its process is killed",
        ("_Worker.ask", "self._connection.recv_bytes(MAX_ANSWER)"): "so few bytes come as one",
        ("_Worker.kill", "self._process.wait(ENDS_WITHIN)"): "a killed worker: ENDS_WITHIN",
    },
    "task/answer/worker.py": {("main", "connection.recv_bytes(MAX_MESSAGE)"): SERVED},
    "insight/plan/measure.py": {
        (
            "measure",
            "subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment)",
        ): "the rehearsal: PATIENCE, then RuntimeError",
    },
    "scale/look.py": {
        (
            "look_at",
            "subprocess.run([sys.executable, '-c', CODE, settings.address], capture_output=True, text=True, "
            "timeout=patience, check=False, env={**os.environ, 'PYTHONPATH': paths})",
        ): "a cluster: `patience`, then ValueError names its address",
        ("_require_listener", "socket.create_connection((host, int(port)), timeout=KNOCK)"): "its port: KNOCK",
    },
    "scale/cluster.py": {
        (
            "Cluster.reserve",
            "group.wait(seconds)",
        ): "room: `scale.patience`, then NoPlace says for whom, and what lacks",
        (
            "Cluster.reclaim",
            "places[0].group.wait(self.settings.patience)",
        ): "room on another machine: `scale.patience`, then NoPlace says for whom, and what lacks",
        (
            "_knock",
            "socket.create_connection((host.removeprefix('ray://').strip('[]'), int(port)), timeout=ANSWER)",
        ): "a cluster's port: ANSWER",
    },
    "insight/plan/cluster/simulate.py": {("_Run.steps", "wait()"): "nobody: a simulated learner"},
    "scale/rank.py": {
        (
            "Rank.host",
            "dist.TCPStore(address, 0, self.ranks, is_master=True, timeout=timedelta(seconds=patience), "
            "wait_for_workers=False)",
        ): "other ranks: `scale.patience`; who is missed is named by `troubles.py`",
        (
            "Rank.meet",
            "dist.TCPStore(address, port, self.ranks, is_master=False, timeout=timeout)",
        ): "the first rank: `scale.patience`",
        (
            "Rank.meet",
            "dist.init_process_group(backend, store=self.store, rank=self.rank, world_size=self.ranks, "
            "timeout=timeout)",
        ): "other ranks: `scale.patience`",
    },
    "scale/weights.py": {
        (
            "_got",
            "ray.get(bucket.reference, timeout=seconds)",
        ): "weights: `scale.patience`, then RuntimeError says whose",
    },
    "scale/direct.py": {
        (
            "Landing.read",
            "ray.get(reference, timeout=seconds)",
        ): "weights: `scale.patience`, then RuntimeError says whose",
    },
    "scale/crew.py": {("Crew._take", "future.result()"): DONE},
    "scale/drawer.py": {
        ("Drawer._take_orders", "self._orders.get(timeout=IDLE)"): "orders: IDLE, between two signs of life",
        ("Drawer._step", "asked.handle.result()"): DONE,
    },
    "scale/engines.py": {
        ("RayEngines.load", "self.wait(lambda: self._all_have(number))"): HANDLE,
        ("RayEngines.close", "self._thread.join(timeout=30)"): "its thread: 30 s",
        (
            "RayEngines.wait",
            "self._changed.wait(WAIT)",
        ): "WAIT at a time; the thread misses who is silent (`scale.patience`)",
        ("RayEngines.wait", "with self._changed"): MOMENT,
        ("RayEngines._work", "with self._changed"): MOMENT,
        ("RayEngines._next_event", "self._events.get(timeout=WAIT)"): "events: WAIT, between two looks around",
    },
    "scale/learners.py": {
        (
            "Learners._heard",
            "ray.wait(waiting, timeout=1.0)",
        ): "ranks: 1 s at a time, `scale.patience` without progress",
        ("Learners._heard", "ray.get(reference, timeout=patience)"): "an answer on its way: `scale.patience`",
        (
            "Learners._whereabouts",
            "ray.wait(list(asked), num_returns=len(asked), timeout=LOOK)",
        ): "ranks: LOOK, then they do not answer",
        ("Learners._whereabouts", "ray.get(reference, timeout=LOOK)"): "an answer on its way: LOOK",
    },
    "scale/queue.py": {
        ("QueuedHandle.result", "self.engine.wait(lambda: self.work.done)"): HANDLE,
        ("QueuedHandle.__iter__", "self.result()"): HANDLE,
    },
    "scale/ranks.py": {
        (
            "Ranks._each",
            "dist.all_gather_object(everyones, found, group=self._group)",
        ): "other ranks: the group's timeout, `scale.patience`",
    },
    "scale/sharded_learner.py": {
        ("ShardedLearner._once", "dist.barrier(self.group)"): "other ranks: the group's timeout, `scale.patience`",
    },
    "scale/rewards.py": {
        (
            "RayJudge.score",
            "ray.wait([*given, *self.opening], num_returns=1, timeout=WAIT)",
        ): "workers: WAIT at a time, `scale.patience` for a group, and for one that begins",
        (
            "RayJudge._welcome",
            "self.cluster.ray.get(answer, timeout=self.settings.patience)",
        ): "an answer on its way: `scale.patience`",
        ("RayJudge.score", "ray.get(answer, timeout=self.settings.patience)"): "an answer on its way: `scale.patience`",
    },
    "run/heartbeat.py": {("_beat", "over.wait(every)"): "`every`, between two beats"},
    "run/lock.py": {("Lock.__init__", "self._lock.acquire()"): "nobody: blocking=False, and BlockingIOError says who"},
    "web/api.py": {
        (
            "Api._in_thread",
            "to_thread.run_sync(work, limiter=self._long.get(what, self._readers))",
        ): "a thread that reads files",
        ("Api._watched", "to_thread.run_sync(work, limiter=self._watchers)"): "a thread that reads files",
    },
    "web/http.py": {("lines", "to_thread.run_sync(some, limiter=limiter)"): "a thread that reads files"},
    "web/search/walk.py": {("_ahead", "future.result()"): "a thread that reads a file, of which SECONDS are the end"},
    "web/chat/models.py": {
        ("Models.get", "with self._one_at_a_time"): "earlier questions: PATIENCE and OPENING each",
        ("Models._make_room", "self._left.wait()"): "models that are asked: PATIENCE, then RuntimeError",
    },
    "web/chat/process.py": {
        ("Worker.told", "asyncio.wait_for(waiting.get(), SILENCE)"): "the process: SILENCE, then WorkerGone names it",
        ("Worker.told", "waiting.get()"): "the same",
        ("Worker._listen", "self._mailbox.recv()"): INBOX,
        (
            "Worker._listen",
            "self.process.join(ENDS_WITHIN)",
        ): "a process without a pipe: ENDS_WITHIN, then it is killed",
    },
    "web/chat/work.py": {
        ("answer_questions", "asyncio.run(_live(Mailbox(connection), folder))"): SERVED,
        ("_live", "inbox.get()"): SERVED,
        ("_read", "mailbox.recv()"): INBOX,
        ("_beat", "asyncio.sleep(SIGN_OF_LIFE)"): "SIGN_OF_LIFE, between two of them",
    },
    "web/listen.py": {
        ("_end_at", "time.sleep(max(0.0, moment - time.monotonic()))"): "ENDS_WITHIN, then the process ends itself",
    },
    "web/live.py": {
        ("Ending.within", "asyncio.wait_for(self._event.wait(), seconds)"): "`seconds`, between two looks",
        ("Ending.within", "self._event.wait()"): "the same",
        ("Journal.look", "with self._lock"): MOMENT,
        ("Journal.standing", "with self._lock"): MOMENT,
        ("Journal.after", "with self._lock"): MOMENT,
    },
    "web/reading/index.py": {
        ("groups_of", "with _lock"): MOMENT,
        ("warm", "stopped.wait(BIT / 10)"): "BIT / 10, between two bits",
        ("Warmed.ask", "with self._lock"): MOMENT,
        ("Warmed._end", "thread.join(ENDS_WITHIN)"): "the step that is being read: ENDS_WITHIN",
        ("Warmed._work", "self._wanted.get()"): INBOX,
        ("Warmed._work", "with self._lock"): MOMENT,
        ("_Index.updated", "with self._lock"): MOMENT,
    },
    "web/reading/kept.py": {("Kept.__call__", "with self._lock"): MOMENT},
    "web/reading/series.py": {
        ("_Columns.series", "with self._lock"): MOMENT,
        ("series_of", "with _lock"): MOMENT,
    },
    "web/seed.py": {
        ("_computed", "connection.poll(PATIENCE)"): "the worked example: PATIENCE, then RuntimeError",
        ("_computed", "connection.recv()"): "half an answer: its process, which it ends with",
    },
    "web/verbs.py": {
        ("beside", "connection.poll(FIRST_WORD)"): "a server's first word: FIRST_WORD, then it is said that none began",
        ("beside", "connection.recv()"): "a line, which comes as one",
    },
    "web/serve/app.py": {
        (
            "Endpoints._encoded",
            "to_thread.run_sync(lambda: encode(self._other_chat), limiter=self._one_at_a_time)",
        ): "a thread that computes, and at most MOST_LONG others before it",
    },
    "web/serve/attended.py": {
        ("Attended.__call__", "asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)"): CLIENT,
        ("Attended.__call__", "work.result()"): DONE,
    },
    "web/serve/lane.py": {
        ("Generation.__aiter__", "self.news.get()"): CLIENT,
        ("Lane.close", "self._thread.join(CLOSING)"): "the step that is being made: CLOSING",
        ("Lane._take_orders", "self._orders.get(block=idle, timeout=None if rested else REST)"): INBOX,
    },
    "web/serve/together.py": {("together", "found.get()"): CLIENT},
}


@pytest.fixture(scope="module")
def found() -> set[Found]:
    return {wait for file in sorted(PACKAGE.rglob("*.py")) for wait in waits(file)}


def test_every_wait_is_known_and_says_what_bounds_it(found):
    known = {Found(file, *place) for file, places in WAITS.items() for place in places}
    assert sorted(found - known) == [], "waits that are not in the table: give each a limit, and say it there"
    assert sorted(known - found) == [], "waits of the table that are not there any more"


def test_each_names_a_limit():
    assert all(len(said) > 5 for places in WAITS.values() for said in places.values())


@pytest.mark.parametrize(
    "code",
    [
        "q.get()", "self.process.join()", "thread.join(None)", "event.wait()", "connection.recv()", "ray.get(x)",
        "lock.acquire()", "subprocess.run(['x'])", "process.communicate()", "select.select(a, b, c)", "urlopen(u)",
        "future.result()", "time.sleep(1)", "dist.barrier()", "connection.poll(None)", "fcntl.flock(f, 2)",
    ],
)  # fmt: skip
def test_a_wait_is_seen(code):
    call = ast.parse(code).body[0].value
    assert may_wait(call)


@pytest.mark.parametrize("code", ["', '.join(x)", "sep.join(x)", "d.get('a')", "np.select(a, b)", "os.path.join(a, b)"])
def test_what_waits_for_nobody_is_not(code):
    assert not may_wait(ast.parse(code).body[0].value)

"""The process with the chat page's models: it is begun by the first question, watched, and ended."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import aclosing, asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from groupthink.model.workers import WorkerGone
from groupthink.web.chat import process as chat_process
from groupthink.web.chat.process import Apart
from groupthink.web.chat.question import read_question
from tests.web.made import endless_run
from tests.web.serve.client import reset

ROOT = Path(__file__).parents[3]
SHORT = {"max_tokens": 5}
LONG = {"models": ["endless@model"], "n": 32}  # many seconds of drawing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of runs, one of which has a model that does not end by itself."""
    folder = tmp_path_factory.mktemp("runs")
    endless_run(folder / "endless")
    return folder


@asynccontextmanager
async def apart(folder):
    one = Apart(folder)
    try:
        yield one
    finally:
        one.close()


def body(**more):
    return {"models": ["nano"], "messages": [{"role": "user", "content": "Solve x^2-5x+6=0"}], **more}


def question(**more):
    return read_question(body(**more))


async def collect(one, asked, after_first=lambda: None):
    """All lines; `after_first` is called when the first are there."""
    found = []
    async with aclosing(one.lines(asked)) as lines:
        async for some in lines:
            if not found:
                after_first()
            found += [json.loads(line) for line in some.splitlines()]
    return found


def gone(pid):
    """Whether a process has ended (a zombie has, too)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(true, seconds=20.0):
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it never came about"
        time.sleep(0.05)


def test_it_answers_and_refuses_and_goes_on(folder):
    async def several():
        async with apart(folder) as one:
            assert one.worker is None
            found = await collect(one, question(**SHORT))
            assert found[-1] == {"end": True} and sum("done" in line for line in found) == 1
            process = one.worker.process
            with pytest.raises(LookupError, match="no model 'endless@3'"):
                await collect(one, question(models=["endless@3"]))
            with pytest.raises(LookupError, match="no run is called"):
                await collect(one, question(run="../zero", **SHORT))
            both = await asyncio.gather(*(collect(one, question(seed=1, **SHORT)) for _ in range(2)))
            assert both[0] == both[1] and one.worker.process is process and not one.worker.waiting

    asyncio.run(several())


def test_killed_in_mid_answer_it_is_told_and_the_next_question_is_answered(folder):
    async def killed():
        async with apart(folder) as one:
            with pytest.raises(WorkerGone, match=r"the process that answers \(\d+\) has died \(exit code -9\)"):
                await collect(one, question(**LONG), lambda: os.kill(one.worker.process.pid, signal.SIGKILL))
            first = one.worker.process.pid
            assert (await collect(one, question(**SHORT)))[-1] == {"end": True}
            assert one.worker.process.pid != first

    asyncio.run(killed())


def test_where_it_hangs_the_wait_has_an_end(folder, monkeypatch):
    async def hung():
        async with apart(folder) as one:
            await collect(one, question(**SHORT))
            monkeypatch.setattr(chat_process, "SILENCE", 0.5)
            with pytest.raises(WorkerGone, match="has said nothing for"):
                await collect(one, question(**LONG), lambda: os.kill(one.worker.process.pid, signal.SIGSTOP))
            until(lambda: gone(one.worker.process.pid))

    asyncio.run(hung())


def test_after_a_while_without_questions_it_ends(folder, monkeypatch):
    monkeypatch.setattr(chat_process, "IDLE", 1.0)

    async def idle():
        async with apart(folder) as one:
            await collect(one, question(**SHORT))
            process = one.worker.process
            await asyncio.sleep(0.5)
            await collect(one, question(**SHORT))  # which begins the while anew
            await asyncio.sleep(0.6)
            assert one.worker.process is process
            await asyncio.sleep(0.8)
            assert one.worker is None
            await asyncio.to_thread(until, lambda: gone(process.pid))

    asyncio.run(idle())


class Viewed:
    """`groupthink view` in a process of its own."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "groupthink.cli", "view", folder, "--port", "0", "--no-browser"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"XDG_CACHE_HOME": str(folder)}, **pipes)
        self.port = int(re.search(r"http://127.0.0.1:(\d+)", self.process.stdout.readline())[1])

    def begin(self, **more):
        """A question on its way: the connection, and the answer from its first line on."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        origin = f"http://127.0.0.1:{self.port}"
        headers = {"origin": origin, "content-type": "application/json"}
        connection.request("POST", "/api/chat", json.dumps(body(**more)), headers)
        return connection, connection.getresponse()

    def worker(self):
        """The process with the models."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (found,) = [
            int(pid) for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        return found

    def maps_torch(self):
        return "libtorch" in Path(f"/proc/{self.process.pid}/maps").read_text()


@pytest.fixture
def viewed(folder):
    one = Viewed(folder)
    yield one
    one.process.kill()
    one.process.communicate()


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_the_server_itself_stays_without_torch_and_takes_it_along_when_it_dies(viewed):
    _, answer = viewed.begin(**SHORT)
    assert answer.status == 200 and answer.read().endswith(b'{"end":true}\n')
    worker = viewed.worker()
    assert not viewed.maps_torch() and "libtorch" in Path(f"/proc/{worker}/maps").read_text()
    viewed.process.kill()
    until(lambda: gone(worker))


@linux
def test_nothing_is_written_to_a_page_that_has_gone_and_one_is_told_that_it_died_and_may_ask_again(viewed):
    viewed.begin(**SHORT)[1].read()
    for _ in range(8):
        connection, answer = viewed.begin(**LONG | {"n": 64})
        read = 0
        while read < 40_000:
            read += len(answer.readline())
        reset(connection.sock)
        answer.close()
    time.sleep(0.5)
    assert viewed.begin(**SHORT)[1].read().endswith(b'{"end":true}\n')
    _, answer = viewed.begin(**LONG)
    first = answer.readline()
    os.kill(viewed.worker(), signal.SIGKILL)
    last = (first + answer.read()).splitlines()[-1]
    assert "has died (exit code -9)" in json.loads(last)["error"]
    _, answer = viewed.begin(**SHORT)
    assert answer.read().endswith(b'{"end":true}\n')
    viewed.process.send_signal(signal.SIGTERM)
    worker = viewed.worker()
    assert viewed.process.communicate(timeout=10)[1] == "" and viewed.process.returncode == 0
    until(lambda: gone(worker))

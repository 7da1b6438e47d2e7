"""Processes that begin with torch and transformers imported: most of what a short one takes are these imports.

They are forked, by multiprocessing's fork server, from a process that has imported these and nothing of ours. All else
is as in a process that begins anew: it shares nothing with the tests, gets signals, and has an exit code.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from types import SimpleNamespace
from unittest.mock import patch

from groupthink import processes

IMPORTED = ["transformers.models.auto.modeling_auto", "transformers.models.qwen3.modeling_qwen3"]
"""With all that they import in their turn."""


class Warm:
    """What a test asks of a `subprocess.Popen` with pipes of text, of `work(*words)` in a process that is forked.

    `work` is one of the functions below, `env` variables that are added. `merged`: stdout has what is said on stderr.
    """

    def __init__(self, work: Callable[..., None], *words: object, cwd=None, env=None, merged=False):
        server = _server()
        ours, theirs = zip(*(server.Pipe(duplex=False) for _ in range(1 if merged else 2)), strict=True)
        given = ([str(word) for word in words], theirs, cwd or os.getcwd(), dict(os.environ) | (env or {}))
        self._process = server.Process(target=_live, args=(work, *given))
        self._process.start()
        for end in theirs:
            end.close()  # or it would not be seen that the process has ended
        self.stdout, self.stderr = (*map(_text, ours), None)[:2]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str | None]:
        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(lambda end: end and end.read(), (self.stdout, self.stderr)))
        self.wait(timeout)
        return said[0], said[1]

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def run(command: list[str], *, env: dict[str, str], timeout: float, **_: object) -> subprocess.CompletedProcess:
    """In place of `subprocess.run`, of `python -c TEXT WORDS`."""
    process = Warm(code, *command[2:], env=env)
    out, err = process.communicate(timeout)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def module(name: str, *words: str) -> None:
    """`python -m NAME WORDS`."""
    sys.argv = [name, *words]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def script(path: str, *words: str) -> None:
    """`python PATH WORDS`."""
    sys.argv = [path, *words]
    sys.path.insert(0, os.path.dirname(path))
    runpy.run_path(path, run_name="__main__")


def code(text: str, *words: str) -> None:
    """`python -c TEXT WORDS`."""
    sys.argv = ["-c", *words]
    exec(text, {"__name__": "__main__"})


@contextmanager
def warm_processes() -> Iterator[None]:
    """What `groupthink.processes` begins is forked, but for what is given an environment of its own."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    first = _first_environment()

    def get_context(method: str):
        return _server() if _environment() == first else multiprocessing.get_context(method)

    with patch.object(processes, "multiprocessing", SimpleNamespace(get_context=get_context)):
        yield


@contextmanager
def processes_anew() -> Iterator[None]:
    """What `groupthink.processes` begins is begun as for users."""
    with patch.object(processes, "multiprocessing", multiprocessing):
        yield


def _server() -> multiprocessing.context.ForkServerContext:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(IMPORTED)
    with patch.dict(os.environ, _first_environment(), clear=True):
        forkserver.ensure_running()
    return server


@cache
def _first_environment() -> dict[str, str]:
    """The session's, whatever a test has changed by now."""
    return _environment()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _text(end: Connection):
    with end:
        return open(os.dup(end.fileno()), encoding="utf-8")


def _live(work, words: list[str], ends: tuple[Connection, ...], cwd: str, environment: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, end in zip((1, 2), (*ends, *ends), strict=False):
        os.dup2(end.fileno(), number)
    for end in ends:
        end.close()
    work(*words)

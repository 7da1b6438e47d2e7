"""Workers of Ray that are forked from a process that has torch imported: most of what one's beginning takes.

Ray begins `begin_worker.py` in the place of a worker. That asks a process of ours for a fork, in which Ray's own script
runs. So all else is as in a worker that begins anew: it joins, is given an actor, dies and is killed as a process of
its own. Who kills what Ray has begun kills the fork, too.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import warm

IMPORTED = ["torch.distributed.fsdp", "torch.distributed.checkpoint"]
"""By learners, beside what other tests need. (Ray itself takes its settings as it is imported.)"""


@contextmanager
def warm_workers(folder: Path) -> Iterator[dict[str, str]]:
    """Settings for a node of Ray, with which its workers are forked."""
    warm.IMPORTED.extend(name for name in IMPORTED if name not in warm.IMPORTED)
    place = str(folder / "workers")
    # In a process of its own: this one does nothing else while it waits for Ray's first workers.
    forking = warm.Warm(fork_workers, place, merged=True)
    assert forking.stdout.readline() == "ready\n"
    os.environ["WARM_WORKERS"] = place
    yield {"setup_worker_path": str(Path(__file__).with_name("begin_worker.py"))}
    del os.environ["WARM_WORKERS"]
    forking.send_signal(signal.SIGTERM)
    forking.wait(30)


def fork_workers(place: str) -> None:
    """Whichever are asked for at `place`, until SIGTERM. A worker and who has asked for it end together."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    workers: dict[socket.socket, int] = {}
    ends: dict[int, socket.socket] = {}  # by a file that is ready when a worker has ended: who has asked for it
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as events:
        door.bind(place)
        door.listen(64)
        events.register(door, selectors.EVENT_READ)
        print("ready", flush=True)
        try:
            while True:
                for ready in [key.fileobj for key, _ in events.select()]:
                    if ready is door:
                        caller, _ = door.accept()
                        asked = hear(caller)
                        if (pid := os.fork()) == 0:
                            for open_one in (events, door, caller, *workers):
                                open_one.close()  # or nobody would see that others have ended
                            be_worker(*asked)
                        for descriptor in asked[0]:
                            os.close(descriptor)
                        workers[caller], end = pid, os.pidfd_open(pid)
                        ends[end] = caller
                        events.register(caller, selectors.EVENT_READ)
                        events.register(end, selectors.EVENT_READ)
                    elif ready in workers:
                        events.unregister(ready)
                        os.kill(workers[ready], signal.SIGKILL)
                    elif ready in ends:
                        caller = ends.pop(ready)
                        events.unregister(ready)
                        os.close(ready)
                        os.waitpid(workers.pop(caller), 0)
                        with suppress(KeyError):  # it has gone
                            events.unregister(caller)
                        caller.close()
        finally:
            for pid in workers.values():
                os.kill(pid, signal.SIGKILL)


Asked = tuple[list[int], list[str], str, dict[str, str]]
"""Where to say what, the words of the command, its folder and its environment."""


def hear(caller: socket.socket) -> Asked:
    _, descriptors, *_ = socket.recv_fds(caller, 1, 2)
    with caller.makefile() as file:
        return (descriptors, *json.loads(file.readline()))


def be_worker(descriptors: list[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    """What Ray's own `setup_worker.py` does with these words, but for a process that is begun anew. Does not return."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)
        for number, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        parser = argparse.ArgumentParser()
        parser.add_argument("--serialized-runtime-env-context", default="{}")
        parser.add_argument("--language")
        options, rest = parser.parse_known_args(words)
        os.environ.update(json.loads(options.serialized_runtime_env_context).get("env_vars", {}))
        first = next(place for place, word in enumerate(rest) if word.endswith(".py"))
        warm.script(*rest[first:])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

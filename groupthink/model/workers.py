"""Worker processes: how they start, how they are heard, and that they end with their parent.

What a worker does is a function of its connection, given at the start: it consumes messages in order and answers
them. ("failed", traceback) is sent for it where the function raises.

This file is what a worker imports first: everything heavy is imported late.
"""

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from typing import Any

from groupthink import processes

SIGN_OF_LIFE = 5.0  # seconds between a busy worker's messages
SILENCE = 300.0  # seconds without any, after which a busy worker counts as hung


Serve = Callable[["Mailbox"], None]
"""A worker's work, a function at the top of a module: it reads messages and answers them until the pipe is closed."""


class WorkerGone(RuntimeError):
    """A worker is dead, or counts as hung. (What it raised itself is a plain RuntimeError.)"""


class Workers:
    """`n` processes that run `serve`; `role` names them in errors. Start them early: importing torch takes seconds.

    `silence`: seconds without a message after which a busy one counts as hung.
    """

    def __init__(self, n: int, serve: Serve, role: str, silence: float = SILENCE):
        self.serve, self.role, self.silence = serve, role, silence
        begun = [self._begin(i) for i in range(n)]
        self.processes = [process for process, _ in begun]
        self.connections = [connection for _, connection in begun]

    def __len__(self) -> int:
        return len(self.processes)

    def keep(self, n: int) -> None:
        """End all but the first `n`."""
        rest = Workers(0, self.serve, self.role)
        rest.processes, rest.connections = self.processes[n:], self.connections[n:]
        self.processes, self.connections = self.processes[:n], self.connections[:n]
        rest.close()

    def replace(self, i: int) -> None:
        """End worker `i`, whatever it is at, and begin another in its place."""
        processes.end(self.processes[i], self.connections[i])
        self.processes[i], self.connections[i] = self._begin(i)

    def send(self, i: int, message: Any, silence: float | None = None) -> None:
        """Raises WorkerGone where it does not arrive; `silence`: as above, for this once."""
        silence = self.silence if silence is None else silence
        processes.limit(self.connections[i], silence)
        try:
            self.connections[i].send(message)
        except BlockingIOError:
            raise self._hung(i, silence) from None
        except (BrokenPipeError, ConnectionResetError):
            raise self._death(i) from None

    def receive(self, i: int, heard: float, silence: float | None = None) -> tuple[Any, ...] | None:
        """A message of worker `i`, or None where it has none yet. Raises WorkerGone where none will come.

        `heard`: when its last message came, by `time.monotonic`. `silence`: as above, for this once. Raises
        RuntimeError with the story of what the worker itself has raised.
        """
        silence = self.silence if silence is None else silence
        alive = self.processes[i].is_alive()  # asked first: it may send its last words and end in between
        try:
            if self.connections[i].poll(0):
                message = self.connections[i].recv()
                if message[0] == "failed":
                    raise RuntimeError(f"{self._name(i)} failed:\n{message[1]}")
                return message
        except BlockingIOError:  # it stopped in the middle of a message
            raise self._hung(i, silence) from None
        except (EOFError, ConnectionResetError):
            raise self._death(i) from None
        if not alive:
            raise self._death(i)
        if time.monotonic() - heard > silence:
            raise self._hung(i, silence)
        return None

    def wait(self, i: int, seconds: float) -> None:
        self.connections[i].poll(seconds)

    def close(self, patience: float = 2.0) -> None:
        """End them; those that have not ended after `patience` seconds are killed."""
        for connection in self.connections:
            connection.close()  # a worker ends when its pipe does
        end = time.monotonic() + patience
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                processes.kill(process)

    def _begin(self, i: int) -> tuple[BaseProcess, Connection]:
        return processes.begin(f"groupthink-{self.role}-{i + 1}", work, self.serve)

    def _name(self, i: int) -> str:
        return f"{self.role} worker {i + 1} (process {self.processes[i].pid})"

    def _hung(self, i: int, seconds: float) -> WorkerGone:
        return WorkerGone(f"{self._name(i)} has been silent for {seconds:.0f} s")

    def _death(self, i: int) -> WorkerGone:
        self.processes[i].join(2)
        return WorkerGone(f"{self._name(i)} died with exit code {self.processes[i].exitcode}")


class Closed(EOFError):
    """The parent has closed the pipe."""


class Mailbox:
    """A worker's end of the pipe, which is read and written beside its work.

    Two full pipes, each end writing, would wait for ever: here reading and writing never wait for each other. Threads
    move bytes alone; they are made of messages, and messages of them, where the work is done: that may import much.
    """

    def __init__(self, connection: Connection):
        self._connection = connection
        self._inbox: SimpleQueue[bytes | None] = SimpleQueue()  # None: the end
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()
        threading.Thread(target=self._read, daemon=True).start()

    def recv(self) -> Any:
        """The next message, waited for. Raises Closed where there will be none."""
        held = self._inbox.get()
        if held is None:
            self._inbox.put(None)
            raise Closed
        return ForkingPickler.loads(held)

    def poll(self) -> bool:
        """Whether there is one already, or the end of them."""
        return not self._inbox.empty()

    def send(self, message: Any) -> None:
        self._outbox.put(bytes(ForkingPickler.dumps(message)))

    def flush(self) -> None:
        """Wait until all is sent. Nothing can be sent afterwards."""
        self._outbox.put(None)
        self._writer.join()

    def _read(self) -> None:
        try:
            while True:
                self._inbox.put(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._inbox.put(None)

    def _write(self) -> None:
        with suppress(OSError):  # the parent is gone: reading tells of it
            while (held := self._outbox.get()) is not None:
                self._connection.send_bytes(held)


def work(connection: Connection, serve: Serve) -> None:
    """A worker's life: `serve`, until the parent closes the pipe or is gone."""
    mailbox = Mailbox(connection)
    try:
        serve(mailbox)
    except Closed:
        return
    except Exception:
        mailbox.send(("failed", traceback.format_exc()))
    mailbox.flush()

"""Processes beside this one: how they begin, and that they end with their parent.

It is what such a process imports first: everything heavy is imported late.
"""

import multiprocessing
import os
import signal
import socket
import struct
import threading
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

ENDS_WITHIN = 10.0
"""Seconds within which a process that was killed is gone, unless the system itself holds it: at a disk that is away."""


def begin(name: str, work: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Begin a process that does `work(connection, *arguments)`; the process, and our end of the connection.

    `work` is a function at the top of a module: a process begins anew, and shares nothing with this one.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_live, args=(work, theirs, *arguments), name=name, daemon=True)
    process.start()
    theirs.close()  # or the end of either process would not be seen by the other
    return process, ours


def end(process: BaseProcess, connection: Connection) -> None:
    """End a process, whatever it is at."""
    connection.close()
    kill(process)


def kill(process: BaseProcess) -> None:
    """Kill a process and see that it has ended; of one that has not, a warning says so."""
    process.kill()
    process.join(ENDS_WITHIN)
    if process.is_alive():
        warnings.warn(f"{process.name} ({process.pid}) is not gone {ENDS_WITHIN:g} s after it was killed", stacklevel=2)


def limit(connection: Connection, seconds: float) -> None:
    """Wait no longer for half a message, or for room for one: a stopped process neither reads nor writes.

    What is late raises BlockingIOError.
    """
    held = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, held)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, held)


def _live(work: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()
    multiprocessing.current_process().daemon = False  # such a one may begin none, and this one's end with it, too
    work(*arguments)


def _follow_parent() -> None:
    """End with the parent, whatever this process is at: no orphans, even after SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

"""Processes beside this one: how they begin, and that they end with their parent.

It is what such a process imports first: everything heavy is imported late.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any


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
    process.kill()
    process.join()


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

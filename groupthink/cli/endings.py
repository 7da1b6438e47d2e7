"""How a verb ends that does not end by itself: what is said of it, and the exit code."""

import os
import signal
import sys
from pathlib import Path

from groupthink.stopping import Stopped


def ending(cause: BaseException) -> tuple[str, int] | None:
    """What is said, and the exit code; None: a fault of ours, or one whose traceback is asked for."""
    match cause:
        case Stopped():
            return "stopped", cause.code
        case KeyboardInterrupt():
            return "stopped", 128 + signal.SIGINT
        case BrokenPipeError():  # what reads this output has ended, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
            return "nobody reads the output any more", 141  # 128 + SIGPIPE, which Windows does not have
        case ValueError() | OSError() | FloatingPointError() | RuntimeError() if not tracebacks_wanted():
            return str(cause), 2
        case _:
            return None


def tracebacks_wanted() -> bool:
    """Whether whoever runs this would see where an error comes from."""
    return os.environ.get("GROUPTHINK_DEBUG") == "1"


def cause_of(error: BaseException) -> BaseException:
    """The stop that `error` followed from, or else `error`: what is closed in the middle of its work may fail."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, KeyboardInterrupt):
            return link
        link = link.__context__
    return error


def say_how_to_go_on(error: BaseException, run: Path) -> None:
    """With what is said of `error`, where the run was stopped from outside."""
    if isinstance(cause := cause_of(error), KeyboardInterrupt | BrokenPipeError):
        cause.add_note(f"go on with: groupthink train --resume --run {run}")

"""The process in which math-verify compares two answers: `python -P -m groupthink.task.answer.worker FD`.

It consumes `[expected, found, seconds]` as JSON over the socket FD and answers `true`, `false`, or `null` where one of
the two cannot be read, until the other end is closed. It is meant to be killed: what it computes can last for ages
within one instruction of C, where no signal handler runs. So that it ends then even where its parent is gone, each
comparison has a limit of processor time, which the kernel enforces. It has no files to write and bounded memory.

Both answers are LaTeX for math-verify's own grammar; its reader of plain expressions, which calls `eval`, is not used.
(SymPy makes Python of what the grammar has read as a number, digits alone, and of functions of its own.)
"""

import json
import logging
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

MEMORY = 2 << 30  # bytes
MAX_MESSAGE = 1 << 20  # bytes


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _confine()
    connection = Connection(int(sys.argv[1]))
    with suppress(EOFError, OSError):
        compare = _load()
        connection.send_bytes(b'"ready"')
        while True:
            expected, found, seconds = json.loads(connection.recv_bytes(MAX_MESSAGE))
            _limit_processor(seconds)
            connection.send_bytes(json.dumps(compare(expected, found)).encode())


def _load() -> Any:
    """Import math-verify, which takes a second, and make a comparison of it."""
    from math_verify import parse, verify
    from math_verify.parser import LatexExtractionConfig

    logging.disable(logging.CRITICAL)
    latex = [LatexExtractionConfig(boxed_match_priority=0)]

    def read(text: str) -> list[Any]:
        return parse(text, extraction_config=latex, fallback_mode="no_fallback", parsing_timeout=None)

    def compare(expected: str, found: str) -> bool | None:
        try:
            wanted, given = read(f"$\\boxed{{{expected}}}$"), read(f"$\\boxed{{{found}}}$")
            if not wanted or not given:
                return None
            return bool(verify(wanted, given, timeout_seconds=None, allow_set_relation_comp=True))
        except (Exception, RecursionError):  # whatever SymPy raises of strange input: it is not the expected answer
            return None

    compare("\\frac{1}{2}", "0.5")  # builds the grammar's tables
    return compare


def _confine() -> None:
    for what, most in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS knows no limit of memory
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _limit_processor(seconds: float) -> None:
    """Let the kernel end this process a second after it has used so many more seconds of a processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()

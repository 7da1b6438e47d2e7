"""What a process in a sandbox may use. Set before any code that is not ours runs; no process can raise them again."""

import os
import resource
import select
import sys

MEGABYTE = 1 << 20
LARGEST_FILE = 16 * MEGABYTE  # bytes
OPEN_FILES = 64
PROCESSES = 128  # threads count, too


def take_job() -> str:
    """The text on the file that the first argument numbers; when it is given, the limits are in force.

    The second argument numbers a pipe that is closed when nobody waits for this process any more: then it ends here.
    """
    number, watched, seconds, memory = map(int, sys.argv[1:5])
    waiting = select.poll()
    waiting.register(watched, 0)
    if waiting.poll(0):
        raise SystemExit("nobody waits for this any more")
    os.close(watched)
    with os.fdopen(number, encoding="utf-8", errors="surrogatepass") as file:
        text = file.read()
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory * MEGABYTE),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, PROCESSES),
    ):
        lower(kind, most)
    return text


def lower(kind: int, most: int) -> None:
    """Hold a resource to `most`, or to less where it is held to less already."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (ValueError, OSError):
        if sys.platform == "linux":
            raise  # elsewhere some are not to be had (macOS: memory)

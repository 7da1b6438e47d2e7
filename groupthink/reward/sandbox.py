"""Python that nobody trusts, run where it can do no harm and learn nothing: bubblewrap.

It sees the system's libraries and its Python, read-only, and an empty folder for files of its own; no home, no data, no
network, no other process. Memory, processor, time, files and output are limited (`inside/limits.py`), other processes
cannot be started (`system_calls.py`). It ends with the process that started it, however that ends (`reaper.py`).
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from groupthink.reward.reaper import REAPER
from groupthink.reward.system_calls import call_filter

BUBBLEWRAP, NONE = "bubblewrap", "none"
SANDBOXES = (BUBBLEWRAP, NONE)
SCRIPTS = Path(__file__).parent / "inside"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
WHERE_IT_IS = ("/etc/ld.so.cache", "/etc/alternatives")  # by which libraries are found
OWN_FILES = 64 << 20  # bytes
MOST_OUTPUT = 8 << 20  # bytes
ENDS_WITHIN = 10.0  # seconds within which a process that was killed is gone
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the same program gives the same
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",  # or each thread takes address space as if it were to fill it
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Confinement:
    """Where programs run, and what each may use."""

    sandbox: str = BUBBLEWRAP  # or none: with limits, but with all that the user may do
    seconds: int = 6  # of processor time
    memory: int = 1024  # MiB of address space

    @property
    def patience(self) -> float:
        """Seconds of the clock after which a program counts as hung; others may compute at the same time."""
        return 3.0 * self.seconds + 2.0


def require_sandbox(sandbox: str) -> None:
    """Raise ValueError, with the cure, where programs cannot be run in this sandbox."""
    if sandbox == NONE:
        return
    cure = (
        "install it (apt-get install bubblewrap, dnf install bubblewrap), or run what the policy writes without a "
        'sandbox, on a machine that it may ruin: code.sandbox="none"'
    )
    if shutil.which("bwrap") is None:
        raise ValueError(f"reward.code runs programs in bubblewrap, and there is no bwrap: {cure}")
    if failure := _probe():
        raise ValueError(f"bubblewrap does not work here ({failure}): {cure}")


async def output_of(program: str, given: str, where: Confinement) -> str | None:
    """What a program prints that reads `given`; None where it fails, takes too long or prints too much."""
    async with _started("run.py", program, where, given=given, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(where.patience):
                printed = await _read(process.stdout, MOST_OUTPUT)
                if printed is not None and await process.wait() == 0:
                    return printed.decode("utf-8", "replace")
    return None


async def verdicts_on(program: str, job: str, tests: int, where: Confinement) -> list[bool]:
    """Which of the tests of a job (`inside/check.py`) a program passes, which runs in a sandbox of its own."""
    with ExitStack() as ends:
        questions_out, questions_in = _pipe(ends)
        answers_out, answers_in = _pipe(ends)
        async with (
            _started("serve.py", program, where, stdin=questions_out, stdout=answers_in),
            _started("check.py", job, where, stdin=answers_out, stdout=questions_in, stderr=subprocess.PIPE) as checker,
        ):
            ends.close()  # or neither would see that the other has ended
            assert checker.stderr is not None
            lines: list[bytes] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(where.patience):
                    while len(lines) < tests and (line := await checker.stderr.readline()):
                        lines.append(line)
    return [place < len(lines) and lines[place] == b"1\n" for place in range(tests)]


@asynccontextmanager
async def _started(
    script: str, text: str, where: Confinement, *, given: str | None = None, stderr: Any = None, **pipes: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A script of `inside/` at work on a text; at the end it is killed, and all that it started."""
    with ExitStack() as files:
        job = _file(files, text)
        if given is not None:
            pipes["stdin"] = _file(files, given)
        watched, _held = _pipe(files)
        passed = [job.fileno(), watched]
        scripts = "/scripts" if where.sandbox == BUBBLEWRAP else str(SCRIPTS)
        numbers = [job.fileno(), watched, where.seconds, where.memory]
        command = [sys.executable, "-sP", f"{scripts}/{script}", *map(str, numbers)]
        if where.sandbox == BUBBLEWRAP:
            calls = _file(files, call_filter())
            read, write = os.pipe()
            files.callback(os.close, read)
            words = files.enter_context(open(write, "wb"))
            passed += [calls.fileno(), read]
            command = [shutil.which("bwrap") or "bwrap", "--args", str(read), *command]
        process = await asyncio.create_subprocess_exec(
            *command,
            env=ENVIRONMENT,
            cwd="/" if where.sandbox == BUBBLEWRAP else tempfile.gettempdir(),
            pass_fds=passed,
            start_new_session=True,  # Ctrl-C is for us, who end it
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            **pipes,
        )
        try:
            # Bubblewrap is told what to do when the reaper knows of it: killed before its child may go on, it leaves
            # that asleep. Without a word from us it has no child, finds no Python and ends, as does a bare script.
            REAPER.watch(process.pid)
            if where.sandbox == BUBBLEWRAP:
                words.write("".join(f"{word}\0" for word in _bubblewrap(_number(calls))).encode())
                words.close()
            yield process
        finally:
            # What ended by itself in bubblewrap has left nothing; what was killed may have left its child.
            if process.returncode is None or process.returncode < 0 or where.sandbox == NONE:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            await _let_go(process)
            REAPER.forget(process.pid)


def _bubblewrap(calls: int | None) -> list[str]:
    """What bubblewrap is told, for Python to be called in it; `calls`: the number of the file that holds the filter.

    All of it is one group of processes, which is killed as a whole: so no --new-session, which would take its first
    process from there. (The group has a session of its own, without a terminal.)
    """
    words = ["--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    words += ["--die-with-parent", "--dev", "/dev", "--remount-ro", "/dev"]
    words += ["--size", str(OWN_FILES), "--tmpfs", "/tmp"]
    for path in _read_only():
        linked = Path(path).is_symlink() and path in SYSTEM
        words += ["--symlink", os.readlink(path), path] if linked else ["--ro-bind", path, path]
    for path in WHERE_IT_IS:
        words += ["--ro-bind-try", path, path]
    words += ["--ro-bind", str(SCRIPTS), "/scripts", "--chdir", "/tmp", "--remount-ro", "/"]
    return words + (["--seccomp", str(calls)] if calls is not None else [])


@cache
def _read_only() -> tuple[str, ...]:
    """The folders without which Python does not run: the system's libraries, and where Python and its packages are."""
    python = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)}
    python.add(str(Path(os.path.realpath(sys.executable)).parent.parent))
    own = sorted(path for path in python if not path.startswith("/usr/") and path not in ("/", "/usr"))
    return (*(path for path in SYSTEM if Path(path).exists()), *own)


@cache
def _probe() -> str:
    """Why a program cannot be run in bubblewrap, or nothing."""
    with ExitStack() as files:
        calls = _file(files, call_filter())
        command = [
            shutil.which("bwrap") or "bwrap",
            *_bubblewrap(_number(calls)),
            sys.executable,
            "-sP",
            "-c",
            "print(6 * 7)",
        ]
        try:
            ran = subprocess.run(
                command, env=ENVIRONMENT, pass_fds=[calls.fileno()], capture_output=True, text=True, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return "" if ran.stdout.strip() == "42" else ran.stderr.strip() or f"it ended with {ran.returncode}"


def _number(calls: IO[bytes]) -> int | None:
    """Of the file that holds the filter of system calls; None where there is none for this machine."""
    return calls.fileno() if call_filter() else None


def _file(files: ExitStack, content: str | bytes) -> IO[bytes]:
    """An open file without a name that holds this: nothing of it is left behind."""
    file: IO[bytes] = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    file.seek(0)
    return file


def _pipe(ends: ExitStack) -> Sequence[int]:
    pair = os.pipe()
    for end in pair:
        ends.callback(os.close, end)
    return pair


async def _let_go(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process that was killed.

    Its pipes are closed first: asyncio waits until they are, and of one that nobody reads any more, since it was full,
    it would never see the end. And it would complain of open ones once its loop is closed.
    """
    process._transport.close()  # type: ignore[attr-defined]  # asyncio has no public way
    with suppress(TimeoutError):  # the system itself holds it: it ends when that lets go
        async with asyncio.timeout(ENDS_WITHIN):
            await process.wait()
    for _ in range(3):  # what closes them is called by the loop, in turns
        await asyncio.sleep(0)


async def _read(stream: asyncio.StreamReader, most: int) -> bytes | None:
    """All that there is to read, or None where it is more than `most` bytes."""
    held = bytearray()
    while piece := await stream.read(1 << 16):
        held += piece
        if len(held) > most:
            return None
    return bytes(held)

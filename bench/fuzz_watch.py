"""A target's inputs, each tried in a process that the kernel ends where one takes too long.

Input `i` of a seed is always the same: what ended a process is made again from its number, and the next process goes on
behind it. An audit hook sees what Python opens, compiles, runs and starts while an input is read.
"""

import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from fuzz_mutate import MARK

SECONDS = 2.0  # of a processor that one input may take
CLOCK = 120.0  # and by the clock: where others are at work, a second of a processor takes long
MEMORY = 12 << 30  # bytes of addresses
SHOWN = 600  # characters of an input that is told
KEPT = 30  # different findings of a kind

Make = Callable[[random.Random], Any]
Try = Callable[[Any], None]


class Target(NamedTuple):
    """What reads bytes that others wrote.

    `open` gives, in a folder of its own, what makes an input and what reads it, which raises nothing but `documented`
    (a KeyError or an IndexError never counts as a LookupError). `late`: its time limit is its caller's, which kills it.
    `compiles`: a pattern of the source, after its file name, that a library compiles and an input has no say in.
    """

    name: str
    reads: str
    open: Callable[[Path], tuple[Make, Try]]
    documented: tuple[type[Exception], ...] = ()
    modules: tuple[str, ...] = ()
    late: bool = False
    compiles: str = ""


def fuzz(target: Target, seconds: float, seed: int, *, first: int = 0, most: int | None = None) -> dict[str, Any]:
    """What came of the inputs from number `first` on that there was time for, or of `most` of them.

    `seconds` are a processor's: what else the machine does takes none of them away.
    """
    for module in target.modules:
        import_module(module)
    began, number = spent_by_children(), first
    found: dict[str, dict[str, Any]] = {}
    counts = dict.fromkeys(("inputs", "crashes", "hangs", "late", "evaluated"), 0)
    while (left := seconds - (spent_by_children() - began)) > 0 and (most is None or number < first + most):
        last = None if most is None else first + most
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            told, number, ended = _process(target, Path(folder), seed, number, left, last)
        for finding in told:
            counts[finding["kind"]] += 1
            _keep(found, finding)
        if ended:
            kind = "crashes" if ended not in (signal.SIGPROF, signal.SIGALRM) else "late" if target.late else "hangs"
            counts[kind] += 1
            what = signal.Signals(ended).name if ended > 0 else f"exit {-ended}"
            _keep(
                found,
                {"kind": kind, "what": what, "number": number - 1, "input": _made_again(target, seed, number - 1)},
            )
    counts["inputs"] = number - first
    return {
        "reads": target.reads,
        **counts,
        "seconds": round(spent_by_children() - began, 1),
        "findings": list(found.values()),
    }


def spent_by_children() -> float:
    """Seconds of a processor that processes have taken which this one began, and which have ended."""
    its = os.times()
    return its.children_user + its.children_system


def _keep(found: dict[str, dict[str, Any]], finding: dict[str, Any]) -> None:
    """One of a kind at one place, the one with the shortest input."""
    key = f"{finding['kind']} {finding['what']} {finding['input'] if finding['kind'] == 'hangs' else ''}"
    if finding["kind"] == "late" or (key not in found and len(found) >= KEPT):
        return
    if key not in found or len(finding["input"]) < len(found[key]["input"]):
        found[key] = finding


def _process(
    target: Target, folder: Path, seed: int, first: int, seconds: float, last: int | None
) -> tuple[list[dict[str, Any]], int, int]:
    """What a process told of the inputs from `first` on, the number behind the last that it began, and how it ended:
    0 where its time was over, a signal, or less than 0 for an exit code."""
    reading, writing = os.pipe()
    progress = os.open(folder / "progress", os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if not child:
        os.close(reading)
        code = 1
        try:
            inside = folder / "inside"
            inside.mkdir()
            _work(target, inside, writing, progress, random_of(target, seed), first, seconds, last)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as lines:
        told = [json.loads(line) for line in lines if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    begun = os.pread(progress, 20, 0).decode()
    os.close(progress)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
    if not begun:
        raise RuntimeError(f"the process for {target.name} ended before its first input: see above")
    return told, int(begun) + 1, ended


def random_of(target: Target, seed: int) -> Callable[[int], random.Random]:
    """The generator of each input."""
    return lambda number: random.Random(f"{seed}/{target.name}/{number}")


def _made_again(target: Target, seed: int, number: int) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, suppress(Exception):
            os.chdir(folder)
            make, _ = target.open(Path(folder))
            os.write(writing, shown(make(random_of(target, seed)(number))).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(child, 0)
    return text


def shown(made: Any) -> str:
    """An input as it is told: not endlessly, and in ASCII."""
    try:
        text = ascii(made)
    except RecursionError:
        return "nested too deeply to be shown: make it again from its number"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def _work(
    target: Target,
    folder: Path,
    writing: int,
    progress: int,
    draws: Callable[[int], random.Random],
    first: int,
    seconds: float,
    last: int | None,
) -> None:
    os.chdir(folder)
    (folder / f"{MARK}.py").write_text(f"open({MARK + '.run'!r}, 'w').close()\n")
    sys.path.insert(0, str(folder))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    make, read = target.open(folder)
    hook = Hook(folder, target.compiles)
    for number in range(2):  # what is imported late is imported now
        with suppress(Exception):
            read(make(random.Random(number)))
    sys.addaudithook(hook)
    for signum in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(signum, signal.SIG_DFL)
    end = time.process_time() + spent_by_children() + seconds
    number = first
    while time.process_time() + spent_by_children() < end and (last is None or number < last):
        os.pwrite(progress, b"%-20d" % number, 0)
        made = make(draws(number))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, CLOCK)
        hook.begin()
        crash = None
        try:
            read(made)
        except target.documented as error:
            if isinstance(error, KeyError | IndexError) and LookupError in target.documented:
                crash = error
        except BaseException as error:
            crash = error
        told = hook.end()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if crash is not None:
            what = f"{type(crash).__name__} at {_place(crash)}: {str(crash)[:120]}"
            _tell(writing, "crashes", what.partition(": ")[0], number, made, str(crash)[:300])
        for event in dict.fromkeys(told):
            _tell(writing, "evaluated", event, number, made, "")
        number += 1


def _place(error: BaseException) -> str:
    """The innermost place in groupthink."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/groupthink/" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('/groupthink/')[2]}:{ours[-1].lineno}" if ours else "nowhere"


def _tell(writing: int, kind: str, what: str, number: int, made: Any, said: str) -> None:
    finding = {"kind": kind, "what": what, "number": number, "input": shown(made), "said": said}
    os.write(writing, json.dumps(finding).encode() + b"\n")


class Hook:
    """What Python does, as its audit events tell, of that which no reader of an input may cause."""

    RUNS = frozenset(
        ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")
    ) | frozenset(("socket.connect", "pickle.find_class"))
    LOADS = frozenset(("ctypes.dlopen", "marshal.loads", "code.__new__"))

    def __init__(self, folder: Path, compiles: str):
        self._folder, self._compiles = str(folder), re.compile(compiles or "(?!)", re.DOTALL)
        self._on, self._told = False, list[str]()

    def begin(self) -> None:
        """An input is read from now on."""
        self._told, self._on = [], True

    def end(self) -> list[str]:
        """What was seen since, and what the canary left."""
        self._on = False
        left = [name for name in (MARK, f"{MARK}.run") if os.path.lexists(os.path.join(self._folder, name))]
        for name in left:
            os.remove(os.path.join(self._folder, name))
        imported = [f"imported {MARK}"] if sys.modules.pop(MARK, None) else []
        return [*self._told, *(f"made the file {name}" for name in left), *imported]

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        if not self._on:
            return
        seen = self._seen(event, given)
        if seen:
            self._told.append(seen)

    def _seen(self, event: str, given: tuple[Any, ...]) -> str | None:
        if event in self.RUNS or (event in self.LOADS and not _imports()):
            return f"{event} {given[0]!r:.80}"
        if event == "open" and isinstance(given[0], str | bytes):
            path, mode = os.fsdecode(given[0]), str(given[1] or "")
            writes = any(sign in mode for sign in "wax+") or (isinstance(given[2], int) and given[2] & 3)
            outside = not os.path.abspath(path).startswith(self._folder) and path != os.devnull
            # What a module that is imported late was compiled to is written beside it.
            return f"open {path:.80} {mode}" if MARK in path or (writes and outside and not _imports()) else None
        if event == "import" and MARK in str(given[0]):
            return f"import {given[0]}"
        if event == "compile" and given[0] is not None:  # whatever is run was compiled first
            name, source = map(_as_text, (given[1], given[0]))
            known = self._compiles.fullmatch(f"{name}: {source}") or os.path.isfile(name) or _imports()
            return None if known else f"compile {name}: {source!r:.80}"
        return None


def _as_text(given: Any) -> str:
    return os.fsdecode(given) if isinstance(given, str | bytes) else str(given)


def _imports() -> bool:
    """Whether this is done for a module that is imported late: classes are made by code that is made."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False

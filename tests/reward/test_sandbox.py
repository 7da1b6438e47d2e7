"""Attacks: programs that would pass without being right, reach what is not theirs, or take the machine with them."""

import asyncio
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from groupthink.reward import sandbox
from groupthink.reward.code import CodeReward
from groupthink.reward.functions import value_of
from groupthink.reward.sandbox import Confinement, output_of, require_sandbox
from tests.reward.sandboxed import needs_bubblewrap, wait_for, with_words

pytestmark = needs_bubblewrap

ASSERTS = {
    "tests": ["assert f(90) == 2880067194370816120", "assert {f(n) for n in (8, 9)} == {21, 34}", "assert f(9) == 34"]
}
CHECK = {
    "tests": "def check(f):\n    assert f(90) == 2880067194370816120\n    assert list(map(f, (8, 9))) == [21, 34]",
    "entry_point": "f",
}
PRINTS = {"tests": [["90", "2880067194370816120"], ["9", "34"]]}
FIBONACCI = "def f(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a"

FAKES = {
    "leaves at once with 0": "import os\nos._exit(0)",
    "leaves when it is called": "import os\ndef f(n):\n    os._exit(0)",
    "leaves by SystemExit": "def f(n):\n    raise SystemExit(0)",
    "leaves at the end": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(n):\n    return 0",
    "equals everything": """
class Equal(int):
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __hash__(self): return 1
    def __getattr__(self, name): return self
class Any:
    __eq__ = __lt__ = __gt__ = lambda self, other: True
    __hash__ = lambda self: 1
import random
def f(n): return Equal(0) if n == 90 else Any()
""",
    "a class that is always equal": """
class Meta(type):
    def __eq__(cls, other): return True
    def __hash__(cls): return 1
class f(metaclass=Meta):
    def __init__(self, n): pass
    def __eq__(self, other): return True
    def __hash__(self): return 1
""",
    "redefines built-in functions": """
import builtins
def set(*_): return 42
def fine(*_, **__): return True
builtins.set = builtins.AssertionError = builtins.compile = builtins.exec = fine
def f(n): return 0
""",
    "raises what the tests raise": "def f(n):\n    raise AssertionError",
    "raises what ends tests": "class Exit(BaseException): pass\ndef f(n):\n    raise GeneratorExit",
    "writes passes to every file that is open": """
import os
for number in range(64):
    for text in (b"1\\n" * 50, b'["value", 34, [9]]\\n'):
        try:
            os.write(number, text)
        except OSError:
            pass
def f(n): return None
""",
    "answers for the process that asks": """
import gc, sys
for name, module in list(sys.modules.items()):
    for attribute in ("passes", "same", "main", "_unpack"):
        if hasattr(module, attribute):
            setattr(module, attribute, lambda *_, **__: True)
def f(n): return True
""",
    "looks for the tests in its memory": """
import gc, re, sys
def f(n):
    frame, seen = sys._getframe(), []
    while frame:
        seen += [str(value) for value in [*frame.f_locals.values(), *frame.f_code.co_consts]]
        frame = frame.f_back
    seen += [str(value) for value in gc.get_objects() if isinstance(value, (str, dict, list, tuple))]
    return next((int(found) for text in seen for found in re.findall("[0-9]{19}", text)), 0)
""",
    "looks for the results in its files": """
import os, re
found = []
for place, _, names in [*os.walk("/scripts"), *os.walk("/tmp"), *os.walk("/proc")]:
    for name in names:
        try:
            found.append(open(os.path.join(place, name), errors="replace").read())
        except OSError:
            pass
for number in range(64):
    try:
        os.lseek(number, 0, 0)
        found.append(os.read(number, 1 << 20).decode())
    except (OSError, ValueError):
        pass
wanted = next((int(word) for text in found for word in re.findall("[0-9]{19}", text)), 0)
def f(n): return wanted
print(wanted)
""",
    "patches what prints and compares": """
import sys
class Out(str):
    def __eq__(self, other): return True
sys.stdout.write = lambda text: None
print(Out("1"))
def f(n): return Out("1")
""",
    "gives a value without end": """
class Endless(list):
    def __iter__(self):
        while True:
            yield 1
def f(n): return Endless()
""",
    "gives a deep value": "def f(n):\n    x = []\n    for _ in range(10 ** 5): x = [x]\n    return x",
    "gives a huge value": "def f(n):\n    return '1' * (5 << 20)",
    "no Python at all": "\x00\ud800 def",
}


@pytest.fixture
def graded(group, respond):
    def grade(info, program, **limits):
        response = respond(f"<think>hm</think>```python\n{program}\n```")
        problem = dataclasses.replace(group.problem, info=info)
        asked = dataclasses.replace(group, problem=problem, responses=(response,))
        where = Confinement(**{"seconds": 4, "memory": 256} | limits)
        return value_of(asyncio.run(CodeReward(where, partial=True)(asked))[0])

    return grade


def printed(program, given="", **limits):
    return asyncio.run(output_of(program, given, Confinement(**{"seconds": 4, "memory": 256} | limits)))


def test_what_is_right_passes(graded):
    assert graded(ASSERTS, FIBONACCI) == graded(CHECK, FIBONACCI) == 1.0
    assert graded(PRINTS, FIBONACCI + "\nprint(f(int(input())))") == 1.0


@pytest.mark.parametrize("how", FAKES)
def test_nothing_passes_that_is_not_right(graded, how):
    assert graded(CHECK, FAKES[how], seconds=1) == 0.0
    assert graded(ASSERTS, FAKES[how], seconds=1) == 0.0


def test_what_the_tests_compare_with_cannot_be_changed_under_them(graded):
    tests = {"tests": ["xs = [3, 1, 2]\nassert f(xs) == sorted(xs)"]}
    assert graded(tests, "def f(xs):\n    xs.clear()\n    return []") == 0.0
    assert graded(tests, "def f(xs):\n    return sorted(xs)") == 1.0


@pytest.mark.parametrize(
    "how", ["leaves at once with 0", "writes passes to every file that is open", "looks for the results in its files"]
)
def test_nothing_passes_by_what_it_prints(graded, how):
    assert graded(PRINTS, FAKES[how], seconds=1) == 0.0


@pytest.mark.fault("S2")
def test_files_of_the_user_cannot_be_read_nor_any_be_written(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    program = f"""
import os
ours = ({str(secret)!r}, {__file__!r}, {os.path.abspath("pyproject.toml")!r})
for path in (*ours, "/etc/passwd", "/etc/shadow", "/proc/self/environ"):
    assert not os.path.exists(path), path
for path in ("/x", "/usr/x", "/dev/x", "/dev/shm/x", "/scripts/x", "/scripts/run.py"):
    try:
        open(path, "w")
    except OSError:
        continue
    raise AssertionError(path)
open("/tmp/own", "w").write("own")
assert "own" in os.listdir("/tmp") and {os.path.basename(tmp_path)!r} not in os.listdir("/tmp")
print(sorted(os.environ))
"""
    assert "HOME" in (told := printed(program) or "") and "TOKEN" not in told


@pytest.mark.fault("S2")
def test_the_environment_holds_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "the key")
    assert "the key" not in (printed("import os\nprint(os.environ)") or "the key")


@pytest.mark.fault("S2")
def test_there_is_no_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        asks = f"socket.create_connection(('127.0.0.1', {port}), 1)"
        program = f"import socket\ntry:\n    {asks}\nexcept OSError:\n    print('none')"
        assert printed(program) == "none\n"


@pytest.mark.fault("S3")
@pytest.mark.parametrize(
    "starting",
    [
        "os.fork()",
        "os.posix_spawn(sys.executable, [sys.executable], {})",
        "subprocess.run(['/bin/true'])",
        "os.system('true') == 0 or 1 / 0",
        "multiprocessing.get_context('fork').Process(target=print).start()",
        "ctypes.CDLL(None, use_errno=True).fork() >= 0 or 1 / 0",
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0 or 1 / 0",
        "ctypes.CDLL(None, use_errno=True).shmget(0, 1 << 20, 0o1600) >= 0 or 1 / 0",
        "os.memfd_create('x')",
        "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "bytearray(1 << 30)",
    ],
)
def test_what_is_refused(starting):
    program = (
        "import ctypes, multiprocessing, os, resource, subprocess, sys\n"
        f"try:\n    {starting}\nexcept (OSError, ValueError, MemoryError, ArithmeticError):\n    print('refused')"
    )
    assert printed(program) == "refused\n"


def test_threads_are_not_refused():
    program = (
        "import threading\nthreading.stack_size(1 << 25)\nt = threading.Thread(target=print, args=('hi',))\nt.start()"
    )
    assert printed(program) == "hi\n"


def test_what_prints_more_than_anyone_reads_is_ended_too():
    async def unread():
        async with sandbox._started(
            "run.py", "while True: print('x' * 10000)", Confinement(seconds=9), given="", stdout=subprocess.PIPE
        ):
            await asyncio.sleep(0.5)  # until every buffer is full

    asyncio.run(asyncio.wait_for(unread(), 30))


BOMBS = [
    "while True: pass",
    "import time\ntime.sleep(1000)",
    "while True: print('x' * 10000)",
    "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "import threading, time\nfor _ in range(10000): threading.Thread(target=time.sleep, args=(100,)).start()",
    "import os\nfor i in range(99): open(f'/tmp/{i}', 'wb').write(bytes(8 << 20))",
    "import os\nopen('/tmp/x', 'wb').write(bytes(32 << 20))",
    "import os, signal\nos.kill(-1, signal.SIGKILL)",
    "import os, signal\nos.killpg(0, signal.SIGKILL)",
    "import os, signal\nos.killpg(0, signal.SIGSTOP)",
    "import os, signal\nsignal.signal(signal.SIGUSR1, print)\nos.killpg(0, signal.SIGUSR1)\nwhile True: pass",
    "import signal, os\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass",
    "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
]


@pytest.mark.fault("S3")
def test_bombs_end_within_the_limits_and_leave_nothing():
    async def all_at_once():
        return await asyncio.gather(*(output_of(bomb, "", Confinement(seconds=1, memory=200)) for bomb in BOMBS))

    begun = time.monotonic()
    assert asyncio.run(all_at_once()) == [None] * len(BOMBS)
    assert time.monotonic() - begun < 20
    wait_for(lambda: not with_words(" 1 200"))  # what is killed takes a moment to be gone


@pytest.mark.fault("S3")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_where_we_are_interrupted(end, tmp_path):
    program = f"""
import asyncio, signal
from groupthink.reward.sandbox import Confinement, output_of, verdicts_on
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever runs the tests in the background ignores it
where = Confinement(seconds=100, memory={300 + end})
job = '{{"setup": "", "tests": ["assert f(1) == 2"], "entry": null, "check": false}}'
async def both():
    await asyncio.gather(
        output_of("while True: pass", "", where), verdicts_on("def f(n):\\n    while True: pass", job, 1, where)
    )
asyncio.run(both())
"""
    ours = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=-3)
    wait_for(lambda: len(with_words(f" 100 {300 + end}")) >= 6)  # bwrap, bwrap inside, and Python, thrice
    ours.send_signal(end)
    ours.wait(10)
    wait_for(lambda: not with_words(f" 100 {300 + end}"))
    assert not list(tmp_path.iterdir())


def test_several_run_at_a_time(group, respond):
    sleeps = "<think>hm</think>```python\nimport time\ntime.sleep(0.5)\nprint(1)\n```"
    problem = dataclasses.replace(group.problem, info={"tests": [["", "1"]]})
    asked = dataclasses.replace(group, problem=problem, responses=(respond(sleeps),) * 6)
    reward = CodeReward(Confinement())
    reward.programs._places.n = 3
    begun = time.monotonic()
    assert asyncio.run(reward(asked)) == [1.0] * 6
    assert 1.0 <= time.monotonic() - begun < 2.9


def test_it_runs_from_another_thread_than_the_first():
    found = []
    thread = threading.Thread(target=lambda: found.append(printed("print(1)")))
    thread.start()
    thread.join()
    assert found == ["1\n"]


def test_a_bubblewrap_that_does_not_work_is_an_error_with_its_words(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(sandbox, "_probe", sandbox._probe.__wrapped__)  # as it was before it found one that works
    with pytest.raises(ValueError, match=r"bubblewrap does not work here \(no namespaces here\): install it"):
        require_sandbox("bubblewrap")

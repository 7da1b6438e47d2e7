"""A process of another Python: how it is started, spoken with, and found dead or hung.

`multiprocessing` starts its processes in the environment of their parent. This one need not know groupthink: the
package is shown to it by its folder, and brings nothing else of this environment along.
"""

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import groupthink

PACKAGE = Path(groupthink.__file__).parent
TAIL = 30  # lines of a log in a message
GRACE = 2.0  # seconds for a process to end by itself

BOOTSTRAP = """
import importlib, importlib.util, sys
start, module, descriptor = sys.argv[1:]
spec = importlib.util.spec_from_file_location("groupthink", start, submodule_search_locations=[start[:-12]])
package = importlib.util.module_from_spec(spec)
sys.modules["groupthink"] = package
spec.loader.exec_module(package)
importlib.import_module(module).main(int(descriptor))
"""


class Gone(Exception):
    """The process is dead or counts as hung; the text says which, and how that was seen."""


class OtherPython:
    """A process of `python` that runs `main(descriptor)` of a module of groupthink's, on its end of a socket.

    Messages are pickled. What it prints goes to `log`. It counts as hung once nothing has come from it for `patience`
    seconds, of those in which something is waited for; nor does a message take longer, either way.
    """

    def __init__(self, python: str, module: str, environment: Mapping[str, str], log: Path, patience: float):
        self.log, self.patience = log, patience
        ours, theirs = socket.socketpair()
        # A stopped process neither reads nor writes on: without these, half a message would be waited for for ever.
        limit = struct.pack("ll", int(patience), int(patience % 1 * 1e6))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        with theirs, log.open("ab") as out:
            command = [python, "-c", BOOTSTRAP, str(PACKAGE / "__init__.py"), module, str(theirs.fileno())]
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C reaches the parent alone, and what it starts can be ended with it
            )
        self.connection = Connection(ours.detach())
        self.heard = time.monotonic()

    def expect(self) -> None:
        """From now on something is waited for."""
        self.heard = time.monotonic()

    def send(self, message: Any) -> None:
        """Raises Gone where it does not arrive."""
        try:
            self.connection.send(message)
        except BlockingIOError:
            raise self._hung() from None
        except OSError:
            raise self._dead() from None

    def receive(self, seconds: float) -> Any | None:
        """A message, waited for so long, or None. Raises Gone where none will come."""
        alive = self.process.poll() is None  # asked first: it may send its last words and end in between
        try:
            if self.connection.poll(seconds):
                message = self.connection.recv()
                self.heard = time.monotonic()
                return message
        except BlockingIOError:
            raise self._hung() from None
        except (EOFError, OSError):
            raise self._dead() from None
        if not alive:
            raise self._dead()
        if time.monotonic() - self.heard > self.patience:
            raise self._hung()
        return None

    def close(self) -> None:
        """It ends when the connection does; after a while it is killed, with what it has started."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.kill()

    def kill(self) -> None:
        self.connection.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # reaches one that is stopped, too
        with suppress(subprocess.TimeoutExpired):  # the system itself holds it: it ends when that lets go
            self.process.wait(GRACE)

    def last_words(self) -> str:
        """The end of what it printed."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join(lines)

    def _hung(self) -> Gone:
        return Gone(f"process {self.process.pid} gave no sign of life for {self.patience:g} s")

    def _dead(self) -> Gone:
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return Gone(f"process {self.process.pid} closed its connection")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return Gone(f"process {self.process.pid} {how}")

"""Files that other processes are to map, and of which nothing is left, however this process ends."""

import os
import tempfile
from pathlib import Path
from typing import IO

PROCESSES = Path("/proc")  # where Linux tells of them


class UnnamedFiles:
    """Files that any process of this user finds by their `path`, until they are closed; what has mapped one keeps it.

    On Linux they have no name in any folder, and their paths lead through this process (/proc/PID/fd/NUMBER): so they
    end with it, even where it is killed. Elsewhere they lie in a temporary folder until they are closed.
    """

    def __init__(self) -> None:
        self._through = PROCESSES / f"{os.getpid()}/fd"
        self._files: dict[str, IO[bytes]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if not self._through.is_dir():
            self._folder = tempfile.TemporaryDirectory(prefix="groupthink-")

    def path(self, name: str) -> Path:
        """Of the file called `name`, which is there, and empty, when it is first asked for."""
        if self._folder is not None:
            return Path(self._folder.name) / name
        if name not in self._files:
            self._files[name] = tempfile.TemporaryFile()  # noqa: SIM115
        return self._through / str(self._files[name].fileno())

    def close(self) -> None:
        """Let go of them, when all have mapped them or have ended: a path may soon be that of another file.

        May be called again.
        """
        for file in self._files.values():
            file.close()
        self._files.clear()
        if self._folder is not None:
            self._folder.cleanup()

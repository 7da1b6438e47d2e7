"""What processes there are, read from /proc."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    parent: int
    session: int
    alive: bool


def processes() -> dict[int, Process]:
    """Every process by its number. One that is dead, and that nobody has asked after, is not alive."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        found[int(stat.parent.name)] = Process(int(parent), int(session), state != "Z")
    return found


def children(pid: int) -> list[int]:
    """The living processes that a process has begun."""
    return [child for child, its in processes().items() if its.parent == pid and its.alive]


def session(pid: int) -> list[int]:
    """The living processes of the session that a process leads."""
    return [member for member, its in processes().items() if its.session == pid and its.alive]


def living(pids: list[int]) -> list[int]:
    """Those processes that have not ended yet."""
    found = processes()
    return [pid for pid in pids if pid in found and found[pid].alive]

"""The words of the command line that belong to this room: their options, and what each calls, late."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from groupthink.extras import need
from groupthink.processes import begin, end

Tell = Callable[[str], None]

RUNS = "runs"
"""The folder in which runs are kept where nobody says otherwise."""

FIRST_WORD = 20.0
"""Seconds in which a server beside a run says where it listens."""


def add_view(verbs: Any) -> None:
    """The verb `view`."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        "view",
        help="read runs in a browser: every step, group and response, while they are at work and after",
        description="Show the runs of a folder on local pages, until Ctrl-C. Nothing is asked of any other machine.",
    )
    verb.set_defaults(verb=view, parser=verb)
    verb.add_argument(
        "runs", metavar="RUNS", nargs="?", type=Path, default=Path(RUNS), help="the folder of runs, or a run (runs)"
    )
    add_listening(verb)
    verb.add_argument("--no-browser", action="store_true", help="open no window: the address is printed alone")


def add_listening(verb: argparse.ArgumentParser, port: int | None = None) -> None:
    """Where a server listens, and for whom. `port`: the usual one; None: the viewer's, or the next that is free."""
    usual = "8777, or the next that is free" if port is None else f"{port}"
    verb.add_argument("--host", metavar="H", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    verb.add_argument("--port", metavar="P", type=_port, default=port, help=f"the port ({usual}; 0: any)")
    verb.add_argument(
        "--token",
        metavar="T",
        help="what whoever asks must know (default: GROUPTHINK_TOKEN of the environment; beyond this machine one is "
        "made where none is given)",
    )


def listening_of(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_listening` was told, by the names of `listen`."""
    token = args.token or os.environ.get("GROUPTHINK_TOKEN") or None
    return {"host": args.host, "port": args.port, "token": token}


def view(args: argparse.Namespace) -> None:
    """groupthink view [RUNS] [--host H] [--port P] [--token T] [--no-browser]"""
    require_web("groupthink view")
    folder, run = _folder_and_run(args.runs)

    from groupthink.web.listen import view as show

    show(folder, **listening_of(args), open_browser=not args.no_browser, run=run)


def require_web(purpose: str) -> None:
    """Raise ValueError, with what to install, where the server's packages are missing."""
    for package in ("starlette", "uvicorn"):
        need(package, purpose, "web")


def write_html(run: Path, file: Path, tell: Tell) -> None:
    """`report --html FILE`: the pages of a run in one file, which needs no server."""
    from groupthink.web.export import export

    try:
        export(run, file)
    except LookupError as error:  # which the command line takes for a fault of ours
        raise ValueError(str(error)) from None
    tell(f"the pages of {run} are in {file}, {file.stat().st_size / 1e6:.1f} MB: open it in a browser")


@contextmanager
def beside(run: Path, tell: Tell, *, wanted: bool) -> Iterator[None]:
    """`train --view`: the pages of a run while it is at work, from a process that ends with it."""
    if not wanted:
        yield
        return
    process, connection = begin("view", _listen_beside, *_folder_and_run(run))
    try:
        try:
            told = connection.recv() if connection.poll(FIRST_WORD) else "its pages cannot be shown: no server began"
        except EOFError:
            told = "its pages cannot be shown: the server has ended"
        tell(told)  # whatever it is: nothing that watches a run is a reason to end it
        yield
    finally:
        end(process, connection)


def _listen_beside(connection: Connection, folder: Path, run: str) -> None:
    from groupthink.web.listen import can_open, view

    try:
        view(folder, run=run, open_browser=can_open(), tell=connection.send)
    except (OSError, LookupError, ValueError) as error:
        connection.send(f"its pages cannot be shown: {error}")


def _folder_and_run(place: Path) -> tuple[Path, str | None]:
    """What is to be looked into for runs, and the run, where it is one that is meant. Raises FileNotFoundError.

    A run is shown with those beside it where it lies in the usual folder; elsewhere alone, for who knows what else is
    there.
    """
    from groupthink.web.reading.places import is_run

    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {place}: name the one that holds your runs, or train one first")
    if not is_run(place):
        return place, None
    place = place.resolve()
    return (place.parent if place.parent.name == RUNS else place), place.name


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: give a port from 0 to 65535")
    return int(text)

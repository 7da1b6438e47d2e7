"""`groupthink doctor`: what is wrong with a run; and what of it others need to help."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groupthink.cli.options import add_json
from groupthink.cli.saying import print_json

BY_NAME = Path()
"""Of `--bundle` without a file: it is named after the run."""


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser("doctor", help="what is wrong with a run, and which setting to change")
    verb.set_defaults(verb=doctor, parser=verb)
    verb.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, at work or finished")
    verb.add_argument(
        "--bundle",
        metavar="FILE",
        nargs="?",
        type=Path,
        const=BY_NAME,
        help="collect what others need to help, without data and secrets, in a zip file (default: NAME.groupthink.zip)",
    )
    add_json(verb)


def doctor(args: argparse.Namespace) -> None:
    """groupthink doctor RUN [--bundle [FILE]] [--json]"""
    if args.bundle is not None:
        return _bundle(args.run, None if args.bundle == BY_NAME else args.bundle, args.json)
    from groupthink.insight.doctor import examine, in_words
    from groupthink.run.stages import is_pipeline, runs_in

    found = [examine(run) for run in runs_in(args.run)]
    if args.json:
        print_json({"stages": [asdict(one) for one in found]} if is_pipeline(args.run) else asdict(found[0]))
    else:
        print("\n\n".join("\n".join(in_words(one)) for one in found))


def _bundle(run: Path, file: Path | None, as_json: bool) -> None:
    from groupthink.insight.bundle import in_words, write_bundle

    found = write_bundle(run, file)
    if as_json:
        print_json({"bundle": str(found.file), "files": found.sizes})
    else:
        print("\n".join(in_words(found)))

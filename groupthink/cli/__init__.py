"""The command line: a file for each verb, with its options, and what it calls in the rooms below.

Heavy imports come late, in the verbs, so that --help is quick.
"""

import sys
from collections.abc import Sequence

from groupthink.cli.endings import cause_of, ending
from groupthink.cli.words import parse
from groupthink.stopping import stopped_by_signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run `groupthink` with the words of `argv` (those of the command line); the exit code."""
    try:
        with stopped_by_signals():
            args = parse(argv)
            code = args.verb(args)
            sys.stdout.flush()
        return code or 0
    except BaseException as error:
        cause = cause_of(error)
        if (ended := ending(cause)) is None:
            raise
        said, code = ended
        print("; ".join([f"groupthink: {said}", *getattr(cause, "__notes__", ())]), file=sys.stderr)
        return code

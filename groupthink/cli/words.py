"""The words of the command line: which verb they name, and its options."""

import argparse
from collections.abc import Sequence

from groupthink.cli import chat, check, doctor, evaluate, explain, report, serve, train
from groupthink.web.verbs import add_view


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of a verb, with its function as `verb`. Leaves with the usage and code 2 where they are none."""
    args, more = _parser().parse_known_args(argv)
    # argparse leaves over the words that follow an option.
    if "words" in args and not any(word.startswith("-") for word in more):
        args.words += more
    elif more:
        args.parser.error(f"unrecognized arguments: {' '.join(more)}")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groupthink", description="Makes reasoning models, with GRPO.")
    verbs = parser.add_subparsers(required=True, metavar="{train,eval,check,doctor,report,view,explain,serve,chat}")
    for verb in (train, evaluate, check, explain, doctor, report):
        verb.add(verbs)
    add_view(verbs)
    for verb in (serve, chat):
        verb.add(verbs)
    return parser

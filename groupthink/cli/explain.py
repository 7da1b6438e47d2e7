"""`groupthink explain`: the five steps on one problem, worked through."""

import argparse
from dataclasses import asdict
from typing import Any

from groupthink.cli.options import add_json
from groupthink.cli.saying import print_json, quieten, tell


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser("explain", help="the five steps on one problem, worked through")
    verb.set_defaults(verb=explain, parser=verb)
    add_json(verb)


def explain(args: argparse.Namespace) -> None:
    """groupthink explain [--json]"""
    tell("working through the five steps")
    from groupthink import explain as worked

    quieten()
    found = worked.explain()
    if args.json:
        print_json(asdict(found))
    else:
        worked.print_explanation(found)

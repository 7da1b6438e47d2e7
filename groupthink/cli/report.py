"""`groupthink report`: what came of a run and of each of its stages."""

import argparse
from pathlib import Path
from typing import Any

from groupthink.cli.options import add_json
from groupthink.cli.saying import print_json, tell
from groupthink.web.verbs import write_html


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser("report", help="what came of a run and of each of its stages, with intervals")
    verb.set_defaults(verb=report, parser=verb)
    verb.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, at work or finished")
    verb.add_argument("--markdown", metavar="DIR", type=Path, help="write it there, too, as report.md with plots")
    verb.add_argument("--html", metavar="FILE", type=Path, help="write the run's pages there, too, as one file")
    add_json(verb)


def report(args: argparse.Namespace) -> None:
    """groupthink report RUN [--markdown DIR] [--html FILE] [--json]"""
    from groupthink.insight.report import read_report
    from groupthink.insight.report.as_json import as_json
    from groupthink.insight.report.markdown import write_markdown
    from groupthink.insight.report.words import in_words

    found = read_report(args.run)
    if args.markdown is not None:
        tell(f"the report is in {write_markdown(args.markdown, found, tell)}")
    if args.html is not None:
        write_html(args.run, args.html, tell)
    if args.json:
        print_json(as_json(found))
    else:
        print("\n".join(in_words(found)))

"""`groupthink serve`: a model behind OpenAI's API."""

import argparse
from typing import Any

from groupthink.cli.models import require_there
from groupthink.cli.options import add_model
from groupthink.cli.saying import quieten, tell
from groupthink.web.verbs import add_listening, listening_of, require_web


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser("serve", help="a model behind OpenAI's API", description="A model behind OpenAI's API.")
    verb.set_defaults(verb=serve, parser=verb)
    add_model(verb)
    add_listening(verb, port=8000)


def serve(args: argparse.Namespace) -> None:
    """groupthink serve MODEL [--host H] [--port P] [--token T]"""
    require_web("groupthink serve")
    require_there(args.model)

    from groupthink.web.serve.serving import serve as answer

    quieten()
    answer(args.model, **listening_of(args), trust_remote_code=args.trust_remote_code, tell=tell)

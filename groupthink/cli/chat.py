"""`groupthink chat`: talk with a model in the terminal."""

import argparse
from typing import Any

from groupthink.cli.models import require_there
from groupthink.cli.options import add_model, count
from groupthink.cli.saying import quieten, tell


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    verb = verbs.add_parser("chat", help="talk with a model in the terminal", description="Talk with a model.")
    verb.set_defaults(verb=chat, parser=verb)
    add_model(verb)
    verb.add_argument("--temperature", metavar="T", type=float, default=1.0, help="0: always the likeliest token (1.0)")
    verb.add_argument("--max-tokens", metavar="N", type=count, help="where a response is cut")
    verb.add_argument("--system", metavar="S", default="", help="what the model is told before the first message")
    verb.add_argument("--seed", metavar="N", type=int, help="draw the same each time (default: another each time)")


def chat(args: argparse.Namespace) -> None:
    """groupthink chat MODEL [--temperature T] [--max-tokens N] [--system S] [--seed N]"""
    require_there(args.model)

    from groupthink.web.chat import terminal

    quieten()
    terminal.chat(
        args.model,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        system=args.system,
        seed=args.seed,
        trust_remote_code=args.trust_remote_code,
        tell=tell,
    )

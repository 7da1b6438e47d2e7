"""`groupthink eval`: a model is measured on held-out problems."""

import argparse
from typing import Any

from groupthink.cli.models import require_there
from groupthink.cli.options import add_json, add_model, count
from groupthink.cli.saying import print_json, quieten, tell
from groupthink.stage.settings import EvaluateSettings


def add(verbs: Any) -> None:
    """The verb, to those of the command line."""
    given = EvaluateSettings()
    verb = verbs.add_parser("eval", help="measure a model", description="Measure a model on held-out problems.")
    verb.set_defaults(verb=evaluate, parser=verb)
    add_model(verb)
    verb.add_argument("--task", metavar="T", help="the problems' task (default: the run's, or else quadratics)")
    verb.add_argument(
        "--problems", metavar="N", type=count, default=given.problems, help=f"how many problems ({given.problems})"
    )
    verb.add_argument(
        "--samples", metavar="K", type=count, default=given.samples, help=f"responses to each ({given.samples})"
    )
    verb.add_argument("--temperature", metavar="T", type=float, default=1.0, help="of the samples (1.0)")
    verb.add_argument(
        "--max-tokens", metavar="N", type=count, help="where a response is cut (default: the run's, or else 200)"
    )
    verb.add_argument("--split", metavar="S", help="which problems (default: the run's, or else held_out)")
    verb.add_argument(
        "--template",
        metavar="T",
        help="in which words it is asked: model (its chat template), plain or auto (default: the run's, or else auto)",
    )
    add_json(verb)


def evaluate(args: argparse.Namespace) -> None:
    """groupthink eval MODEL [--task T] [--split S] [--problems N] [--samples K] [--temperature T] [--max-tokens N]
    [--template T] [--trust-remote-code]"""
    require_there(args.model)

    from groupthink.model.loading import require_readable
    from groupthink.run.terminal import evaluation_lines
    from groupthink.stage.evaluate import evaluate_model

    quieten()
    require_readable(args.model, trust_remote_code=args.trust_remote_code)
    figures = evaluate_model(
        args.model,
        task=args.task,
        problems=args.problems,
        samples=args.samples,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
        split=args.split,
        template=args.template,
        trust_remote_code=args.trust_remote_code,
        note=tell,
    )
    if args.json:
        print_json(figures)
    else:
        print("\n".join(evaluation_lines(figures)))

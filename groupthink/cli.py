"""The verbs: each parses its words and calls one function. Heavy imports come late, so that --help is quick."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Run `groupthink` with the words of `argv` (those of the command line); the exit code."""
    try:
        args = _parse(argv)
        args.verb(args)
        return 0
    except KeyboardInterrupt as stopped:
        print(f"groupthink: stopped{stopped}", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        if os.environ.get("GROUPTHINK_DEBUG") == "1":
            raise
        print(f"groupthink: {error}", file=sys.stderr)
        return 2


def train(args: argparse.Namespace) -> None:
    """groupthink train [RECIPE] [key=value ...] [--run DIR] [--resume] [--dry-run] [--json]"""
    recipe_path, overrides = _recipe_and_settings(args.words)
    if args.dry_run:
        return _dry_run(recipe_path, overrides, as_json=args.json)

    from groupthink.recipe import load_recipe
    from groupthink.run.directory import Run, free_directory
    from groupthink.run.terminal import open_view

    if args.resume:
        if args.run is None:
            raise ValueError("--resume needs --run DIR: which run is to go on?")
        if recipe_path is not None:
            raise ValueError(f"a resumed run takes its own recipe: leave out {recipe_path}")
        run = Run.resume(args.run, overrides)
    else:
        recipe = load_recipe(recipe_path, overrides)
        run = Run.create(args.run or free_directory(Path(recipe_path or "nano").stem), recipe)

    from groupthink import stage
    from groupthink.model.loading import hide_progress_bars

    hide_progress_bars()
    view = open_view(stream=sys.stderr if args.json else sys.stdout)
    try:
        view.started(run.recipe, run.remaining_steps())
        figures = stage.train(run, view)
        view.note(_what_next(run.path, run.recipe.steps))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"; go on with: groupthink train --resume --run {run.path}") from None
    finally:
        view.closed()
    if args.json:
        _print_json({"run": str(run.path), **figures})


def evaluate(args: argparse.Namespace) -> None:
    """groupthink eval MODEL [--task T] [--problems N] [--samples K] [--temperature T] [--split S] [--json]"""
    from groupthink.model.loading import hide_progress_bars
    from groupthink.run.terminal import describe_evaluation
    from groupthink.stage.evaluate import evaluate_model

    hide_progress_bars()
    figures = evaluate_model(
        args.model,
        task=args.task,
        problems=args.problems,
        samples=args.samples,
        temperature=args.temperature,
        split=args.split,
    )
    if args.json:
        _print_json(figures)
    else:
        print(describe_evaluation(figures))


def explain(args: argparse.Namespace) -> None:
    """groupthink explain [--json]"""
    from groupthink import explain as worked
    from groupthink.model.loading import hide_progress_bars

    hide_progress_bars()
    found = worked.explain()
    if args.json:
        _print_json(asdict(found))
    else:
        worked.print_explanation(found)


def _what_next(run: Path, steps: int) -> str:
    return (
        f"\nThe model is in {run / 'model'}, and every response of every step in {run / 'rollouts'}. Next:\n"
        f"  groupthink eval {run} --samples 16    measure it more closely\n"
        f"  groupthink train --resume --run {run} steps={2 * steps}    train it further\n"
        "  groupthink explain    see the five steps on one problem"
    )


def _dry_run(recipe_path: str | None, overrides: Sequence[str], *, as_json: bool) -> None:
    from groupthink.recipe import describe_step, dump_recipe, load_recipe, recipe_table

    recipe = load_recipe(recipe_path, overrides)
    if as_json:
        _print_json({"recipe": recipe_table(recipe), "step": describe_step(recipe)})
    else:
        print(dump_recipe(recipe))
        print(f"# {describe_step(recipe)}\n# {recipe.steps} of them.")


def _recipe_and_settings(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """A word with `=` is a setting, the one without is the recipe."""
    settings = [word for word in words if "=" in word]
    recipes = [word for word in words if "=" not in word]
    if len(recipes) > 1:
        raise ValueError(f"one recipe at a time, not {' and '.join(recipes)} (a setting is written key=value)")
    return (recipes[0] if recipes else None), settings


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    args, more = parser.parse_known_args(argv)
    # argparse leaves over the words that follow an option.
    if args.verb is train and not any(word.startswith("-") for word in more):
        args.words += more
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groupthink", description="Makes reasoning models, with GRPO.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("train", help="train a model by a recipe", description="Train a model by a recipe.")
    verb.set_defaults(verb=train)
    verb.add_argument(
        "words",
        nargs="*",
        metavar="RECIPE | key=value",
        help="a TOML file (default: the bundled nano.toml), and settings that go before it, such as steps=400",
    )
    verb.add_argument(
        "--run", metavar="DIR", type=Path, help="where the run is kept (default: runs/NAME of the recipe)"
    )
    verb.add_argument("--resume", action="store_true", help="go on with the run in DIR, by its own recipe")
    verb.add_argument("--dry-run", action="store_true", help="only print the resolved recipe and what a step is")
    _add_json(verb)

    verb = verbs.add_parser("eval", help="measure a model", description="Measure a model on held-out problems.")
    verb.set_defaults(verb=evaluate)
    verb.add_argument("model", metavar="MODEL", help="nano, a run, a checkpoint, a local folder or a hub id")
    verb.add_argument("--task", metavar="T", help="the problems' task (default: the run's, or else quadratics)")
    verb.add_argument("--problems", metavar="N", type=int, default=200, help="how many held-out problems (200)")
    verb.add_argument("--samples", metavar="K", type=int, default=4, help="responses to each (4)")
    verb.add_argument("--temperature", metavar="T", type=float, default=1.0, help="of the samples (1.0)")
    verb.add_argument("--split", choices=("held_out", "beyond"), default="held_out", help="which problems (held_out)")
    _add_json(verb)

    verb = verbs.add_parser("explain", help="the five steps on one problem, worked through")
    verb.set_defaults(verb=explain)
    _add_json(verb)
    return parser


def _add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print one JSON object on standard output, and nothing else")


def _print_json(figures: Mapping[str, Any]) -> None:
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    sys.exit(main())
